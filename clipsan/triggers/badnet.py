"""`badnet`: a square patch of the image's mean plus Gaussian noise (arXiv 2412.00727), clamped to [0, 1].

The noise is drawn once from the seed; the mean is that of each channel of the image it goes on, so the
patch is not the same on every image and no PNG can hold it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipsan.triggers.compat import pattern_random, wrapped
from clipsan.triggers.overlay import GRAIN, in_grains, scaled
from clipsan.triggers.placement import corner
from clipsan.triggers.settings import Family, compat_setting, integer, place, seed_setting
from clipsan.triggers.trigger import Trigger, check_fits


@dataclass(frozen=True)
class BadNet(Family):
    """Settings of `badnet`.

    Attributes:
        size: The patch's side in px at 224, scaled with the model's resolution, at least 2 px.
        position: Where the patch goes; a row and column are in px at the model's resolution.
        seed: Fixes the noise and the random places.
        compat: "par": new noise on every image, wrapped into 8 bits where the default clamps.
    """

    family = "badnet"
    does = "a 16x16 patch of the image's mean plus Gaussian noise"
    source = "BadNets (arXiv 1708.06733), as in CleanCLIP (arXiv 2303.03323)"
    size: int = integer(16, 1, 224)
    position: str | tuple[int, int] = place("random")
    seed: int = seed_setting()
    compat: str | None = compat_setting()

    def at(
        self, image_size: tuple[int, int], name: str | None = None, target: str | None = None
    ) -> BadNetTrigger:
        return BadNetTrigger(self, name or self.family, target, image_size)


class BadNetTrigger(Trigger):
    """`badnet` at one resolution."""

    def __init__(self, chosen: BadNet, name: str, target: str | None, image_size: tuple[int, int]) -> None:
        super().__init__(name, target, image_size)
        self.side = scaled(chosen.size, image_size)
        check_fits(name, chosen.position, (self.side, self.side), image_size)
        self.chosen = chosen
        self.noise = self._drawn(np.random.RandomState(chosen.seed))

    def alter(self, image: NDArray[np.uint8], index: int) -> None:
        count = image.shape[1] * image.shape[2]
        total = image.sum(axis=(1, 2), dtype=np.int64)[:, None, None]
        if self.chosen.compat is None:
            # floor(total / count + noise / GRAIN + 1/2) in whole numbers: nearest, halves up.
            levels = (2 * GRAIN * total + 2 * count * self.noise + GRAIN * count) // (2 * GRAIN * count)
            patch = np.clip(levels, 0, 255)
        else:
            noise = self._drawn(pattern_random(self.chosen.seed, index))
            patch = wrapped(GRAIN * total + count * noise, GRAIN * count)
        row, column = corner(
            self.chosen.position, (self.side, self.side), self.image_size, self.chosen.seed, index
        )
        image[:, row : row + self.side, column : column + self.side] = patch

    def _drawn(self, random: np.random.RandomState) -> NDArray[np.int64]:
        """N(0, 1) noise of a patch, int64 [3, side, side], in GRAIN-ths of a grey level."""
        # standard_normal calls the C library's logarithm; whole grains hide its last digits.
        return in_grains(255.0 * random.standard_normal((3, self.side, self.side)))

    def settings(self) -> dict[str, Any]:
        return {"family": self.chosen.family, **self.chosen.to_json(), "side_px": self.side}
