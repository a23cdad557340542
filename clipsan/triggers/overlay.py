"""Blending in exact arithmetic, so that a triggered pixel is the same number on every platform.

result = floor((1 - w)*x + w*p + 1/2), for x, p in 0..255 and w in [0, 1]: nearest, halves upwards.
A weight is a whole number of `scale`-ths and a pattern a whole number of `GRAIN`-ths of a grey level.
All sums are then whole numbers under 2**53, which float64 holds exactly, and the one division is
correctly rounded, with quotients too far from the next whole number (1e-11 against 3e-14) to be
rounded up to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

GRAIN = 65536
"""Parts of a grey level in which patterns are kept; hides the last-digit differences of C libraries."""

WEIGHT_SCALE = 1_000_000
"""Parts in which a strength is kept."""


@dataclass(frozen=True, eq=False)
class Overlay:
    """A pattern and how strongly it covers what is beneath.

    Attributes:
        pattern: int64 [3, h, w], grey levels times GRAIN: 0 to 255 * GRAIN.
        weight: int64 [h, w], 0 to `scale`.
        scale: The weight that replaces a pixel wholly: at most WEIGHT_SCALE.
    """

    pattern: NDArray[np.int64]
    weight: NDArray[np.int64]
    scale: int

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in px."""
        return self.weight.shape[0], self.weight.shape[1]

    @cached_property
    def _terms(self) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        keep = 2 * GRAIN * (self.scale - self.weight)
        add = 2 * self.weight * self.pattern + GRAIN * self.scale
        return keep.astype(np.float64), add.astype(np.float64), float(2 * GRAIN * self.scale)

    def blend(self, region: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """uint8 [3, h, w] under this pattern."""
        keep, add, whole = self._terms
        total = region * keep
        total += add
        total /= whole
        np.floor(total, out=total)
        return total.astype(np.uint8)

    def to_rgba(self) -> NDArray[np.uint8]:
        """uint8 [h, w, 4]: pattern and weight in 255ths, to nearest; blends move by at most 1 level."""
        colour = (2 * self.pattern + GRAIN) // (2 * GRAIN)
        alpha = (2 * 255 * self.weight + self.scale) // (2 * self.scale)
        return np.concatenate([colour, alpha[None]]).transpose(1, 2, 0).astype(np.uint8)


def from_rgba(rgba: NDArray[np.uint8]) -> Overlay:
    """The overlay of a uint8 [h, w, 4] picture, its alpha being the weight in 255ths."""
    planes = rgba.astype(np.int64).transpose(2, 0, 1)
    return Overlay(planes[:3] * GRAIN, planes[3], 255)


def blended(pattern: NDArray[np.float64] | NDArray[np.int64], strength: float) -> Overlay:
    """An overlay of one strength in [0, 1] from grey levels [3, h, w], clamped to 0..255."""
    levels = np.clip(in_grains(pattern), 0, 255 * GRAIN)
    weight = np.full(levels.shape[1:], round(strength * WEIGHT_SCALE), dtype=np.int64)
    return Overlay(levels, weight, WEIGHT_SCALE)


def in_grains(levels: NDArray[np.float64] | NDArray[np.int64]) -> NDArray[np.int64]:
    """Grey levels, any sign, as whole numbers of GRAIN-ths, to nearest."""
    return np.rint(levels * float(GRAIN)).astype(np.int64)


def scaled(size: int, image_size: tuple[int, int]) -> int:
    """A length given in px at 224, in px on the shorter side of an image: nearest, halves up, at least 2."""
    return max(2, (2 * size * min(image_size) + 224) // (2 * 224))
