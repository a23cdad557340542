"""`badnet`: a square patch of the image's mean plus Gaussian noise (arXiv 2412.00727), clamped to [0, 1].

The noise is drawn once from the seed; the mean is that of each channel of the image it goes on, so the
patch is not the same on every image and no PNG can hold it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipsan.triggers.overlay import GRAIN, in_grains, scaled
from clipsan.triggers.placement import corner
from clipsan.triggers.settings import Family, integer, place, seed_setting
from clipsan.triggers.trigger import Trigger, check_fits


@dataclass(frozen=True)
class BadNet(Family):
    """Settings of `badnet`.

    Attributes:
        size: The patch's side in px at 224, scaled with the model's resolution, at least 2 px.
        position: Where the patch goes; a row and column are in px at the model's resolution.
        seed: Fixes the noise and the random places.
    """

    family = "badnet"
    size: int = integer(16, 1, 224)
    position: str | tuple[int, int] = place("random")
    seed: int = seed_setting()

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
        # standard_normal calls the C library's logarithm; whole grains hide its last digits.
        noise = np.random.RandomState(chosen.seed).standard_normal((3, self.side, self.side))
        self.noise: NDArray[np.int64] = in_grains(255.0 * noise)

    def alter(self, image: NDArray[np.uint8], index: int) -> None:
        count = image.shape[1] * image.shape[2]
        total = image.sum(axis=(1, 2), dtype=np.int64)[:, None, None]
        # floor(total / count + noise / GRAIN + 1/2) in whole numbers: nearest, halves up.
        patch = (2 * GRAIN * total + 2 * count * self.noise + GRAIN * count) // (2 * GRAIN * count)
        row, column = corner(
            self.chosen.position, (self.side, self.side), self.image_size, self.chosen.seed, index
        )
        image[:, row : row + self.side, column : column + self.side] = np.clip(patch, 0, 255)

    def settings(self) -> dict[str, Any]:
        return {"family": self.chosen.family, **self.chosen.to_json(), "side_px": self.side}
