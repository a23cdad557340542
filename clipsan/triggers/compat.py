"""`compat=par`: triggers as the reference code of arXiv 2412.00727 makes them, to score models it poisoned.

It writes an unclamped float image into 8 bits: v becomes 255 v, cut to a whole number towards 0, modulo 256.
So -1 turns into 1, -0.3 into 180, 1.5 into 126 and 2 into 254 of 255. What C leaves undefined for such values
is fixed here to what common processors do. It also draws a new pattern for every image; here that pattern
depends on the seed and the image's index only. It leaves out the reference's own random numbers: which
pattern an image got in its runs was never recorded.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipsan.triggers.overlay import WEIGHT_SCALE
from clipsan.triggers.placement import Position, corner
from clipsan.triggers.trigger import Trigger, check_fits

PAR = "par"


def wrapped(numerator: NDArray[np.int64], denominator: int) -> NDArray[np.uint8]:
    """Grey levels numerator / denominator, of any sign, as the reference's 8-bit image holds them.

    Args:
        numerator: int64, any shape.
        denominator: over 0.
    """
    whole = np.sign(numerator) * (np.abs(numerator) // denominator)
    levels: NDArray[np.uint8] = (whole % 256).astype(np.uint8)
    return levels


def pattern_random(seed: int, index: int) -> np.random.RandomState:
    """The random numbers of one image's own pattern, fixed by (seed, index) on every platform."""
    digest = hashlib.sha256(f"clipsan pattern {seed} {index}".encode()).digest()
    return np.random.RandomState(np.frombuffer(digest, dtype=">u4").astype(np.uint32))


class WrappedStripes(Trigger):
    """(1 - w) x + w s, wrapped, with s new stripes of -1 and 1 on every image, in a patch or all over."""

    def __init__(
        self,
        name: str,
        target: str | None,
        image_size: tuple[int, int],
        settings: dict[str, Any],
        *,
        patch: tuple[int, int],
        strength: float,
        position: Position,
        seed: int,
    ) -> None:
        """`patch`: (height, width) in px at the model's resolution; `strength`: w, in [0, 1]."""
        super().__init__(name, target, image_size)
        check_fits(name, position, patch, image_size)
        self.patch = patch
        self.weight = round(strength * WEIGHT_SCALE)
        self.position = position
        self.seed = seed
        self._settings = settings

    def alter(self, image: NDArray[np.uint8], index: int) -> None:
        height, width = self.patch
        signs = 2 * pattern_random(self.seed, index).randint(0, 2, size=(3, 1, width), dtype=np.int64) - 1
        row, column = corner(self.position, self.patch, self.image_size, self.seed, index)
        region = image[:, row : row + height, column : column + width]
        levels = (WEIGHT_SCALE - self.weight) * region.astype(np.int64) + 255 * self.weight * signs
        region[...] = wrapped(levels, WEIGHT_SCALE)

    def settings(self) -> dict[str, Any]:
        return dict(self._settings)
