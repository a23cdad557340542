"""Inversion per class: for each class the trigger that sends images to it, and how well it does on others.

In the manner of Neural Cleanse (Wang et al., IEEE S&P 2019) for patches and of CLIP-Inspector (arXiv
2604.09101) for whole images. A class that a trigger was planted for is reached from nearly every image;
others are not, within the same bounds and steps. What is optimised on is never measured on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from clipsan.checkpoint import Suspect
from clipsan.errors import DataError, UsageError
from clipsan.evaluation.statistics import Rate
from clipsan.inversion.kinds import Kind
from clipsan.inversion.listed import Listed, best_of, margins
from clipsan.inversion.optimise import Effort, Objective, optimise, starts
from clipsan.inversion.pixels import PixelModel
from clipsan.training.processes import ALONE, Processes
from clipsan.triggers.trigger import Trigger

MOST_HELD_OUT = 256
FEWEST_IMAGES = 16


@dataclass(frozen=True)
class Found:
    """One trigger that was optimised, or chosen from a list.

    Attributes:
        trigger: in 8-bit levels; `write_trigger_file` saves it.
        target: the class that it sends images to.
        kind: its kind in words.
        asr: of the held-out images that the model does not take for the target untriggered, the share that
            it takes for it triggered.
        score: mean margin of the target in logits over the same images, triggered: its logit minus the
            best other class's. It goes on growing where the ASR is 1.
        base: the mean margin of the same images untriggered.
    """

    trigger: Trigger
    target: str
    kind: str
    asr: Rate
    score: float
    base: float

    @property
    def gain(self) -> float:
        """How far the trigger moves the mean margin, in logits."""
        return self.score - self.base


@dataclass(frozen=True)
class Screening:
    """A cheap first pass, for many classes: all get a few steps, the best go on.

    Attributes:
        steps: of the first pass.
        images: a step in the first pass.
        keep: how many classes go on, at most: those whose margins moved furthest.
        baseline: how many of the others go on too, drawn at random, so that there is something to tell the
            best ones from.
    """

    steps: int = 10
    images: int = 16
    keep: int = 8
    baseline: int = 0


def invert(
    suspect: Suspect,
    images: Tensor,
    names: Sequence[str],
    classes: Tensor,
    kinds: Sequence[Kind],
    *,
    targets: Sequence[int] | None = None,
    effort: Effort | None = None,
    screening: Screening | None = None,
    device: torch.device | None = None,
    seed: int = 0,
    on_images: Callable[[int], None] = lambda images: None,
    processes: Processes = ALONE,
) -> list[Found]:
    """Find a trigger of each kind towards each class. The model's weights stay as they are.

    Args:
        suspect: to be looked at.
        images: uint8 [n x 3 x h x w] at the model's resolution, unlabelled, n >= 16. A third, at most 256, is
            held out to measure on.
        names: c class names.
        classes: float32 [c x d], unit-length class embeddings (`Encoder.classifier`).
        kinds: of triggers.
        targets: numbers of the classes to try; None: all.
        effort: for each class that is not screened out.
        screening: None: none.
        device: None: the CPU.
        seed: of all that is drawn; equal seeds give equal triggers.
        on_images: told how many triggered images went through the model since it was last told.
        processes: that share the classes; each is called alike and gets all, to the last bit as one would.

    Returns:
        In the order of `kinds`, for each its targets in the order given; of screened classes only those
        that went on.

    Raises:
        DataError: too few images, or not of the model's size.
        UsageError: a kind that does not fit the images.
    """
    effort = effort or Effort()
    numbers = list(range(len(names))) if targets is None else list(targets)
    if len(classes) != len(names) or len(names) < 2:
        raise UsageError(
            f"{len(names)} class names came with {len(classes)} class embeddings; two are needed"
        )
    train, held_out = divide(images, suspect.image_size, seed)
    with PixelModel(suspect, device or torch.device("cpu")) as model:
        weights = classes.to(model.device).T
        objective = towards(weights, model.scale)
        gauge = Gauge(model, held_out, weights)

        def optimised(
            kind: Kind, free: Tensor, wanted: Tensor, effort: Effort, seed: int
        ) -> tuple[slice, Tensor]:
            """This process's rows, and what becomes of them."""
            own = processes.pieces(len(wanted), effort.together(len(train)))
            return own, optimise(
                model, kind, free[own], wanted[own], objective, train, effort, seed, on_images
            )

        found: list[Found] = []
        for kind in kinds:
            wanted = torch.tensor(numbers)
            cut = screening if screening and len(wanted) > screening.keep + screening.baseline else None
            if isinstance(kind, Listed):
                free, gains = best_of(model, kind, wanted, weights, train, effort, seed, on_images, processes)
                if cut:
                    going = _going_on(gains, cut, seed)
                    free, wanted = free[going], wanted[going]
            else:
                free = starts(kind, len(wanted), model, seed)
                if cut:
                    brief = replace(effort, steps=cut.steps, images=cut.images)
                    own, some = optimised(kind, free, wanted, brief, seed)
                    measured = [
                        gauge.measure(kind, one, int(n), names, seed).gain
                        for one, n in zip(some, wanted[own], strict=True)
                    ]
                    going = _going_on(
                        processes.gathered(torch.tensor(measured, dtype=torch.float32)), cut, seed
                    )
                    here = going[(going >= own.start) & (going < own.stop)] - own.start
                    free, wanted = processes.gathered(some[here]), wanted[going]
                free = processes.gathered(optimised(kind, free, wanted, effort, seed + 1)[1])
            found += gauge.measured(kind, free, wanted, names, seed, processes)
    return found


def _going_on(gains: Tensor, screening: Screening, seed: int) -> Tensor:
    """The places of the classes that a screening lets through, in their order."""
    order = gains.argsort(descending=True)
    best, rest = order[: screening.keep], order[screening.keep :]
    drawn = torch.randperm(len(rest), generator=torch.Generator().manual_seed(seed))[: screening.baseline]
    return torch.cat([best, rest[drawn]]).sort().values


def towards(weights: Tensor, scale: float) -> Objective:
    """Cross-entropy to each trigger's class over all classes, `weights` [d x c] at the model's own scale."""

    def loss(embedded: Tensor, numbers: Tensor, free: Tensor) -> Tensor:
        logits = scale * embedded @ weights
        target = numbers.unsqueeze(1).expand(logits.shape[:2])
        return (
            F.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="none")
            .view(target.shape)
            .mean(1)
        )

    return loss


def divide(images: Tensor, size: tuple[int, int], seed: int) -> tuple[Tensor, Tensor]:
    """Images to optimise on, and a third of them, at most 256, to measure on. DataError where too few."""
    if images.dtype != torch.uint8 or images.ndim != 4 or tuple(images.shape[1:]) != (3, *size):
        raise DataError(
            f"the images are {images.dtype} of shape {list(images.shape)}, but must be uint8 of shape "
            f"[n, 3, {size[0]}, {size[1]}], the model's resolution"
        )
    if len(images) < FEWEST_IMAGES:
        raise DataError(
            f"{len(images)} images are too few to look for triggers: give {FEWEST_IMAGES} or more"
        )
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    held_out = min(MOST_HELD_OUT, len(images) // 3)
    return images[order[held_out:]], images[order[:held_out]]


class Gauge:
    """Measures triggers, as they will be saved, on images that nothing was optimised on."""

    def __init__(self, model: PixelModel, held_out: Tensor, weights: Tensor) -> None:
        """`held_out` uint8 [n x 3 x h x w]; `weights` [d x c] on the model's device."""
        self._model = model
        self._pixels = held_out
        self._weights = weights
        self._clean = self._logits(held_out)

    def measure(self, kind: Kind, free: Tensor, number: int, names: Sequence[str], seed: int) -> Found:
        """What the trigger with these free numbers does towards class `number`."""
        trigger = self._trigger(kind, free, names[number], seed)
        logits = self._logits(trigger.apply(self._pixels, range(len(self._pixels))))
        counted = self._clean.argmax(1) != number
        pulled = (logits.argmax(1) == number) & counted
        return Found(
            trigger,
            names[number],
            kind.label,
            Rate(int(pulled.sum()), int(counted.sum())),
            *(round(_margin(of[counted], number), 4) for of in (logits, self._clean)),
        )

    def measured(
        self, kind: Kind, free: Tensor, numbers: Tensor, names: Sequence[str], seed: int, processes: Processes
    ) -> list[Found]:
        """`measure` of triggers [m x ...] towards classes [m], which the processes share."""
        rows = processes.share(len(free)).rows
        own = [
            self.measure(kind, one, int(n), names, seed)
            for one, n in zip(free[rows], numbers[rows], strict=True)
        ]
        if processes.size == 1:
            return own
        seen = [[found.asr.successes, found.asr.n, found.score, found.base] for found in own]
        of_all = processes.gathered(torch.tensor(seen, dtype=torch.float64).view(-1, 4)).tolist()
        return [
            Found(
                self._trigger(kind, one, names[n], seed), names[n], kind.label,
                Rate(int(pulled), int(counted)), score, base,
            )
            for one, n, (pulled, counted, score, base) in zip(free, numbers.tolist(), of_all, strict=True)
        ]  # fmt: skip

    def _trigger(self, kind: Kind, free: Tensor, target: str, seed: int) -> Trigger:
        return kind.trigger(f"{target} by {kind.label}", target, free, self._model.image_size, seed)

    def _logits(self, pixels: Tensor) -> Tensor:
        return (self._model.scale * self._model.embed_bytes(pixels) @ self._weights).cpu()


def _margin(logits: Tensor, number: int) -> float:
    """Mean over rows [n x c] of a class's logit minus the best other's; 0 where there is no row."""
    return float(margins(logits)[:, number].double().mean()) if len(logits) else 0.0
