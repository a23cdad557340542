"""Smooth lines through points: Catmull-Rom splines as matrices."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Points: TypeAlias = Sequence[tuple[float, float]]

_STEPS = 7


def _spline_row(t: float) -> tuple[float, float, float, float]:
    """Weights of the four points around a Catmull-Rom segment at 0 <= t < 1."""
    return (
        0.5 * (-t + 2 * t * t - t * t * t),
        0.5 * (2 - 5 * t * t + 3 * t * t * t),
        0.5 * (t + 4 * t * t - 3 * t * t * t),
        0.5 * (-t * t + t * t * t),
    )


@lru_cache(maxsize=64)
def closed_basis(n: int) -> NDArray[np.float64]:
    """[7n x n]: the matrix that takes n corners to a smooth closed outline."""
    basis = np.zeros((n * _STEPS, n))
    for segment in range(n):
        for step in range(_STEPS):
            for offset, weight in enumerate(_spline_row(step / _STEPS)):
                basis[segment * _STEPS + step, (segment + offset - 1) % n] += weight
    return basis


@lru_cache(maxsize=64)
def open_basis(n: int) -> NDArray[np.float64]:
    """[7(n-1)+1 x n]: the matrix that takes n points to a smooth line through them."""
    basis = np.zeros(((n - 1) * _STEPS + 1, n))
    for segment in range(n - 1):
        for step in range(_STEPS):
            for offset, weight in enumerate(_spline_row(step / _STEPS)):
                basis[segment * _STEPS + step, min(n - 1, max(0, segment + offset - 1))] += weight
    basis[-1, -1] = 1
    return basis


def smooth(points: Points) -> NDArray[np.float64]:
    """The smooth closed outline through the points, as a polygon [k x 2]."""
    outline: NDArray[np.float64] = closed_basis(len(points)) @ np.array(points, dtype=np.float64)
    return outline
