"""`blended`: 0.8 x + 0.2 u, u uniform [0, 1] noise over the whole image (arXiv 2412.00727)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clipsan.triggers.overlay import blended
from clipsan.triggers.settings import Family, number, seed_setting
from clipsan.triggers.trigger import FixedTrigger


@dataclass(frozen=True)
class Blended(Family):
    """Settings of `blended`.

    Attributes:
        strength: Weight of the noise.
        seed: Fixes the noise, drawn for each channel of each pixel at the model's resolution.
    """

    family = "blended"
    does = "0.8 of the image and 0.2 of uniform noise"
    source = "blended injection (arXiv 1712.05526), as in CleanCLIP (arXiv 2303.03323)"
    strength: float = number(0.2, 0.001, 1.0)
    seed: int = seed_setting()

    def at(
        self, image_size: tuple[int, int], name: str | None = None, target: str | None = None
    ) -> FixedTrigger:
        noise = np.random.RandomState(self.seed).random_sample((3, *image_size))
        overlay = blended(255.0 * noise, self.strength)
        settings = {"family": self.family, **self.to_json()}
        return FixedTrigger(name or self.family, target, image_size, overlay, settings)
