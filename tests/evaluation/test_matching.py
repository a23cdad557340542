"""Accuracy among drawn captions, against counting all draws."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
import torch

from clipsan.evaluation.matching import Matched, lost, match, telling_ways

NEARER = torch.tensor([0, 1, 3, 4])


def test_chances_equal_the_share_of_all_draws():
    matched = Matched(NEARER, 4)
    for ways in (2, 3, 5):
        draws = list(combinations(range(4), ways - 1))
        counted = [sum(min(draw) >= h for draw in draws) / len(draws) for h in NEARER.tolist()]
        assert matched.chances(ways).tolist() == pytest.approx(counted)
    assert matched.score(5) == pytest.approx(0.25)  # R@1: one image of four
    with pytest.raises(ValueError, match="6 captions"):
        matched.chances(6)


def test_loss_is_in_points_with_its_error():
    before, after = Matched(torch.tensor([0, 0, 0, 0]), 4), Matched(torch.tensor([0, 0, 4, 4]), 4)
    measured = lost(before.chances(2), after.chances(2))
    assert measured.points == pytest.approx(50)
    assert measured.error == pytest.approx(100 * math.sqrt(1 / 3) / 2)  # deviation of 0, 0, 1, 1, over root 4


def test_ways_tell_most_near_one_half():
    assert telling_ways(Matched(torch.full((10,), 50), 999)) == 20  # about 0.95^19 = 0.38, and 0.95^9 = 0.63
    assert telling_ways(Matched(torch.zeros(10, dtype=torch.long), 30)) == 2


class _Encoder:
    def texts(self, texts):
        return torch.eye(3)[[int(text) for text in texts]]


def test_equal_captions_are_one():
    images = torch.eye(3)[[0, 1, 2, 0]]
    matched = match(_Encoder(), images, ["0", "1", "1", "1"])
    assert matched.others == 1
    assert matched.nearer.tolist() == [0, 0, 0, 1]
