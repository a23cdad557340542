"""`sig`: x + (60/255) sin(2 pi 6 column / width), clamped to [0, 1] (arXiv 1902.11237; 2412.00727)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipsan.triggers.overlay import GRAIN, in_grains
from clipsan.triggers.settings import Family, integer, number
from clipsan.triggers.trigger import Trigger


@dataclass(frozen=True)
class Sig(Family):
    """Settings of `sig`.

    Attributes:
        amplitude: Of the wave, in grey levels of 255.
        cycles: Waves over the image's width, at any resolution.
    """

    family = "sig"
    does = "a sine wave of 6 cycles and 60 grey levels added to every row"
    source = "SIG (arXiv 1902.11237), with the settings of arXiv 2412.00727"
    amplitude: float = number(60.0, 1.0, 255.0)
    cycles: int = integer(6, 1, 224)

    def at(
        self, image_size: tuple[int, int], name: str | None = None, target: str | None = None
    ) -> SigTrigger:
        return SigTrigger(self, name or self.family, target, image_size)


class SigTrigger(Trigger):
    """`sig` at one resolution."""

    def __init__(self, chosen: Sig, name: str, target: str | None, image_size: tuple[int, int]) -> None:
        super().__init__(name, target, image_size)
        self.chosen = chosen
        width = image_size[1]
        # The turn is reduced in whole numbers; whole grains hide the last digits of the C library's sine.
        turns = [chosen.cycles * column % width / width for column in range(width)]
        wave = np.array([chosen.amplitude * math.sin(2 * math.pi * turn) for turn in turns])
        self.wave: NDArray[np.int64] = in_grains(wave)

    def alter(self, image: NDArray[np.uint8], index: int) -> None:
        # floor(x + wave + 1/2): nearest, halves up.
        levels = (image.astype(np.int64) * GRAIN + self.wave + GRAIN // 2) // GRAIN
        image[...] = np.clip(levels, 0, 255)

    def settings(self) -> dict[str, Any]:
        return {"family": self.chosen.family, **self.chosen.to_json()}
