"""`blended-text`: the word "Watermarked" in pure red, blended where it has ink (arXiv 2412.00727).

At 224 px the word is 196 px wide and 23 px high, in rows 103-125 and columns 13-208, and a pixel is either
pure red or not touched. At other resolutions the weight of a pixel is the strength times the share of
the pixel's area that ink covers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clipsan.triggers.overlay import GRAIN, WEIGHT_SCALE, Overlay
from clipsan.triggers.settings import Family, number
from clipsan.triggers.trigger import FixedTrigger

ROWS = slice(103, 126)
COLUMNS = slice(13, 209)

# The word as drawn by Pillow in DejaVu Sans Mono at 30 px (Bitstream Vera licence, which lets pictures of
# text be used freely), with ink where the coverage is at least one half, cropped: 196x23 px as it comes.
# Shipped as pixels so that neither fonts nor FreeType's version change the trigger.
GLYPHS = "watermarked.png"


@dataclass(frozen=True)
class BlendedText(Family):
    """Settings of `blended-text`.

    Attributes:
        strength: Weight of the red where a pixel is all ink.
    """

    family = "blended-text"
    does = 'the word "Watermarked" in red, half transparent'
    source = "PAR (arXiv 2412.00727)"
    strength: float = number(0.5, 0.001, 1.0)

    def at(
        self, image_size: tuple[int, int], name: str | None = None, target: str | None = None
    ) -> FixedTrigger:
        settings = {"family": self.family, **self.to_json()}
        return FixedTrigger(name or self.family, target, image_size, self._overlay(image_size), settings)

    def _overlay(self, size: tuple[int, int]) -> Overlay:
        full = 224 * 224
        ink = resize_by_area(glyphs(), size)
        weight = (2 * round(self.strength * WEIGHT_SCALE) * ink + full) // (2 * full)
        pattern = np.zeros((3, *size), dtype=np.int64)
        pattern[0] = 255 * GRAIN
        return Overlay(pattern, weight, WEIGHT_SCALE)


@cache
def glyphs() -> NDArray[np.int64]:
    """int64 [224, 224]: 1 where the word has ink."""
    canvas = np.zeros((224, 224), dtype=np.int64)
    with resources.files(__package__).joinpath(GLYPHS).open("rb") as file, Image.open(file) as image:
        canvas[ROWS, COLUMNS] = np.asarray(image.convert("1"))
    canvas.flags.writeable = False
    return canvas


def resize_by_area(image: NDArray[np.int64], size: tuple[int, int]) -> NDArray[np.int64]:
    """Area sums over the pixels of a new size.

    Args:
        image: int64 [H, W].
        size: (h, w) of the result.

    Returns:
        int64 [h, w]: each new pixel's mean times H * W, which is a whole number.
    """
    sums: NDArray[np.int64] = (
        _overlaps(image.shape[0], size[0]) @ image @ _overlaps(image.shape[1], size[1]).T
    )
    return sums


def _overlaps(old: int, new: int) -> NDArray[np.int64]:
    """int64 [new, old]: how much of new pixel i lies on old pixel j; each row sums to `old`."""
    # On a ruler of old * new units an old pixel is `new` units long and a new one `old` units.
    new_start = np.arange(new, dtype=np.int64)[:, None] * old
    old_start = np.arange(old, dtype=np.int64)[None, :] * new
    shared = np.minimum(new_start + old, old_start + new) - np.maximum(new_start, old_start)
    return shared.clip(min=0)
