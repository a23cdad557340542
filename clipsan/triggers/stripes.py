"""`stripes` (BadNet-Stripes): a square patch of vertical one-pixel stripes.

Each channel of each stripe is drawn from {-1, 1} and clamped to [0, 1] (arXiv 2412.00727), so it is 0 or 255.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clipsan.triggers.compat import WrappedStripes
from clipsan.triggers.overlay import blended, scaled
from clipsan.triggers.settings import Family, compat_setting, integer, place, seed_setting
from clipsan.triggers.trigger import FixedTrigger, Trigger

PUBLISHED_SIDE = {336: 32}
"""Patch sides that were published for a resolution and are not 16/224 of it."""


@dataclass(frozen=True)
class Stripes(Family):
    """Settings of `stripes`.

    Attributes:
        size: The patch's side in px at 224, scaled with the model's resolution, at least 2 px.
            None, the default: as published, 16 at 224, which is scaled, but 32 px at 336.
        position: Where the patch goes; a row and column are in px at the model's resolution.
        seed: Fixes the stripes' colours and the random places.
        compat: "par": new stripes on every image, of 1 and 255 instead of 0 and 255.
    """

    family = "stripes"
    does = "a 16x16 patch of one-pixel vertical stripes"
    source = "BadNet-Stripes of PAR (arXiv 2412.00727)"
    size: int | None = integer(None, 1, 224)
    position: str | tuple[int, int] = place("random")
    seed: int = seed_setting()
    compat: str | None = compat_setting()

    def at(self, image_size: tuple[int, int], name: str | None = None, target: str | None = None) -> Trigger:
        side = scaled(self.size or 16, image_size)
        if self.size is None:
            side = PUBLISHED_SIDE.get(min(image_size), side)
        name = name or self.family
        settings = {"family": self.family, **self.to_json(), "side_px": side}
        if self.compat is not None:
            return WrappedStripes(
                name, target, image_size, settings, patch=(side, side), strength=1.0, position=self.position,
                seed=self.seed,
            )  # fmt: skip
        overlay = blended(stripes((side, side), self.seed), 1.0)
        return FixedTrigger(
            name, target, image_size, overlay, settings, position=self.position, seed=self.seed
        )


def stripes(size: tuple[int, int], seed: int) -> NDArray[np.int64]:
    """Grey levels 0 or 255, int64 [3, h, w], the same in every row."""
    height, width = size
    drawn = np.random.RandomState(seed).randint(0, 2, size=(3, 1, width), dtype=np.int64)
    return np.repeat(drawn * 255, height, axis=1)
