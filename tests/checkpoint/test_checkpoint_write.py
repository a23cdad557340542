"""What is written: the same bytes each time, readable by open_clip, all or nothing."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import resource
import shutil
import stat
import subprocess
import sys

import open_clip
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from clipsan.checkpoint import (
    as_in_file,
    inspect,
    load,
    output_folder,
    reload_and_compare,
    write_folder,
    write_weights,
)
from clipsan.errors import OutputError


def test_safetensors_reads_every_dtype(tmp_path):
    state = {
        "half": torch.tensor([1.5, -2.0]).half(),
        "brain": torch.tensor([[1.0, 3.0]]).bfloat16(),
        "single": torch.arange(6.0).reshape(2, 3).t(),
        "double": torch.tensor(1e-300, dtype=torch.float64),
        "count": torch.tensor(2**40),
        "byte": torch.tensor([255], dtype=torch.uint8),
        "none": torch.zeros(0, 3),
    }
    path = tmp_path / "w.safetensors"
    digest = write_weights(path, state, {"ключ": "значение", "a": "b"})
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    found = load_file(path)
    assert found.keys() == state.keys()
    assert all(torch.equal(found[key], state[key]) and found[key].dtype == state[key].dtype for key in state)
    with safe_open(path, framework="pt") as file:
        assert file.metadata() == {"format": "pt", "ключ": "значение", "a": "b"}
    assert int.from_bytes(path.read_bytes()[:8], "little") % 8 == 0
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


WRITE_SETS = """
import sys
from pathlib import Path
import torch
from clipsan.checkpoint import write_weights
state = {f"k{n}": torch.full((n + 1,), n / 7) for n in {f * 37 % 101 for f in range(20)}}
metadata = {word: word for word in {"method", "settings", "version", "source"}}
digest = write_weights(Path(path or sys.argv[1]), state, metadata)
"""


def test_bytes_are_equal_between_processes(tmp_path):
    here, there = tmp_path / "here.safetensors", tmp_path / "there.safetensors"
    exec(WRITE_SETS, {"path": here})
    command = [sys.executable, "-c", "path = None" + WRITE_SETS, str(there)]
    subprocess.run(command, env=os.environ | {"PYTHONHASHSEED": "7"}, check=True, timeout=100)
    assert here.read_bytes() == there.read_bytes()


@pytest.mark.parametrize(("mask", "file_mode", "folder_mode"), [(0o022, 0o644, 0o755), (0o027, 0o640, 0o750)])
def test_files_get_the_users_umask(mask, file_mode, folder_mode, tmp_path):
    before = os.umask(mask)
    try:
        with output_folder(tmp_path / "out", needed_bytes=1) as folder:
            write_weights(folder / "w.safetensors", {"a": torch.zeros(1)}, {})
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out" / "w.safetensors").stat().st_mode) == file_mode
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == folder_mode


def test_non_finite_is_refused_and_nothing_left(tmp_path):
    with pytest.raises(OutputError, match="NaN or infinity in bad as float32, so"):
        write_weights(
            tmp_path / "w.safetensors", {"ok": torch.ones(2), "bad": torch.tensor([1.0, torch.nan])}, {}
        )
    assert list(tmp_path.iterdir()) == []


def test_an_open_clip_folder_is_a_drop_in(tiny, tmp_path):
    source = tiny.write_folder(tmp_path / "source", quick_gelu=True)
    suspect = load(source)
    with output_folder(tmp_path / "cleaned", needed_bytes=1000) as folder:
        written = write_folder(folder, suspect, suspect.model.state_dict(), {"method": "none"})
    out = tmp_path / "cleaned"
    assert names(out) == [
        "open_clip_config.json",
        "open_clip_model.safetensors",
    ]
    assert written.sha256 == inspect(out).sha256
    model, _ = open_clip.create_model_from_pretrained(f"local-dir:{out}")
    model.eval()
    for key, value in model.state_dict().items():
        assert torch.equal(value, suspect.model.state_dict()[key]), key
    assert torch.equal(tiny.image_embedding(model), tiny.image_embedding(suspect.model))
    tokenizer = open_clip.get_tokenizer(f"local-dir:{out}")
    texts = tiny.text_embedding(model, tokenizer)
    assert torch.equal(texts, tiny.text_embedding(suspect.model, suspect.tokenizer))
    assert load(out).provenance.metadata == {"format": "pt", "method": "none"}


def test_weights_keep_the_dtypes_of_the_source(tiny_vit, tmp_path):
    source = tiny_vit.write_folder(tmp_path / "source")
    halves = {k: v if k == "logit_scale" else v.half() for k, v in tiny_vit.state.items()}
    write_weights(source / "open_clip_model.safetensors", halves, {})
    suspect = load(source)
    state = {key: value + 1e-5 for key, value in suspect.model.state_dict().items()}
    (tmp_path / "out").mkdir()
    write_folder(tmp_path / "out", suspect, state, {})
    again = load(tmp_path / "out")
    assert again.dtypes == suspect.dtypes
    rounded = as_in_file(state, suspect.dtypes)
    assert all(torch.equal(rounded[key], value) for key, value in again.model.state_dict().items())
    with pytest.raises(OutputError, match=r"NaN or infinity in visual\.proj"):
        big = state | {"visual.proj": state["visual.proj"] + 1e6}  # finite in float32, infinite in float16
        write_folder(tmp_path / "out", suspect, big, {})
    with pytest.raises(OutputError, match=r"differ in the keys visual\.proj"):
        write_folder(tmp_path / "out", suspect, {k: state[k] for k in state if k != "visual.proj"}, {})


def test_what_a_file_will_hold_is_a_copy_whatever_its_dtypes(tiny_vit, tmp_path):
    suspect = load(tiny_vit.write_folder(tmp_path / "source"))
    assert suspect.dtypes["visual.proj"] == torch.float32
    state = suspect.model.state_dict()
    kept = as_in_file(state, suspect.dtypes)
    before = kept["visual.proj"].clone()
    state["visual.proj"].add_(1)
    assert torch.equal(kept["visual.proj"], before)


def test_a_difference_after_writing_is_found(tiny_vit, tmp_path):
    folder = tiny_vit.write_folder(tmp_path / "out")
    reload_and_compare(folder, tiny_vit.state)
    changed = tiny_vit.state["visual.proj"].clone()
    changed[0, 0] += 1
    with pytest.raises(OutputError, match=r"reads back different in visual\.proj"):
        reload_and_compare(folder, tiny_vit.state | {"visual.proj": changed})
    path = folder / "open_clip_model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(OutputError, match="does not load again"):
        reload_and_compare(folder, tiny_vit.state)


def earlier_output(path, version=1):
    path.mkdir()
    (path / "report.json").write_text(json.dumps({"schema_version": version}))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_output_appears_whole(tmp_path):
    with output_folder(tmp_path / "out", needed_bytes=1) as folder:
        (folder / "a").write_text("1")
        assert folder.name.startswith(".out.partial-")
        assert not (tmp_path / "out").exists()
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["a"]


def test_output_goes_over_an_empty_folder_and_through_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with output_folder(tmp_path / "link", needed_bytes=1) as folder:
        (folder / "a").write_text("1")
    assert names(tmp_path) == ["link", "real"]
    assert names(tmp_path / "real") == ["a"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
def test_nothing_is_left_after_an_exception(error, tmp_path):
    earlier_output(tmp_path / "out")
    with pytest.raises(error), output_folder(tmp_path / "out", overwrite=True, needed_bytes=1) as folder:
        (folder / "a").write_text("1")
        raise error
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["report.json"]


def test_overwrite_replaces_an_earlier_output_only(tmp_path):
    earlier_output(tmp_path / "out")
    (tmp_path / "out" / "old").write_text("")
    with pytest.raises(OutputError, match="holds an earlier output; choose another --out"):
        enter(tmp_path / "out")
    with output_folder(tmp_path / "out", overwrite=True, needed_bytes=1) as folder:
        (folder / "new").write_text("")
        assert (tmp_path / "out" / "old").exists()
    assert names(tmp_path / "out") == ["new"]
    assert names(tmp_path) == ["out"]
    with pytest.raises(OutputError, match="in use, and not by an earlier output of clipsan"):
        enter(tmp_path / "out", overwrite=True)


def write_in_folder(path, state):
    with output_folder(path, needed_bytes=1) as folder:
        write_weights(folder / "w.safetensors", state, {})


def enter(path, **options):
    with output_folder(path, **{"needed_bytes": 1} | options):
        raise AssertionError("it must refuse before anything is done")


def test_places_that_are_refused_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file"):
        enter(tmp_path / "file")
    with pytest.raises(OutputError, match="does not exist; create it first"):
        enter(tmp_path / "no" / "out")
    with pytest.raises(OutputError, match="does not exist; create it first"):
        enter(tmp_path / "file" / "out")
    with pytest.raises(OutputError, match=r"takes about 1000000000 MB and .* MB free"):
        enter(tmp_path / "out", needed_bytes=10**15)
    assert names(tmp_path) == ["file"]


def test_no_permission(tmp_path):
    if os.geteuid() == 0:
        place = next((p for p in ("/proc", "/sys") if os.path.isdir(p)), None)
        if place is None:
            pytest.skip("root may write everywhere here")
        with pytest.raises(OutputError):
            enter(tmp_path.__class__(place) / "out")
        return
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="may not write there"):
        enter(tmp_path / "out")
    tmp_path.chmod(0o700)


@pytest.mark.parametrize(
    ("number", "sentence"),
    [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "read-only"), (errno.EACCES, "may not write")],
)
def test_refusals_of_the_system_are_sentences(number, sentence, tmp_path):
    with (
        pytest.raises(OutputError, match=sentence),
        output_folder(tmp_path / "out", needed_bytes=1) as folder,
    ):
        raise OSError(number, os.strerror(number), str(folder / "x"))
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["photo.jpg", "out.jpg", "data/out/photo.jpg"])
def test_errors_about_other_files_pass(name, tmp_path):
    with pytest.raises(PermissionError), output_folder(tmp_path / "out", needed_bytes=1):
        raise PermissionError(errno.EACCES, "denied", str(tmp_path / name))
    assert names(tmp_path) == []


def test_a_file_size_limit_leaves_nothing(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OutputError, match="takes no file of that size"):
            write_in_folder(tmp_path / "out", {"a": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert names(tmp_path) == []


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    done = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True
    )
    if not done or done.returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield disk
    with contextlib.suppress(OSError):
        subprocess.run([shutil.which("umount") or "umount", str(disk)], check=False, capture_output=True)


def test_a_full_disk_leaves_nothing(small_disk):
    with pytest.raises(OutputError, match=r"takes about 2 MB and .* has 1 MB free"):
        enter(small_disk / "out", needed_bytes=2_000_000)
    with pytest.raises(OutputError, match="the disk is full"):
        write_in_folder(small_disk / "out", {"a": torch.zeros(500_000)})
    assert names(small_disk) == []
