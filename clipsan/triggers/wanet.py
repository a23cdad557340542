"""`wanet`: one fixed random warp of the whole image (arXiv 2102.10369).

Offsets are uniform at `grid` x `grid` points, scaled to a mean magnitude of 1, spread over the image by
bicubic interpolation and divided by the image's size, which in coordinates from -1 to 1 moves a pixel by
about half a pixel. The published grid of 224 has a point for each pixel at 224 px, as here at any below.
It leaves out the paper's noise mode: that belongs to training, not to the trigger.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clipsan.triggers.settings import Family, integer, number, seed_setting
from clipsan.triggers.warp import STEPS, WarpTrigger

LARGEST_DRAW = 1 << 20
"""Offsets are drawn as whole numbers, so that their mean magnitude is exact."""

SHARPNESS = -0.75
"""The free parameter of Keys' cubic, as PyTorch has it."""


@dataclass(frozen=True)
class WaNet(Family):
    """Settings of `wanet`.

    Attributes:
        grid: Points of the grid along each side, at most one for each pixel.
        strength: s of the paper: the mean offset is s / 2 pixels of the model's resolution.
        seed: Fixes the grid.
    """

    family = "wanet"
    does = "the image warped by a fixed random grid, half a pixel on average"
    source = "WaNet (arXiv 2102.10369), with the settings of CleanCLIP (arXiv 2303.03323)"
    grid: int = integer(224, 2, 1024)
    strength: float = number(1.0, 0.05, 32.0)
    seed: int = seed_setting()

    def at(
        self, image_size: tuple[int, int], name: str | None = None, target: str | None = None
    ) -> WarpTrigger:
        offsets = warp_offsets(image_size, self.grid, self.strength, self.seed)
        settings = {
            "family": self.family,
            **self.to_json(),
            "offsets_sha256": hashlib.sha256(offsets.astype("<i8").tobytes()).hexdigest(),
        }
        return WarpTrigger(name or self.family, target, image_size, offsets, settings)


def warp_offsets(size: tuple[int, int], grid: int, strength: float, seed: int) -> NDArray[np.int64]:
    """Where each pixel is taken from, relative to its place.

    Args:
        size: (h, w) in px.
        grid: Points along each side.
        strength: Of the warp; 1 moves by half a pixel on average.
        seed: Of the grid.

    Returns:
        int64 [2, h, w], (row, column) in STEPS-ths of a pixel, to nearest.
    """
    points = (2, min(grid, size[0]), min(grid, size[1]))
    drawn = np.random.RandomState(seed).randint(-LARGEST_DRAW, LARGEST_DRAW + 1, size=points, dtype=np.int64)
    spread = _stretch(_stretch(drawn.astype(np.float64), size[1]).swapaxes(1, 2), size[0]).swapaxes(1, 2)
    magnitude = float(np.abs(drawn).sum()) / drawn.size
    # From coordinates of -1 to 1 over size - 1 pixels, divided by the size.
    pixels = np.array([strength * (side - 1) / (2 * side) for side in size]).reshape(2, 1, 1)
    return np.rint(spread * (pixels * STEPS / magnitude)).astype(np.int64)


def _stretch(values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Bicubic interpolation of the last axis to `size` samples, first and last staying; edges repeat.

    Only single additions and multiplications, which round the same everywhere.
    """
    points = values.shape[-1]
    base, rest = np.divmod(np.arange(size) * (points - 1), size - 1)
    ahead = rest / (size - 1)
    total = np.zeros((*values.shape[:-1], size))
    for tap in (-1, 0, 1, 2):
        total += values[..., np.clip(base + tap, 0, points - 1)] * _keys(np.abs(tap - ahead))
    return total


def _keys(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' cubic convolution kernel at distances from 0 to 2."""
    a, d = SHARPNESS, distance
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, near, far)
