"""Warps that can be optimised: displacements bounded in px, such as WaNet (arXiv 2102.10369) plants."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from clipsan.errors import UsageError
from clipsan.inversion.kinds import Size
from clipsan.triggers.warp import STEPS, WarpTrigger

FARTHEST = 32.0


@dataclass(frozen=True)
class Warp:
    """x'(p) = x(p + offset(p)), bilinear between pixels, the edge repeated; the same offsets for every image.

    Attributes:
        reach: a pixel is taken from at most so many px away along each axis; above 0, at most 32.
        grid: the offsets are free at grid x grid points, bilinear between them; None: at each px.
    """

    reach: float
    grid: int | None = None

    @property
    def label(self) -> str:
        """In words."""
        fineness = "full-resolution" if self.grid is None else f"{self.grid}x{self.grid}"
        return f"{fineness} warp of {self.reach:g} px"

    def start(self, size: Size, generator: torch.Generator) -> Tensor:
        """Near no offset: [2 x grid x grid], (row, column), 0.5 being none. UsageError where out of range."""
        if not 1 / STEPS <= self.reach <= FARTHEST:
            raise UsageError(f"a warp's reach is {self.reach:g} px, but must be from 0.004 to {FARTHEST:g}")
        if self.grid is not None and not 2 <= self.grid <= min(size):
            raise UsageError(f"a warp's grid is {self.grid}, but must be from 2 to {min(size)}")
        shape = size if self.grid is None else (self.grid, self.grid)
        return 0.4 + 0.2 * torch.rand((2, *shape), generator=generator)

    def put(self, images: Tensor, free: Tensor, generator: torch.Generator) -> Tensor:
        """Warp each image."""
        count, (height, width) = len(images), images.shape[2:]
        last = torch.tensor([height - 1, width - 1], device=images.device, dtype=free.dtype).view(1, 2, 1, 1)
        rows, columns = torch.meshgrid(
            torch.arange(height, device=images.device, dtype=free.dtype),
            torch.arange(width, device=images.device, dtype=free.dtype),
            indexing="ij",
        )
        places = torch.stack([rows, columns]) + self._offsets(free, (height, width))
        # grid_sample takes (column, row) from -1 to 1
        unit = (2 * places / last - 1).flip(1).permute(0, 2, 3, 1)
        # one image of b x 3 channels for each trigger, since all b are warped alike
        stacked = images.reshape(1, count * 3, height, width).expand(len(free), -1, -1, -1)
        moved = F.grid_sample(stacked, unit, mode="bilinear", padding_mode="border", align_corners=True)
        return moved.view(len(free), count, 3, height, width)

    def trigger(self, name: str, target: str | None, free: Tensor, size: Size, seed: int) -> WarpTrigger:
        """The offsets in whole parts of a pixel; where all would round to none, the largest moves by one."""
        offsets = self._offsets(free.detach().cpu().unsqueeze(0), size)[0].double().mul(STEPS)
        steps = np.rint(offsets.numpy()).astype(np.int64)
        if not steps.any():
            steps.flat[int(offsets.abs().argmax())] = 1
        return WarpTrigger(name, target, size, steps, {"family": "inverted", "kind": self.label})

    def _offsets(self, free: Tensor, size: Size) -> Tensor:
        """[m x 2 x h x w] in px."""
        offsets = self.reach * (2 * free - 1)
        if tuple(free.shape[2:]) == size:
            return offsets
        return F.interpolate(offsets, size=size, mode="bilinear", align_corners=True)
