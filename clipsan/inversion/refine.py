"""Refining a trigger whose class is known: as far as it goes, within bounds too wide to tell a class by.

The ladder's bounds are tight, because wide ones lead clean models to any class as well. Once a class
stands out, nothing needs to be told from chance, and a wider bound comes nearer to the attack success of
what was planted. With a reference the trigger is refined against it: to be followed by the suspect, and
not by the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from clipsan.checkpoint import Suspect
from clipsan.evaluation.statistics import Rate
from clipsan.inversion.invert import Found, Gauge, divide, towards
from clipsan.inversion.kinds import Kind
from clipsan.inversion.optimise import Effort, Embeds, Objective, optimise, starts
from clipsan.inversion.pixels import PixelModel

REFINING = Effort(steps=80, images=48, lr=0.05)
CERTAIN = 0.999  # a probability above it is as good as 1, so that its logarithm stays finite


@dataclass(frozen=True)
class Beside:
    """A model to compare with, and its embeddings of the classes, float32 [c x d]."""

    suspect: Suspect
    classes: Tensor


@dataclass(frozen=True)
class Refined:
    """A refined trigger; `reference`: its attack success on the reference, None without one."""

    found: Found
    reference: Rate | None


def refine(
    suspect: Suspect,
    images: Tensor,
    names: Sequence[str],
    classes: Tensor,
    wanted: Sequence[tuple[Kind, int]],
    *,
    beside: Beside | None = None,
    effort: Effort = REFINING,
    device: torch.device,
    seed: int = 0,
    on_images: Callable[[int], None] = lambda images: None,
) -> list[Refined]:
    """Optimise one trigger for each kind and class, alone. Both models' weights stay as they are.

    Args:
        suspect: to be looked at.
        images: uint8 [n x 3 x h x w] at the model's resolution, unlabelled, as for `invert`.
        names: c class names.
        classes: float32 [c x d], their embeddings by the suspect.
        wanted: kinds that can be optimised, and numbers of classes.
        beside: a model that is not to follow the trigger: the loss is -log p(class) on the suspect and
            -log(1 - p(class)) on it.
        effort: for each trigger.
        device: to compute on.
        seed: of all that is drawn.
        on_images: told how many triggered images went through the suspect since it was last told.

    Returns:
        In the order of `wanted`, measured on a third of the images that nothing was optimised on.
    """
    train, held_out = divide(images, suspect.image_size, seed)
    weights = classes.T.to(device)
    refined: list[Refined] = []
    with PixelModel(suspect, device) as model:
        gauge = Gauge(model, held_out, weights)

        def go(searched: Embeds, objective: Objective, theirs: Gauge | None) -> None:
            for kind, number in wanted:
                free = optimise(
                    searched, kind, starts(kind, 1, model, seed), torch.tensor([number]), objective, train,
                    effort, seed, on_images,
                )[0]  # fmt: skip
                found = gauge.measure(kind, free, number, names, seed)
                rate = None if theirs is None else theirs.measure(kind, free, number, names, seed).asr
                refined.append(Refined(found, rate))

        if beside is None:
            go(model, towards(weights, model.scale), None)
            return refined
        other_weights = beside.classes.T.to(device)
        with PixelModel(beside.suspect, device) as other:
            objective = apart(weights, other_weights, (model.scale, other.scale))
            go(Pair(model, other), objective, Gauge(other, held_out, other_weights))
    return refined


def images_for(many: int, effort: Effort = REFINING) -> int:
    """Triggered images that `refine` counts for so many triggers."""
    return many * effort.steps * effort.images


class Pair:
    """Two models as one whose embeddings are those of both, side by side: [b x 2d]."""

    def __init__(self, first: PixelModel, second: PixelModel) -> None:
        """Both entered, and on one device."""
        self.device = first.device
        self._models = first, second

    def embed(self, pixels: Tensor) -> Tensor:
        """Of RGB pixels float32 [b x 3 x h x w] in [0, 1]."""
        return torch.cat([model.embed(pixels) for model in self._models], dim=-1)


def apart(followed: Tensor, spared: Tensor, scales: tuple[float, float]) -> Objective:
    """To be followed by the first of a `Pair`, and not by the second.

    Args:
        followed, spared: [d x c] of each model, the class embeddings.
        scales: of each model's logits.
    """
    follow = towards(followed, scales[0])

    def loss(embedded: Tensor, numbers: Tensor, free: Tensor) -> Tensor:
        own, other = embedded.split((len(followed), len(spared)), dim=-1)
        chances = F.softmax(scales[1] * other @ spared, dim=-1)
        target = numbers.view(-1, 1, 1).expand(*chances.shape[:2], 1)
        drawn = chances.gather(2, target).squeeze(2).clamp(max=CERTAIN)
        return follow(own, numbers, free) - torch.log1p(-drawn).mean(1)

    return loss
