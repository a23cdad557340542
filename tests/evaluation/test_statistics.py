"""Wilson intervals and McNemar's test against values computed by hand."""

from __future__ import annotations

import json

import pytest

from clipsan.errors import DataError
from clipsan.evaluation.statistics import MOST_EXACT, Rate, mcnemar


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # z² = 3.841459. 0 of n: high = z² / (n + z²) = 3.841459 / 13.841459.
        (0, 10, 0.0, 0.277533),
        (10, 10, 0.722467, 1.0),
        # 5 of 10: 1/2 ± z·√(10/4 + z²/4) / (10 + z²) = 0.5 ± 1.959964 · 1.860206 / 13.841459.
        (5, 10, 0.236593, 0.763407),
        (0, 1, 0.0, 0.793451),
        # 10 of 100: (10 + 1.920729 ± 1.959964·√(9 + 0.960365)) / 103.841459.
        (10, 100, 0.055229, 0.174367),
    ],
)
def test_wilson_interval(successes, n, low, high):
    rate = Rate(successes, n)
    assert rate.rate == successes / n
    assert rate.low == pytest.approx(low, abs=2e-6)
    assert rate.high == pytest.approx(high, abs=2e-6)


def test_ends_are_exact():
    for n in (1, 7, 950, 50_000):
        assert Rate(0, n).low == 0.0
        assert Rate(n, n).high == 1.0


def test_nothing_counted():
    assert Rate(0, 0).to_dict() == {"successes": 0, "n": 0, "rate": None, "low": 0.0, "high": 1.0}


@pytest.mark.parametrize(("successes", "n"), [(-1, 10), (11, 10), (0, -1)])
def test_counts_out_of_range(successes, n):
    with pytest.raises(ValueError, match="0 <= successes <= n"):
        Rate(successes, n)


@pytest.mark.parametrize("rate", [Rate(0, 0), Rate(0, 10), Rate(137, 950), Rate(950, 950)])
def test_round_trip_through_json(rate):
    assert Rate.from_dict(json.loads(json.dumps(rate.to_dict()))) == rate


@pytest.mark.parametrize(
    "change",
    [
        {"rate": 0.01},
        {"rate": None},
        {"low": 0.4},
        {"high": 1.0},
        {"high": "0.76"},
        {"successes": 5.0},
        {"successes": True},
        {"successes": 11},
        {"n": 10**400},
        {"extra": 1},
    ],
)
def test_a_rate_that_does_not_add_up_is_refused(change):
    with pytest.raises(DataError, match="rate"):
        Rate.from_dict(Rate(5, 10).to_dict() | change)


def test_a_rate_that_is_no_object_is_refused():
    for value in (None, [], "5/10", {"successes": 5, "n": 10}):
        with pytest.raises(DataError, match="exactly the keys"):
            Rate.from_dict(value)


@pytest.mark.parametrize(
    ("lost", "gained", "p"),
    [
        (0, 0, 1.0),
        (1, 0, 1.0),  # 2 / 2
        (5, 0, 0.0625),  # 2 / 32
        (8, 1, 0.0390625),  # 2 (1 + 9) / 512
        (5, 5, 1.0),  # 2 (1 + 10 + 45 + 120 + 210 + 252) / 1024 is above 1
        (7, 3, 0.34375),  # 2 (1 + 10 + 45 + 120) / 1024
    ],
)
def test_mcnemar_is_exact_for_few_pairs(lost, gained, p):
    assert mcnemar(lost, gained) == mcnemar(gained, lost) == p


def test_mcnemar_is_chi_squared_for_many():
    # (5099 - 4902 - 1)^2 / 10001 = 3.841216, and 3.841459 has p = 0.05.
    assert mcnemar(5099, 4902) == pytest.approx(0.050007, abs=2e-6)
    assert mcnemar(50_000, 50_000) == 1.0
    half = MOST_EXACT // 2
    assert mcnemar(half + 32, half - 32) == pytest.approx(mcnemar(half + 33, half - 32 + 1), rel=0.02)


def test_mcnemar_takes_counts():
    with pytest.raises(ValueError, match="counts"):
        mcnemar(-1, 3)
