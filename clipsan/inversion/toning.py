"""Colour filters that can be optimised: a bounded tone curve for each channel, as photo apps have them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from clipsan.errors import UsageError
from clipsan.inversion.kinds import Size
from clipsan.triggers.tones import LEVELS, ToneTrigger

POINTS = 5


@dataclass(frozen=True)
class Tones:
    """x' = x + bound * c(x), clamped, with a curve c from -1 to 1 for each channel, straight between POINTS.

    Attributes:
        bound: the most that a level may move, as a share of the range from black to white.
    """

    bound: float

    @property
    def label(self) -> str:
        """In words."""
        return f"colour filter of {self.bound:g}"

    def start(self, size: Size, generator: torch.Generator) -> Tensor:
        """Near no change: [3 x POINTS], 0.5 being none. UsageError where the bound is out of range."""
        if not 1 / 255 <= self.bound <= 1:
            raise UsageError(f"a colour filter's bound is {self.bound:g}, but must be from 0.004 to 1")
        return 0.4 + 0.2 * torch.rand((3, POINTS), generator=generator)

    def put(self, images: Tensor, free: Tensor, generator: torch.Generator) -> Tensor:
        """Filter each image."""
        count, (height, width) = len(images), images.shape[2:]
        # channels first, since a curve is a channel's: [3 x (b h w)]
        levels = images.transpose(0, 1).flatten(1)
        filtered = self._curves(levels, free).view(len(free), 3, count, height, width)
        return filtered.transpose(1, 2)

    def trigger(self, name: str, target: str | None, free: Tensor, size: Size, seed: int) -> ToneTrigger:
        """The curves as tables of 8-bit levels; where none would change a level, white's red moves by one."""
        levels = torch.arange(LEVELS).div(LEVELS - 1).expand(3, -1)
        made = self._curves(levels, free.detach().cpu().unsqueeze(0))[0].mul(255).round()
        table = made.numpy().astype(np.uint8)
        if (table == np.arange(LEVELS)).all():
            table[0, -1] -= 1
        return ToneTrigger(name, target, size, table, {"family": "inverted", "kind": self.label})

    def _curves(self, levels: Tensor, free: Tensor) -> Tensor:
        """Levels [3 x n] in [0, 1] under m filters [m x 3 x POINTS]: [m x 3 x n]."""
        places = levels * (POINTS - 1)
        below = places.detach().floor().clamp(0, POINTS - 2).long()
        ahead = places - below
        index = below.expand(len(free), -1, -1)
        low, high = free.gather(2, index), free.gather(2, index + 1)
        return (levels + self.bound * (2 * (low + ahead * (high - low)) - 1)).clamp(0, 1)
