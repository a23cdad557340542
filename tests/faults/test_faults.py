"""Each thing that can go wrong in a long run: what was saved stays, the sentence says what to do."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess

import pytest
import torch
from faults.runs import SETTINGS, Hearing, clean, outcome
from tiny_models import make_tiny

import clipsan
import clipsan.checkpoint.write as write_module
import clipsan.pairs.reader as reader_module
import clipsan.resume.keeper as keeper_module
import clipsan.training.gradients as gradients_module
import clipsan.training.loop as loop_module
from clipsan.checkpoint import load
from clipsan.errors import DataError, OutputError, TrainingError
from clipsan.report import read_report
from clipsan.resume.states import saved_updates


def names(folder):
    return [path.name for path in saved_updates(folder / "cleaned.resume")]


def weights(folder):
    return load(folder).model.state_dict()


@pytest.fixture
def little_memory(monkeypatch):
    """Gives a function after whose call an encoder can take so many images at once, and no more."""
    encode = gradients_module.encode_image
    most = []

    def encode_image(model, images, *rest):
        if most and len(images) > most[0]:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return encode(model, images, *rest)

    monkeypatch.setattr(gradients_module, "encode_image", encode_image)
    return most.append


def test_memory_that_runs_out_halves_the_micro_batch_and_changes_no_result(here, little_memory):
    clean()
    (here / "cleaned").rename(here / "whole")
    little_memory(3)
    heard = clean(at=3)
    said = [warning for warning in heard.warnings if "memory ran out" in warning]
    assert len(said) == 2  # 8 to 4, 4 to 2
    assert said[1].startswith("memory ran out with 4 pairs at a time, so training goes on with 2: slower")
    assert not clean().warnings  # going on, it begins with 2
    assert list(read_report("cleaned/report.json").warnings) == said
    suspect, one, other = (weights(folder) for folder in ("model", "whole", "cleaned"))
    moved = torch.cat([(one[key] - suspect[key]).flatten() for key in suspect]).norm()
    apart = torch.cat([(one[key] - other[key]).flatten() for key in suspect]).norm()
    assert apart < 0.01 * moved  # rounding, which AdamW makes large where a gradient is nearly 0


def test_memory_for_a_single_pair_is_missing(here, little_memory):
    little_memory(0)
    with pytest.raises(TrainingError, match=r"one pair at a time: choose a --batch-size below 8"):
        clean()


def test_batch_norm_counts_an_update_once_though_memory_ran_out_in_it(here, little_memory):
    make_tiny("rn").write_folder(here / "rn")
    clean(model="rn", batch_norm="train", micro_batch=4, steps=2)
    (here / "cleaned").rename(here / "whole")
    little_memory(4)
    clean(model="rn", batch_norm="train", steps=2)
    found = weights("cleaned")
    for key, value in weights("whole").items():
        if "running" in key or "tracked" in key:
            torch.testing.assert_close(found[key], value, rtol=1e-4, atol=1e-5, msg=key)


@pytest.fixture
def not_finite(monkeypatch):
    """Gives a function that makes the gradients of the updates it is told (from 1) not finite."""
    backward = loop_module.backward
    bad, update = set(), [0]

    def broken(model, *rest, **named):
        loss = backward(model, *rest, **named)
        update[0] += 1
        if update[0] in bad:
            model.visual.proj.grad[0, 0] = float("inf")
        return loss

    monkeypatch.setattr(loop_module, "backward", broken)
    return bad.update


def test_an_update_that_is_not_finite_changes_nothing_and_is_counted(here, not_finite):
    not_finite({2, 7})
    heard = clean()
    training = read_report("cleaned/report.json").training
    assert training.left_out == 2
    assert "2 updates were left out" in read_report("cleaned/report.json").warnings[0]
    assert [point.step for point in training.curves] == [1, 3, 4, 5, 6]
    assert heard.warnings[0] == ("the loss or its gradient was not finite at update 2 of 7: it was left out")
    assert all(torch.isfinite(value).all() for value in weights("cleaned").values())


def test_updates_that_are_never_finite_end_the_run_with_advice(here, not_finite):
    not_finite({4, 5, 6})
    with pytest.raises(
        TrainingError, match=r"update 6 of 7, after 2 others .*lower the learning rate .*0.001"
    ):
        clean(save_every=2)
    assert names(here) == ["update-00000004", "update-00000002"]


def test_a_disk_that_is_full_for_a_state_does_not_end_the_training(here, whole, monkeypatch):
    write, calls = write_module._write_hashed, []

    def full(file, pieces):
        calls.append(file.name)
        if 2 <= len(calls) <= 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, pieces)

    monkeypatch.setattr(write_module, "_write_hashed", full)
    heard = clean(at=6, save_every=1)
    assert heard.warnings[0].startswith("update 2 was not saved: ")
    assert heard.warnings[0].endswith("the disk is full; make room or choose another --out; training goes on")
    assert len(heard.warnings) == 3
    assert names(here) == ["update-00000006", "update-00000005"]
    clean()
    assert outcome("cleaned") == whole


def test_the_older_state_makes_room_for_a_new_one(here, monkeypatch):
    write, calls = write_module._write_hashed, []

    def full(file, pieces):
        calls.append(file.name)
        if len(names(here)) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, pieces)

    monkeypatch.setattr(write_module, "_write_hashed", full)
    assert not clean(at=4, save_every=1).warnings
    assert names(here) == ["update-00000004", "update-00000003"]


def test_a_full_file_system_keeps_what_was_saved_until_there_is_room(here, whole, tmp_path):
    """On a real file system that something else fills up during the training."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "none", str(place)]
    if not shutil.which("mount") or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this user may not mount a file system")
    ballast = place / "ballast"

    def fill_up():
        ballast.write_bytes(bytes(shutil.disk_usage(place).free - (1 << 20)))  # states grow a little

    try:
        clean(place / "cleaned", at=2, save_every=1)
        sentence = r"make room or choose another --out; update 7 is kept in '.*cleaned.resume': the same"
        with pytest.raises(OutputError, match=sentence):
            clean(place / "cleaned", at=3, act=fill_up, save_every=1)
        assert sorted(path.name for path in place.iterdir()) == ["ballast", "cleaned.resume"]
        ballast.unlink()
        assert clean(place / "cleaned").updates == []
        assert outcome(place / "cleaned")[0] == whole[0]
        assert [path.name for path in place.iterdir()] == ["cleaned"]
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_read_only_folder_is_refused_before_anything_is_read(here, tmp_path):
    place = tmp_path / "still"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "ro,size=1m", "none", str(place)]
    if not shutil.which("mount") or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this user may not mount a file system")
    try:
        with pytest.raises(OutputError, match="cannot be written: you may not write there"):
            clean(place / "cleaned", model="no-such-model")
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_limit_on_the_size_of_files(here):
    """What a quota on file sizes does, on any system."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OutputError, match="takes no file of that size"):
            clean(save_every=3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (here / "cleaned").exists() and not (here / "cleaned.resume").exists()


def test_pairs_that_vanish_during_the_run(here, whole, monkeypatch):
    monkeypatch.setattr("clipsan.pairs.reader.MOST_LOST", 8)
    sentence = (
        r"The last \d+ images could not be read any more, such as .* \(cannot be read \(No such file or "
        r"directory\)\): bring the folder or disk back .*; update \d is kept in 'cleaned.resume'"
    )
    with pytest.raises(DataError, match=sentence):
        clean(at=1, act=lambda: (here / "pairs").rename(here / "gone"))
    assert len(names(here)) == 1
    (here / "gone").rename(here / "pairs")
    clean()
    assert outcome("cleaned") == whole


def test_a_worker_that_stops_leaves_what_was_done(here, whole, monkeypatch):
    decode, calls = reader_module.decode_for_training, []

    def dying(*image):
        calls.append(1)
        if len(calls) > 24:
            raise RuntimeError("can't start new thread")
        return decode(*image)

    monkeypatch.setattr(reader_module, "decode_for_training", dying)
    with pytest.raises(
        DataError, match=r"Reading images stopped at .*; update \d is kept in 'cleaned.resume'"
    ):
        clean()
    monkeypatch.setattr(reader_module, "decode_for_training", decode)
    clean()
    assert outcome("cleaned") == whole


def test_a_clock_that_is_set_back_changes_nothing(here, whole, monkeypatch):
    clean(at=2)
    monkeypatch.setattr("time.time", lambda: 0.0)
    for path in (here / "cleaned.resume").rglob("*"):
        os.utime(path, (2e9, 2e9))
    assert clean(at=4, save_every=1).updates == [3, 4]
    assert names(here)[0] == "update-00000004"
    clean()
    assert outcome("cleaned") == whole


def test_by_default_a_state_is_saved_every_ten_minutes(here, monkeypatch):
    """With a clock on which each update takes four minutes."""
    now = [0.0]
    monkeypatch.setattr(keeper_module.time, "monotonic", lambda: now[0])
    seen = {}

    def pass_time(step):
        seen[step.step] = names(here)
        now[0] += 240.0

    watcher = Hearing()
    watcher.step = pass_time
    clipsan.clean("model", "pairs", watcher=watcher, **SETTINGS)
    assert [update for update in (4, 7) if len(seen[update]) > len(seen[update - 1])] == [4, 7]
    assert seen[7] == ["update-00000006", "update-00000003"]
