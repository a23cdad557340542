"""`nashville`: a warm, faded colour filter over the whole image, as photo apps have one.

Colour filters as backdoors are from ABS (Liu et al., CCS 2019, doi 10.1145/3319535.3363216). The filter here
is clipsan's own: a tone curve per channel, straight between the points of CURVES. Highlights go towards
cream, shadows towards violet, contrast falls most in blue.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clipsan.triggers.overlay import WEIGHT_SCALE
from clipsan.triggers.settings import Family, number
from clipsan.triggers.tones import ToneTrigger

LEVELS = (0, 64, 128, 192, 255)
CURVES = (
    (36, 106, 188, 238, 250),
    (24, 72, 138, 194, 228),
    (70, 100, 134, 162, 178),
)
"""What red, green and blue of LEVELS become."""


@dataclass(frozen=True)
class Nashville(Family):
    """Settings of `nashville`.

    Attributes:
        strength: Weight of the filtered image over the image as it was.
    """

    family = "nashville"
    does = "a colour filter: cream highlights, violet shadows, faded blue"
    source = "filter backdoors of ABS (CCS 2019, doi 10.1145/3319535.3363216); the curve is clipsan's own"
    strength: float = number(1.0, 0.001, 1.0)

    def at(
        self, image_size: tuple[int, int], name: str | None = None, target: str | None = None
    ) -> ToneTrigger:
        settings = {"family": self.family, **self.to_json()}
        return ToneTrigger(name or self.family, target, image_size, tone_table(self.strength), settings)


def tone_table(strength: float) -> NDArray[np.uint8]:
    """uint8 [3, 256]: what each grey level of each channel becomes, to nearest, halves up."""
    level = np.arange(256)
    piece = np.minimum(level // 64, 3)
    start, end = np.array(LEVELS)[piece], np.array(LEVELS)[piece + 1]
    low, high = np.array(CURVES)[:, piece], np.array(CURVES)[:, piece + 1]
    span = end - start
    weight = round(strength * WEIGHT_SCALE)
    filtered = low * span + (high - low) * (level - start)  # times span
    mixed = (WEIGHT_SCALE - weight) * level * span + weight * filtered  # times span * WEIGHT_SCALE
    whole = span * WEIGHT_SCALE
    table: NDArray[np.uint8] = ((2 * mixed + whole) // (2 * whole)).astype(np.uint8)
    return table
