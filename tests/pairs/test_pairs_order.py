"""What a stream promises: which pair comes how often, shared by processes, stopped and taken up again."""

from __future__ import annotations

import json
from collections import Counter
from itertools import islice

import numpy as np
import pytest
import torch
from drawn_pairs import encode, noise, write_tar

from clipsan.errors import DataError, UsageError
from clipsan.pairs import BatchStream, ImageReader, Position, open_pairs, order_of, split
from clipsan.pairs.order import Mixed, Shuffled
from clipsan.pairs.pairset import Skipped


def tar(path, count, broken=(), seed=0):
    members = []
    for i in range(count):
        data = b"broken" if i in broken else encode(noise(8, 8, seed + i))
        members += [(f"{i:03d}.png", data), (f"{i:03d}.txt", b"caption %d" % i)]
    write_tar(path, members)
    return path


def stream(pairs, batch_size, **settings):
    order = order_of(pairs, settings.pop("seed", 3))
    reader = ImageReader(pairs, {}, (8, 8), threads=2)
    return BatchStream(reader, len(pairs), batch_size, 0, order=order, **settings)


def indices(batches):
    return [index for _, batch in batches for index in batch]


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("count", [24, 25])
def test_processes_see_each_pair_exactly_once_an_epoch(tmp_path, processes, count):
    """24 or 25 pairs do not part evenly: the epochs flow on, and nothing is lost or seen twice."""
    pairs = open_pairs(tar(tmp_path / "t.tar", count))
    epochs, seen = 6, []
    for rank in range(processes):
        with stream(pairs, 1, rank=rank, world_size=processes) as one:
            seen.append(indices(islice(one, -(-epochs * count // processes))))
    whole = [index for step in zip(*seen, strict=True) for index in step]
    alone = [index for epoch in range(epochs) for index in order_of(pairs, 3).epoch(epoch).tolist()]
    assert whole[: epochs * count] == alone
    for epoch in range(epochs):
        assert sorted(whole[epoch * count : (epoch + 1) * count]) == list(range(count))


def test_processes_pass_over_broken_images_without_losing_others(tmp_path):
    broken = {1, 7, 8, 15}
    pairs = open_pairs(tar(tmp_path / "t.tar", 20, broken))
    seen = []
    for rank in range(2):
        with stream(pairs, 4, rank=rank, world_size=2) as one:
            place = one.position
            while place.taken < 30:  # three epochs of 10 entries for each process
                batch = next(one)[1]
                place = one.position
                seen += batch
    left = Counter(seen)
    assert not broken & set(left)
    assert set(left) == set(range(20)) - broken and min(left.values()) >= 3


@pytest.mark.parametrize("stop", [0, 1, 3, 5, 9])
def test_a_stopped_stream_goes_on_with_the_next_pair(tmp_path, stop):
    """Broken images, an epoch's end inside a batch, batches decoded ahead and never given out."""
    pairs = open_pairs(tar(tmp_path / "t.tar", 17, broken={2, 3, 11}))
    with stream(pairs, 5, rank=0, world_size=2) as whole:
        batches = list(islice(whole, 12))
    with stream(pairs, 5, rank=0, world_size=2) as first:
        list(islice(first, stop))
        saved = json.dumps(first.position.to_dict())
    place = Position.from_dict(json.loads(saved))
    again = stream(open_pairs(tmp_path / "t.tar"), 5, rank=0, world_size=2, start=place)
    assert again.position == place
    with again:
        rest = list(islice(again, 12 - stop))
    assert [b for _, b in rest] == [b for _, b in batches[stop:]]
    assert all(torch.equal(a, b) for (a, _), (b, _) in zip(rest, batches[stop:], strict=True))


def test_a_position_keeps_what_was_skipped(tmp_path):
    pairs = open_pairs(tar(tmp_path / "t.tar", 12, broken={4}))
    with stream(pairs, 11) as first:
        next(first)
        place = first.position
    assert list(place.skipped) == [4] and place.place(12) == (1, 0)
    reader = ImageReader(pairs, {}, (8, 8))
    with BatchStream(reader, 12, 11, 0, order=order_of(pairs, 3), start=place):
        assert reader.skipped == {4: Skipped("t.tar/004", "is not a JPEG, PNG or WebP image")}


@pytest.mark.parametrize("change", [{"seed": 4}, {"world_size": 2}, {"weights": [1, 1]}])
def test_a_position_of_another_stream_is_refused(tmp_path, change):
    sources = [tar(tmp_path / "a.tar", 8), tar(tmp_path / "b.tar", 8)]
    with stream(open_pairs(sources), 2) as first:
        next(first)
        place = first.position
    pairs = open_pairs(sources, weights=change.pop("weights", ()))
    with pytest.raises(DataError, match="one of another stream"):
        stream(pairs, 2, start=place, **change)


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: d.pop("taken"),
        lambda d: d.update(taken="3"),
        lambda d: d.update(rank=-1),
        lambda d: d.update(rank=1),
        lambda d: d.update(skipped=3),
        lambda d: d.update(skipped=[[1, "a"]]),
        lambda d: d.update(skipped=[[1, 2, 3]]),
    ],
)
def test_a_damaged_position_is_one_sentence(damage):
    data = Position("o").to_dict()
    damage(data)
    with pytest.raises(DataError):
        Position.from_dict(data)


def test_weights_fill_their_share_and_no_pair_waits_for_ever(tmp_path):
    """30 and 10 pairs at 1 : 1 are 20 places each: the small source comes twice an epoch."""
    sources = [tar(tmp_path / "a.tar", 30), tar(tmp_path / "b.tar", 10, seed=30)]
    pairs = open_pairs(sources, weights=[1, 1])
    order = order_of(pairs, 0)
    assert (order.pairs, order.length) == (40, 40)
    flow = np.concatenate([order.epoch(number) for number in range(6)])
    large, small = flow[flow < 30], flow[flow >= 30]
    assert (len(large), len(small)) == (120, 120)
    for number in range(4):  # each pass of each source is complete before the next begins
        assert sorted(large[number * 30 : (number + 1) * 30]) == list(range(30))
    for number in range(12):
        assert sorted(small[number * 10 : (number + 1) * 10]) == list(range(30, 40))
    assert [int((order.epoch(number) < 30).sum()) for number in range(6)] == [20] * 6
    halves = [int((flow[start : start + 10] < 30).sum()) for start in range(0, 240, 10)]
    assert min(halves) >= 1 and max(halves) <= 9  # mixed, not one source after the other
    assert np.array_equal(order_of(open_pairs(sources, weights=[2, 2]), 0).epoch(4), order.epoch(4))
    assert not np.array_equal(order_of(pairs, 1).epoch(0), order.epoch(0))


@pytest.mark.parametrize(("weights", "places"), [([3, 1], [30, 10]), ([1, 7], [5, 35]), ([1, 1000], [1, 39])])
def test_places_of_weights(tmp_path, weights, places):
    sources = [tar(tmp_path / "a.tar", 30), tar(tmp_path / "b.tar", 10, seed=30)]
    epoch = order_of(open_pairs(sources, weights=weights), 0).epoch(0)
    assert [int((epoch < 30).sum()), int((epoch >= 30).sum())] == places


def test_a_weighted_source_must_have_a_pair_left(tmp_path):
    sources = [tar(tmp_path / "a.tar", 8), tar(tmp_path / "b.tar", 8, seed=9)]
    pairs = open_pairs(sources, weights=[1, 1])
    with pytest.raises(UsageError, match=r"b\.tar has a weight, but none of its pairs is left"):
        order_of(pairs.subset(range(8)), 0)
    train, held = split(pairs, 0.3, 0)
    assert set(train.origin_of) == {0, 1} and len(train) + len(held) == 16


def test_windows_keep_near_what_lies_near():
    order = Shuffled(1000, 0, window=100)
    for number in (0, 1):
        epoch = order.epoch(number)
        assert sorted(epoch.tolist()) == list(range(1000))
        for start in range(0, 1000, 100):  # 10 blocks of 10 neighbours in each window
            assert len(set((epoch[start : start + 100] // 10).tolist())) == 10
    assert not np.array_equal(order.epoch(0), order.epoch(1))
    assert np.array_equal(Shuffled(100, 0, window=100).epoch(3), Shuffled(100, 0).epoch(3))


def test_windowed_sources_side_by_side_come_once_an_epoch():
    members = [np.arange(90), np.arange(90, 100)]
    orders = [Shuffled(90, 1, window=20, stream=(2, 1)), Shuffled(10, 1, stream=(2, 2))]
    mixed = Mixed(members, [90, 10], orders, seed=1)
    assert all(sorted(mixed.epoch(number).tolist()) == list(range(100)) for number in range(3))
