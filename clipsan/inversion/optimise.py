"""The one optimiser of triggers: Adam over pixels, many triggers at a time.

A trigger's pixels are kept in [0, 1] by clamping after each step. What is drawn (start, images of a step,
places of a patch) depends on the seed only and comes from the CPU, so that it is the same on every device.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from clipsan.inversion.kinds import Kind
from clipsan.inversion.pixels import PixelModel

Objective = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(embeddings [m x b x d], the m triggers' numbers, free [m x ...]) -> a loss for each trigger [m]."""


class Embeds(Protocol):
    """What triggers are optimised against: a `PixelModel`, or two of them."""

    device: torch.device

    def embed(self, pixels: Tensor) -> Tensor:
        """Of RGB pixels float32 [b x 3 x h x w] in [0, 1]: [b x d], with gradients to the pixels."""


@dataclass(frozen=True)
class Effort:
    """How long a trigger is optimised.

    Attributes:
        steps: of Adam.
        images: unlabelled images a step.
        lr: of Adam, for pixels in [0, 1].
        at_once: triggered images that go through the model at once.
    """

    steps: int = 50
    images: int = 48
    lr: float = 0.1
    at_once: int = 192

    def together(self, images: int) -> int:
        """How many triggers are optimised at once, where there are so many images."""
        return max(1, self.at_once // min(self.images, images))


def starts(kind: Kind, count: int, model: PixelModel, seed: int) -> Tensor:
    """The same start for each of m triggers, so that they differ by their targets only: [m x ...], a view."""
    first = kind.start(model.image_size, torch.Generator().manual_seed(seed))
    return first.expand(count, *first.shape)


def optimise(
    model: Embeds,
    kind: Kind,
    free: Tensor,
    numbers: Tensor,
    objective: Objective,
    images: Tensor,
    effort: Effort,
    seed: int,
    on_step: Callable[[int], None] = lambda images: None,
) -> Tensor:
    """Lower the objective of m triggers.

    Args:
        model: entered.
        kind: of all the triggers.
        free: float32 [m x ...] in [0, 1], where they start; stays as it was.
        numbers: int64 [m], handed to the objective.
        objective: what to lower.
        images: uint8 [n x 3 x h x w] to put them on.
        effort: for how long.
        seed: of the images and places drawn; another for each go.
        on_step: told how many triggered images each step took.

    Returns:
        float32 [m x ...] in [0, 1] on the CPU.
    """
    if not len(free):  # one process of many may have none; torch splits nothing into one empty part
        return free
    together = effort.together(len(images))
    done: list[Tensor] = []
    for part, named in zip(free.split(together), numbers.split(together), strict=True):
        generator = torch.Generator().manual_seed(seed)
        pixels = part.to(model.device).clone().requires_grad_(True)
        adam = torch.optim.Adam([pixels], lr=effort.lr)
        for _ in range(effort.steps):
            chosen = torch.randperm(len(images), generator=generator)[: effort.images]
            batch = images[chosen].to(model.device, torch.float32) / 255
            triggered = kind.put(batch, pixels, generator)
            embedded = model.embed(triggered.flatten(0, 1)).view(len(part), len(batch), -1)
            loss = objective(embedded, named.to(model.device), pixels).sum()
            adam.zero_grad()
            loss.backward()
            adam.step()
            with torch.no_grad():
                pixels.clamp_(0, 1)
            on_step(len(part) * len(batch))
        done.append(pixels.detach().cpu())
    return torch.cat(done)
