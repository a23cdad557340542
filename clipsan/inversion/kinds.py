"""Kinds of triggers that can be optimised: patches, blends over the whole image, and masked patterns.

Each says how many free numbers it has, puts them on images so that gradients reach them, and turns them into
a trigger in 8-bit levels, which is what is measured and saved. All numbers lie in [0, 1]. The weight of a
blend is a whole number of 255ths from the start, as a trigger file keeps it. Warps are in `moving`, colour
filters in `toning`, and kinds of which all triggers are tried in `listed`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from clipsan.errors import UsageError
from clipsan.triggers.overlay import from_rgba
from clipsan.triggers.placement import ANCHORS, Position, corner, fits
from clipsan.triggers.trigger import FixedTrigger, Trigger

Size = tuple[int, int]


class Kind(Protocol):
    """One kind of trigger. The shapes: m triggers, b images, h x w px."""

    @property
    def label(self) -> str:
        """In words, such as `8x8 patch`."""

    def start(self, size: Size, generator: torch.Generator) -> Tensor:
        """The free numbers of one trigger for images of (height, width) px, float32 in [0, 1]."""

    def put(self, images: Tensor, free: Tensor, generator: torch.Generator) -> Tensor:
        """Images [b x 3 x h x w] in [0, 1] under each of m triggers [m x ...]: [m x b x 3 x h x w]."""

    def trigger(self, name: str, target: str | None, free: Tensor, size: Size, seed: int) -> Trigger:
        """One trigger's free numbers as what is measured, and `write_trigger_file` saves."""


@dataclass(frozen=True)
class Patch:
    """A square that covers what is beneath.

    Attributes:
        size: side in px at the model's resolution.
        position: an anchor's name (`random`: a new place for each image) or (row, column).
    """

    size: int
    position: Position = "random"

    @property
    def label(self) -> str:
        """In words."""
        where = "" if self.position == "random" else f" at {self.position}"
        return f"{self.size}x{self.size} patch{where}"

    def start(self, size: Size, generator: torch.Generator) -> Tensor:
        """Near mid-grey: [3 x size x size]. UsageError where it does not fit the image."""
        if isinstance(self.position, str) and self.position not in ANCHORS:
            raise UsageError(
                f"a patch's position is {self.position!r}, but must be one of {', '.join(ANCHORS)}"
            )
        if self.size < 1 or not fits(self.position, (self.size, self.size), size):
            raise UsageError(f"a patch of {self.size} px does not fit images of {size[0]}x{size[1]} px there")
        return _near_grey((3, self.size, self.size), generator)

    def put(self, images: Tensor, free: Tensor, generator: torch.Generator) -> Tensor:
        """Cover a square of each image."""
        count, (height, width) = len(images), images.shape[2:]
        k = self.size
        if self.position == "random":
            rows = torch.randint(0, height - k + 1, (count, 1, 1), generator=generator)
            columns = torch.randint(0, width - k + 1, (count, 1, 1), generator=generator)
        else:
            row, column = corner(self.position, (k, k), (height, width), 0, 0)
            rows, columns = torch.tensor([[[row]]]), torch.tensor([[[column]]])
            rows, columns = rows.expand(count, 1, 1), columns.expand(count, 1, 1)
        steps = torch.arange(k)
        places = ((rows + steps.view(1, k, 1)) * width + columns + steps.view(1, 1, k)).view(
            1, count, 1, k * k
        )
        index = places.to(images.device).expand(len(free), count, 3, k * k)
        flat = images.flatten(2).expand(len(free), -1, -1, -1)
        source = free.flatten(2).unsqueeze(1).expand(-1, count, -1, -1)
        return flat.scatter(3, index, source).view(len(free), count, 3, height, width)

    def trigger(self, name: str, target: str | None, free: Tensor, size: Size, seed: int) -> FixedTrigger:
        """The patch in 8-bit levels."""
        alpha = torch.ones(1, self.size, self.size)
        place = self.position if isinstance(self.position, str) else list(self.position)
        settings = {"family": "inverted", "kind": self.label, "position": place, "seed": seed}
        return fixed(name, target, free, alpha, size, settings, self.position, seed)


@dataclass(frozen=True)
class Blend:
    """x' = (1 - strength) x + strength * pattern over the whole image.

    Attributes:
        strength: 0 to 1, taken to the nearest 255th.
        grid: the pattern has grid x grid free pixels, enlarged linearly; None: one for each px.
    """

    strength: float
    grid: int | None = None

    @property
    def label(self) -> str:
        """In words."""
        fineness = "full-resolution" if self.grid is None else f"{self.grid}x{self.grid}"
        return f"{fineness} blend of {self.strength:g}"

    @property
    def weight(self) -> float:
        """The strength that is used, a whole number of 255ths."""
        return round(255 * self.strength) / 255

    def start(self, size: Size, generator: torch.Generator) -> Tensor:
        """Near mid-grey: [3 x grid x grid]. UsageError where the strength or the grid is out of range."""
        if not 1 <= round(255 * self.strength) <= 255:
            raise UsageError(f"a blend's strength is {self.strength:g}, but must be from 0.004 to 1")
        if self.grid is not None and not 1 <= self.grid <= min(size):
            raise UsageError(f"a blend's grid is {self.grid}, but must be from 1 to {min(size)}")
        shape = size if self.grid is None else (self.grid, self.grid)
        return _near_grey((3, *shape), generator)

    def put(self, images: Tensor, free: Tensor, generator: torch.Generator) -> Tensor:
        """Blend the pattern into each image."""
        height, width = images.shape[2:]
        pattern = self._enlarged(free, (height, width)).unsqueeze(1)
        return (1 - self.weight) * images.unsqueeze(0) + self.weight * pattern

    def trigger(self, name: str, target: str | None, free: Tensor, size: Size, seed: int) -> FixedTrigger:
        """The pattern in 8-bit levels."""
        pattern = self._enlarged(free.unsqueeze(0), size)[0]
        settings = {"family": "inverted", "kind": self.label, "position": "full"}
        return fixed(name, target, pattern, torch.full((1, *size), self.weight), size, settings)

    def _enlarged(self, free: Tensor, size: Size) -> Tensor:
        if tuple(free.shape[2:]) == size:
            return free
        return F.interpolate(free, size=size, mode="bilinear", align_corners=False)


@dataclass(frozen=True)
class Masked:
    """A pattern with a weight of its own for each px, in the manner of Neural Cleanse and DECREE.

    The free numbers are [4 x h x w]: red, green, blue and weight.
    """

    @property
    def label(self) -> str:
        """In words."""
        return "masked pattern"

    def start(self, size: Size, generator: torch.Generator) -> Tensor:
        """Near mid-grey, at one tenth of full weight."""
        free = _near_grey((4, *size), generator)
        free[3] = 0.1
        return free

    def put(self, images: Tensor, free: Tensor, generator: torch.Generator) -> Tensor:
        """Blend the pattern into each image, px by px."""
        pattern, weight = free[:, None, :3], free[:, None, 3:]
        return (1 - weight) * images.unsqueeze(0) + weight * pattern

    def trigger(self, name: str, target: str | None, free: Tensor, size: Size, seed: int) -> FixedTrigger:
        """Pattern and weights in 8-bit levels; the strongest px keeps a weight where all would round to 0."""
        weight = free[3:].clone()
        weight[weight == weight.max()] = weight.max().clamp(min=1 / 255)
        settings = {"family": "inverted", "kind": self.label, "position": "full"}
        return fixed(name, target, free[:3], weight, size, settings)


def _near_grey(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return 0.4 + 0.2 * torch.rand(shape, generator=generator)


def fixed(
    name: str,
    target: str | None,
    pattern: Tensor,
    weight: Tensor,
    size: Size,
    settings: Mapping[str, object],
    position: Position = "top-left",
    seed: int = 0,
) -> FixedTrigger:
    """A pattern [3 x h x w] and its weight [1 x h x w], both in [0, 1], in 8-bit levels."""
    levels = torch.cat([pattern.detach().cpu(), weight.detach().cpu()]).clamp(0, 1).mul(255).round()
    rgba = np.ascontiguousarray(levels.permute(1, 2, 0).numpy().astype(np.uint8))
    return FixedTrigger(name, target, size, from_rgba(rgba), dict(settings), position=position, seed=seed)
