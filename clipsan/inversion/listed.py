"""Kinds of so few triggers that all are tried: opaque strips and sine waves over the whole image.

Where a trigger is strong but simple, bounds do not tell a planted one from what a model can be led to by
pixels that were optimised; trying a short list does, since none of its triggers was made for the model. One
pass over the list tells of every class.
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from clipsan.errors import UsageError
from clipsan.inversion.kinds import Size, fixed
from clipsan.inversion.optimise import Effort
from clipsan.inversion.pixels import PixelModel
from clipsan.training.processes import ALONE, Processes
from clipsan.triggers.trigger import FixedTrigger

MOST_CYCLES = 12
PHASES = 4


class Listed(ABC):
    """A kind whose triggers are all tried; otherwise as `Kind`."""

    @property
    @abstractmethod
    def label(self) -> str:
        """In words."""

    @abstractmethod
    def all(self, size: Size) -> Tensor:
        """The numbers of each trigger for images of (height, width) px, float32 [n x k] in [0, 1]."""

    def start(self, size: Size, generator: torch.Generator) -> Tensor:
        """The first of them."""
        return self.all(size)[0]

    def put(self, images: Tensor, free: Tensor, generator: torch.Generator) -> Tensor:
        """Images [b x 3 x h x w] under each of m triggers [m x k]: [m x b x 3 x h x w]."""
        height, width = images.shape[2:]
        pattern, weight = self._layer(free, (height, width))
        return (1 - weight).unsqueeze(1) * images + (weight * pattern).unsqueeze(1)

    def trigger(self, name: str, target: str | None, free: Tensor, size: Size, seed: int) -> FixedTrigger:
        """One of them in 8-bit levels."""
        pattern, weight = self._layer(free.unsqueeze(0), size)
        settings = {"family": "inverted", "kind": self.label, "position": "full"}
        return fixed(name, target, pattern[0], weight[0], size, settings)

    @abstractmethod
    def _layer(self, free: Tensor, size: Size) -> tuple[Tensor, Tensor]:
        """Patterns [m x 3 x h x w] and their weights [m x 1 x h x w]."""


@dataclass(frozen=True)
class Strips(Listed):
    """An opaque strip across the image, upright or lying, black, white or in a pure colour.

    Attributes:
        width: in px; strips lie side by side, so that each place is in one.
    """

    width: int

    @property
    def label(self) -> str:
        """In words."""
        return f"opaque strip of {self.width} px"

    def all(self, size: Size) -> Tensor:
        """[n x 5]: red, green, blue, 1 for an upright strip, its start as a share of the side."""
        if not 1 <= self.width <= min(size):
            raise UsageError(f"a strip's width is {self.width} px, but must be from 1 to {min(size)}")
        return torch.tensor(
            [
                (*colour, upright, start / size[upright])
                for colour in itertools.product((0.0, 1.0), repeat=3)
                for upright in (0, 1)
                for start in range(0, size[upright] - self.width + 1, self.width)
            ]
        )

    def _layer(self, free: Tensor, size: Size) -> tuple[Tensor, Tensor]:
        across = []
        for side in size:
            start = (free[:, 4:] * side).round()
            place = torch.arange(side, device=free.device)
            across.append(((place >= start) & (place < start + self.width)).to(free.dtype))
        upright = free[:, 3].view(-1, 1, 1)
        weight = (1 - upright) * across[0].unsqueeze(2) + upright * across[1].unsqueeze(1)
        return free[:, :3, None, None].expand(-1, -1, *size), weight.unsqueeze(1)


@dataclass(frozen=True)
class Waves(Listed):
    """x' = (1 - strength) x + strength * wave, a grey sine of 1 to 12 cycles over the width or the height,
    where px are fine enough for them.

    Attributes:
        strength: 0 to 1, taken to the nearest 255th; the wave's amplitude is half of it.
    """

    strength: float

    @property
    def label(self) -> str:
        """In words."""
        return f"sine wave of {self.strength:g}"

    def all(self, size: Size) -> Tensor:
        """[n x 3]: 1 for a wave from left to right, cycles in parts of MOST_CYCLES, phase in turns."""
        if not 1 <= round(255 * self.strength) <= 255:
            raise UsageError(f"a wave's strength is {self.strength:g}, but must be from 0.004 to 1")
        return torch.tensor(
            [
                (along, cycles / MOST_CYCLES, phase / PHASES)
                for along in (0, 1)
                for cycles in range(1, min(MOST_CYCLES, (size[along] - 1) // 2) + 1)
                for phase in range(PHASES)
            ]
        )

    def _layer(self, free: Tensor, size: Size) -> tuple[Tensor, Tensor]:
        waves = []
        for side in size:
            turns = free[:, 1:2] * MOST_CYCLES * torch.arange(side, device=free.device) / side + free[:, 2:]
            waves.append(0.5 + 0.5 * torch.sin(2 * math.pi * turns))
        along = free[:, 0].view(-1, 1, 1)
        pattern = (1 - along) * waves[0].unsqueeze(2) + along * waves[1].unsqueeze(1)
        weight = torch.full((len(free), 1, *size), round(255 * self.strength) / 255, device=free.device)
        return pattern.unsqueeze(1).expand(-1, 3, -1, -1), weight


def best_of(
    model: PixelModel,
    kind: Listed,
    numbers: Tensor,
    weights: Tensor,
    images: Tensor,
    effort: Effort,
    seed: int,
    on_images: Callable[[int], None] = lambda images: None,
    processes: Processes = ALONE,
) -> tuple[Tensor, Tensor]:
    """For each class the trigger of the list that moves its mean margin furthest.

    Args:
        model: entered.
        kind: whose list is tried.
        numbers: int64 [m], of the classes.
        weights: [d x c], all classes' embeddings on the model's device.
        images: uint8 [n x 3 x h x w]; as many of them are used as a step of optimising would take.
        effort: says how many images, and how many go through the model at once.
        seed: of which images.
        on_images: told how many triggered images went through the model since it was last told.
        processes: that share the list.

    Returns:
        float32 [m x k], the numbers of each class's trigger, and float32 [m], the gains in logits.
    """
    drawn = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))[: effort.images]
    batch = images[drawn].to(model.device, torch.float32) / 255
    listed = kind.all(model.image_size)
    with torch.no_grad():
        clean = model.scale * model.embed(batch) @ weights
        counted = torch.nn.functional.one_hot(clean.argmax(1), clean.shape[1]) == 0
        before = margins(clean)
        gains = [torch.zeros(0, len(numbers))]
        together = effort.together(len(batch))
        own = listed[processes.pieces(len(listed), together)]
        for part in own.split(together) if len(own) else ():
            pixels = kind.put(batch, part.to(model.device), torch.Generator())
            logits = (model.scale * model.embed(pixels.flatten(0, 1)) @ weights).view(len(part), *clean.shape)
            moved = (margins(logits) - before).masked_fill(~counted, 0).sum(1) / counted.sum(0).clamp(min=1)
            gains.append(moved[:, numbers.to(model.device)].cpu())
            on_images(len(part) * len(batch))
    best = processes.gathered(torch.cat(gains)).max(dim=0)
    return listed[best.indices], best.values


def margins(logits: Tensor) -> Tensor:
    """Each class's logit minus the best other's, [... x c]."""
    first, second = logits.topk(2, dim=-1).values.split(1, dim=-1)
    return logits - torch.where(logits == first, second, first)
