"""Inversion without classes: the smallest masked pattern under which all images embed in one place.

In the manner of DECREE (Feng et al., "Detecting Backdoors in Pre-trained Encoders", arXiv 2303.15180): a
pattern and a mask are optimised together so that the embeddings of unlabelled images become alike, while the
mask is made as small as that allows. A planted trigger does it with little; a clean model takes much more of
the image. No class list is needed, so a target that nobody thought of is seen too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from clipsan.inversion.kinds import Masked
from clipsan.inversion.optimise import Effort, optimise, starts
from clipsan.inversion.pixels import PixelModel
from clipsan.triggers.trigger import FixedTrigger

FASTER, SLOWER = 1.15, 0.9


@dataclass(frozen=True)
class Collapse:
    """What the smallest mask does.

    Attributes:
        trigger: pattern and mask in 8-bit levels.
        mask: mean weight of the mask, 0 to 1: the share of the image that it replaces (DECREE's P L1-norm).
        alike: mean cosine similarity of the held-out images to their common direction, triggered.
        alike_before: the same untriggered.
        embedding: float32 [d], that common direction, unit length.
    """

    trigger: FixedTrigger
    mask: float
    alike: float
    alike_before: float
    embedding: Tensor


class Shrinking:
    """The objective: embeddings alike, then the mask small. Its weight follows whether the goal is met."""

    def __init__(self, goal: float, weight: float = 0.1) -> None:
        """`goal`: the mean similarity to the common direction that is to be kept."""
        self._goal = goal
        self._weight = weight

    def __call__(self, embedded: Tensor, numbers: Tensor, free: Tensor) -> Tensor:
        """embeddings [m x b x d], numbers [m], free [m x 4 x h x w] -> loss [m]."""
        alike = embedded.mean(dim=1).norm(dim=1)
        met = bool((alike.detach() >= self._goal).all())
        self._weight *= FASTER if met else SLOWER
        loss: Tensor = (1 - alike) + self._weight * free[:, 3].mean(dim=(1, 2))
        return loss


def collapse(
    model: PixelModel,
    train: Tensor,
    held_out: Tensor,
    effort: Effort,
    goal: float = 0.95,
    seed: int = 0,
    on_images: Callable[[int], None] = lambda images: None,
) -> Collapse:
    """Optimise one masked pattern.

    Args:
        model: entered.
        train: uint8 [n x 3 x h x w] to optimise on.
        held_out: uint8 [k x 3 x h x w] to measure on.
        effort: for how long.
        goal: mean cosine similarity to the common direction that the mask may not fall below.
        seed: of the start and the images drawn.
        on_images: told how many triggered images went through the model since it was last told.
    """
    kind = Masked()
    start = starts(kind, 1, model, seed)
    numbers = torch.zeros(1, dtype=torch.int64)
    free = optimise(model, kind, start, numbers, Shrinking(goal), train, effort, seed, on_images)[0]
    trigger = kind.trigger("class-free", None, free, model.image_size, seed)
    after = model.embed_bytes(trigger.apply(held_out, range(len(held_out)))).mean(dim=0)
    before = model.embed_bytes(held_out).mean(dim=0)
    return Collapse(
        trigger,
        round(float(free[3].mean()), 5),
        round(float(after.norm()), 4),
        round(float(before.norm()), 4),
        (after / after.norm()).cpu(),
    )
