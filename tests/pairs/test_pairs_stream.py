"""The split, and the stream of batches."""

from __future__ import annotations

import threading
import time
from itertools import islice

import pytest
import torch
from drawn_pairs import encode, noise, write_tar

from clipsan.errors import DataError, UsageError
from clipsan.pairs import BatchStream, ImageReader, kept_images, open_pairs, split


def make(tmp_path, n, broken=()):
    members = []
    for i in range(n):
        data = b"broken" if i in broken else encode(noise(8, 8, i))
        members += [(f"{i:03d}.png", data), (f"{i:03d}.txt", b"caption %d" % i)]
    write_tar(tmp_path / "t.tar", members)
    return open_pairs(tmp_path / "t.tar")


def take(pairs, count, batch_size, seed, **settings):
    with BatchStream(ImageReader(pairs, {}, (8, 8), **settings), len(pairs), batch_size, seed) as stream:
        return list(islice(stream, count))


def test_split_depends_on_seed_and_image_alone(tmp_path):
    pairs = make(tmp_path, 400)
    train, held = split(pairs, 0.1, seed=0)
    assert sorted(train.names + held.names) == pairs.names
    assert 20 <= len(held) <= 60  # 40 expected, sigma 6
    assert held.read(0) == pairs.read(pairs.names.index(held.names[0]))
    backwards = split(pairs.subset(range(399, -1, -1)), 0.1, seed=0)[1]
    assert backwards.names == held.names[::-1] and backwards.captions == held.captions[::-1]
    fewer = split(pairs.subset(range(200)), 0.1, seed=0)[1]
    assert set(fewer.names) == set(held.names) & set(pairs.names[:200])
    assert split(pairs, 0.1, seed=1)[1].names != held.names
    assert set(held.names) < set(split(pairs, 0.3, seed=0)[1].names)
    renamed = [(f"x{i}.png", encode(noise(8, 8, i))) for i in range(400)]
    write_tar(
        tmp_path / "r.tar", [m for name, data in renamed for m in ((name, data), (f"{name[:-4]}.txt", b"a"))]
    )
    again = split(open_pairs(tmp_path / "r.tar"), 0.1, seed=0)[1]
    assert [name[len("r.tar/x") :] for name in again.names] == [
        str(int(n[len("t.tar/") :])) for n in held.names
    ]


def test_split_leaves_no_side_empty(tmp_path):
    pairs = make(tmp_path, 5)
    assert [len(side) for side in split(pairs, 0.0, 0)] == [5, 0]
    for share in (1e-9, 0.999999999):
        assert sorted(len(side) for side in split(pairs.subset([0, 1]), share, 0)) == [1, 1]
    assert [len(side) for side in split(pairs, 1e-9, 0)] == [4, 1]
    assert [len(side) for side in split(pairs.subset([3]), 1e-9, 0)] == [1, 0]
    for share in (-0.1, 1.0, float("nan")):
        with pytest.raises(UsageError, match="held-out share"):
            split(pairs, share, 0)


def test_split_keeps_captions_and_copies_of_one_image_together(tmp_path):
    rows = "".join(f"a.png,caption {i}\n" for i in range(20))
    for number, name in enumerate("abcdefgh"):
        (tmp_path / f"{name}.png").write_bytes(encode(noise(8, 8, number)))
        (tmp_path / f"copy-{name}.png").write_bytes(encode(noise(8, 8, number)))
        rows += f"{name}.png,other\ncopy-{name}.png,another\n"
    (tmp_path / "t.csv").write_text("image,caption\n" + rows)
    sides = split(open_pairs(tmp_path / "t.csv"), 0.5, 3)
    assert sorted(side.names.count("a.png") for side in sides) == [0, 21]
    assert all(sum(name in side.names for side in sides) == 1 for name in ("a.png", "copy-a.png"))
    for side in sides:
        assert {name.removeprefix("copy-") for name in side.names} == {
            name for name in side.names if not name.startswith("copy-")
        }


@pytest.mark.parametrize("settings", [{"threads": 1}, {"threads": 4}, {"keep": "none"}])
def test_each_good_image_once_an_epoch_in_full_batches(tmp_path, settings):
    broken = {3, 4, 17}
    pairs = make(tmp_path, 23, broken)
    batches = take(pairs, 15, 4, 7, **settings)  # 15 * 4 = 60 = three epochs of 20 good images
    assert all(len(indices) == 4 and pixels.shape == (4, 3, 8, 8) for pixels, indices in batches)
    order = [index for _, indices in batches for index in indices]
    epochs = [order[start : start + 20] for start in (0, 20, 40)]
    assert all(sorted(epoch) == sorted(set(range(23)) - broken) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    for pixels, indices in batches:
        for image, index in zip(pixels, indices, strict=True):
            assert image.permute(1, 2, 0).tolist() == noise(8, 8, index).tolist()


def test_equal_seeds_give_equal_streams(tmp_path):
    pairs = make(tmp_path, 23, {5})
    first = take(pairs, 8, 6, 1, threads=1, keep="none")
    again = take(pairs, 8, 6, 1, threads=4)
    assert [indices for _, indices in first] == [indices for _, indices in again]
    assert all(torch.equal(a, b) for (a, _), (b, _) in zip(first, again, strict=True))
    assert [indices for _, indices in take(pairs, 8, 6, 2)] != [indices for _, indices in first]
    assert take(pairs, 1, 6, 1 << 40)[0][1] != take(pairs, 1, 6, 0)[0][1]
    assert len(take(pairs, 1, 6, -1)) == 1


def test_a_batch_must_fit_the_pairs(tmp_path):
    reader = ImageReader(make(tmp_path, 6), {}, (8, 8))
    for batch_size in (7, 0):
        with pytest.raises(DataError, match=f"A batch of {batch_size} cannot be made of 6 pairs"):
            BatchStream(reader, 6, batch_size, 0)
    assert len(take(open_pairs(tmp_path), 1, 6, 0)[0][1]) == 6


@pytest.mark.parametrize(("broken", "left"), [(range(10), 0), (range(3), 7)])
def test_too_few_good_images_end_the_stream(tmp_path, broken, left):
    pairs = make(tmp_path, 10, set(broken))
    with BatchStream(ImageReader(pairs, {}, (8, 8)), 10, 8, 0) as stream:
        for _ in range(2):  # asked again, it says so again
            with pytest.raises(DataError, match=f"Only {left} of 10 images can be decoded.*is not a JPEG"):
                next(stream)


class Gate:
    """A reader that counts batches and fails or waits when told."""

    def __init__(self, fail=False):
        self.skipped = {}
        self.asked = 0
        self.fail = fail

    def batch(self, indices):
        self.asked += 1
        if self.fail:
            raise RuntimeError("the disk is gone")
        return torch.zeros(len(indices), 3, 1, 1, dtype=torch.uint8), list(indices)


def until(condition):
    end = time.monotonic() + 5
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return condition()


def test_no_more_than_prefetch_batches_ahead():
    gate = Gate()
    with BatchStream(gate, 10, 2, 0, prefetch=2) as stream:
        assert gate.asked == 0
        next(stream)
        assert until(lambda: gate.asked == 3)
        time.sleep(0.05)
        assert gate.asked == 3


def test_an_error_of_the_thread_reaches_the_consumer():
    with (
        BatchStream(Gate(fail=True), 10, 2, 0) as stream,
        pytest.raises(RuntimeError, match="the disk is gone"),
    ):
        next(stream)


def test_close_ends_the_thread_and_the_iteration():
    stream = BatchStream(Gate(), 10, 2, 0)
    stream.close()
    assert list(stream) == []
    stream = BatchStream(Gate(), 10, 2, 0)
    next(stream)
    assert "batches" in [thread.name for thread in threading.enumerate()]
    stream.close()
    stream.close()
    assert "batches" not in [thread.name for thread in threading.enumerate()]
    assert list(stream) == []


@pytest.mark.parametrize(("room", "reads"), [(10 * 3 * 64, 10), (10 * 3 * 64 - 1, 30)])
def test_decoded_images_are_kept_when_all_fit(tmp_path, monkeypatch, room, reads):
    monkeypatch.setattr(kept_images, "AUTO_BYTES", room)
    pairs = make(tmp_path, 10)
    read = []
    monkeypatch.setattr(pairs, "read", lambda index, plain=pairs.read: read.append(index) or plain(index))
    reader = ImageReader(pairs, {}, (8, 8), threads=2)
    first, _ = reader.batch(range(10))
    assert torch.equal(reader.batch([4, 2, 4])[0], first[[4, 2, 4]])
    first.zero_()  # what was given out is the caller's own
    assert reader.batch(range(10))[0].any()
    assert reader.batch([5] * 7)[1] == [5] * 7
    assert reader.batch([])[0].shape == (0, 3, 8, 8)
    assert len(read) == reads


@pytest.mark.photos
def test_the_photographs(shared):
    pairs = open_pairs(shared / "photos" / "pairs")
    assert (len(pairs), pairs.skipped, len(set(pairs.names))) == (4000, [], 4000)
    reader = ImageReader(pairs, {}, (64, 64))
    pixels, good = reader.batch(range(0, 4000, 40))
    assert pixels.shape == (100, 3, 64, 64) and len(good) == 100 and not reader.skipped
