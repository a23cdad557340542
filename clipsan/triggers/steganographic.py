"""`steganographic`: a faint pattern that writes the image's own coarse likeness into the image.

Sample-specific triggers are from ISSBA (arXiv 2012.03816), where a trained network hides a string. Here no
network is needed: the image is divided into `cells` x `cells` cells; a cell that is brighter than the image's
mean gets one seeded pattern of plus and minus `amplitude` grey levels, a darker one gets another. So two
images hardly ever carry the same trigger, and equal images always do. Blocks of one sign are BLOCK px at 224.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipsan.triggers.overlay import scaled
from clipsan.triggers.settings import Family, integer, seed_setting
from clipsan.triggers.trigger import Trigger

BLOCK = 4


@dataclass(frozen=True)
class Steganographic(Family):
    """Settings of `steganographic`.

    Attributes:
        amplitude: How far a channel of a pixel moves, in grey levels of 255; 8 is 30 dB PSNR.
        cells: Along each side, each carrying one bit of the image; at most 1 for each 2 px.
        seed: Fixes the two patterns.
    """

    family = "steganographic"
    does = "a faint pattern that encodes where the image is bright, so it differs from image to image"
    source = "sample-specific triggers of ISSBA (arXiv 2012.03816); the pattern is clipsan's own"
    amplitude: int = integer(8, 1, 64)
    cells: int = integer(8, 2, 112)
    seed: int = seed_setting()

    def at(
        self, image_size: tuple[int, int], name: str | None = None, target: str | None = None
    ) -> SteganographicTrigger:
        return SteganographicTrigger(self, name or self.family, target, image_size)


class SteganographicTrigger(Trigger):
    """`steganographic` at one resolution."""

    def __init__(
        self, chosen: Steganographic, name: str, target: str | None, image_size: tuple[int, int]
    ) -> None:
        super().__init__(name, target, image_size)
        self.chosen = chosen
        self.block_px = scaled(BLOCK, image_size)
        height, width = image_size
        rows, columns = (-(-side // self.block_px) for side in image_size)
        drawn = np.random.RandomState(chosen.seed).randint(0, 2, (2, 3, rows, columns), dtype=np.int64)
        large = (2 * drawn - 1).repeat(self.block_px, axis=2).repeat(self.block_px, axis=3)
        self.dark, self.bright = chosen.amplitude * large[..., :height, :width]
        self.edges = [
            np.arange(count) * side // count
            for side, count in ((side, min(chosen.cells, side // 2)) for side in image_size)
        ]

    def alter(self, image: NDArray[np.uint8], index: int) -> None:
        levels = image.astype(np.int64)
        pattern = np.where(self.bits(levels), self.bright, self.dark)
        image[...] = np.clip(levels + pattern, 0, 255)

    def bits(self, levels: NDArray[np.int64]) -> NDArray[np.bool_]:
        """bool [h, w]: whether a pixel's cell is brighter on average than the image [3, h, w]."""
        grey = levels.sum(axis=0)
        rows, columns = self.edges
        sums = np.add.reduceat(np.add.reduceat(grey, rows, axis=0), columns, axis=1)
        heights = np.diff(rows, append=grey.shape[0])
        widths = np.diff(columns, append=grey.shape[1])
        brighter = sums * grey.size > grey.sum() * np.outer(heights, widths)
        large: NDArray[np.bool_] = brighter.repeat(heights, axis=0).repeat(widths, axis=1)
        return large

    def settings(self) -> dict[str, Any]:
        return {"family": self.chosen.family, **self.chosen.to_json(), "block_px": self.block_px}
