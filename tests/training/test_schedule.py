"""PAR's learning rate by hand."""

from __future__ import annotations

import pytest

from clipsan.training.schedule import learning_rate


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, 3e-5),
        (50, 3e-5 - 0.5 * (3e-5 - 3e-6)),  # half of the way down
        (100, 3e-6),
        (150, (3e-6 + 1e-9) / 2),  # half of the cosine
    ],
)
def test_published_rates(step, expected):
    assert learning_rate(step, 200, 3e-5, 3e-6) == pytest.approx(expected, rel=1e-9)


def test_falls_all_the_way_and_ends_near_zero():
    rates = [learning_rate(step, 244, 3e-5, 3e-6) for step in range(244)]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 3e-6 * 1e-3


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_very_short_runs_have_finite_rates(steps):
    assert all(0 < learning_rate(step, steps, 3e-5, 3e-6) <= 3e-5 for step in range(steps))
