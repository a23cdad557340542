"""Where decoded images are kept changes no pixel, and what has no room is refused in a sentence."""

from __future__ import annotations

import errno
import os

import pytest
import torch
from drawn_pairs import encode, noise

import clipsan
import clipsan.pairs.kept_images as kept_module
from clipsan.errors import UsageError
from clipsan.pairs import ImageReader, open_pairs
from clipsan.pairs.kept_images import KINDS, free_memory, room_for


@pytest.fixture
def pairs(tmp_path):
    folder = tmp_path / "pairs"
    folder.mkdir()
    for i in range(6):
        (folder / f"{i}.jpg").write_bytes(b"no picture" if i == 4 else encode(noise(40, 40, i), "JPEG"))
        (folder / f"{i}.txt").write_text("text")
    return open_pairs(folder)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_the_same_pixels_and_decodes_what_it_must(pairs, kind, monkeypatch, tmp_path):
    (tmp_path / "room").mkdir()
    monkeypatch.setattr(kept_module.tempfile, "tempdir", str(tmp_path / "room"))
    plain, _ = ImageReader(pairs, {}, (16, 16), keep="none").batch(range(6))
    reader = ImageReader(pairs, {}, (16, 16), keep=kind, threads=2)
    assert torch.equal(reader.batch([0, 1, 4])[0], plain[:2])
    assert not list((tmp_path / "room").iterdir())  # the file has no name
    reads = []
    monkeypatch.setattr(pairs, "read", lambda i, read=pairs.read: reads.append(i) or read(i))
    pixels, good = reader.batch(range(6))
    assert torch.equal(pixels, plain) and good == [0, 1, 2, 3, 5]
    assert sorted(reads) == ([0, 1, 2, 3, 5] if kind == "none" else [2, 3, 5])


def test_what_has_no_room_is_refused(monkeypatch):
    assert room_for("auto", 10**6, (224, 224)) is None
    with pytest.raises(UsageError, match=r"'ram', but must be one of auto, memory, disk, none"):
        room_for("ram", 1, (8, 8))
    monkeypatch.setattr(kept_module, "free_memory", lambda: 10**9)
    with pytest.raises(UsageError, match=r"needs 15\.1 GB for 100000 decoded images.* the 1\.0 GB that"):
        room_for("memory", 100_000, (224, 224))

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(UsageError, match=r"needs 15\.1 GB in .*No space left.*TMPDIR"):
        room_for("disk", 100_000, (224, 224))


def test_a_container_has_less_memory_than_its_machine(monkeypatch, tmp_path):
    whole = free_memory()
    if whole is None:
        pytest.skip("this system does not tell")
    monkeypatch.setattr(kept_module, "_CGROUP", tmp_path)
    for name, text in (("max", "3000000"), ("current", "2900000"), ("stat", "anon 5\ninactive_file 200\n")):
        (tmp_path / f"memory.{name}").write_text(text)
    assert free_memory() == 100_200
    (tmp_path / "memory.max").write_text("max")
    assert free_memory() > 10 * 100_200


def test_clean_writes_the_same_weights_wherever_images_are_kept(world, tmp_path):
    made = []
    for kind in ("disk", "none"):
        clipsan.clean(
            world / "model.safetensors", world / "pairs", out=tmp_path / kind, cache_images=kind,
            steps=6, batch_size=16, device="cpu", save_every=0,
        )  # fmt: skip
        made.append((tmp_path / kind / "open_clip_model.safetensors").read_bytes())
    assert made[0] == made[1]
