"""All that a scan does to one model: every rung over all classes, without classes, and the text side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clipsan.checkpoint import Suspect
from clipsan.inversion.collapse import Collapse, collapse
from clipsan.inversion.invert import Found, Screening, divide, invert
from clipsan.inversion.ladder import Rung, ScanEffort
from clipsan.inversion.listed import Listed
from clipsan.inversion.pixels import PixelModel
from clipsan.inversion.words import Dragging, drag_texts
from clipsan.training.processes import ALONE, Processes

TEXT_PROBES = 24
SCREENED_FROM = 32
SCREENING = Screening(steps=5, images=8, keep=8, baseline=16)
"""Of lists with SCREENED_FROM classes or more."""


@dataclass(frozen=True)
class Searched:
    """What was found in one model.

    Attributes:
        rungs: each rung's name to what was found for its classes.
        class_free: the smallest masked pattern that makes all images embed alike.
        words: None for a tokenizer that is not CLIP's own.
    """

    rungs: Mapping[str, Sequence[Found]]
    class_free: Collapse
    words: Dragging | None


def search(
    suspect: Suspect,
    images: Tensor,
    names: Sequence[str],
    classes: Tensor,
    rungs: Sequence[Rung],
    effort: ScanEffort,
    *,
    targets: Mapping[str, Sequence[int]] | None = None,
    device: torch.device,
    seed: int = 0,
    on_images: Callable[[int], None] = lambda images: None,
    processes: Processes = ALONE,
) -> Searched:
    """Search one model. Its weights stay as they are.

    Args:
        suspect: to be looked at.
        images: uint8 [n x 3 x h x w] at the model's resolution, unlabelled.
        names: c class names, without repetition.
        classes: float32 [c x d], their embeddings.
        rungs: of the ladder.
        effort: how hard to try.
        targets: each rung's classes; None: all, screened where they are many.
        device: to compute on.
        seed: of all that is drawn.
        on_images: told how many triggered images went through the model since it was last told.
        processes: that share the search, each called alike; all get the whole, to the last bit as one would.
            What is sought without classes is one pattern, so that each does it.
    """
    found = {
        rung.name: invert(
            suspect, images, names, classes, [rung.kind],
            targets=None if targets is None else targets[rung.name], effort=effort.patterns,
            screening=screening_for(len(names)) if targets is None else None,
            device=device, seed=seed, on_images=on_images, processes=processes,
        )
        for rung in rungs
    }  # fmt: skip
    train, held_out = divide(images, suspect.image_size, seed)
    with PixelModel(suspect, device) as model:
        class_free = collapse(model, train, held_out, effort.class_free, seed=seed, on_images=on_images)
    words = drag_texts(
        suspect, text_probes(names), names, effort.words, device=device, seed=seed, processes=processes
    )
    return Searched(found, class_free, words)


def text_probes(names: Sequence[str]) -> list[str]:
    """TEXT_PROBES texts at most, about different ones of the classes."""
    few = names[:: max(1, len(names) // TEXT_PROBES)][:TEXT_PROBES]
    return [f"a photo of a {name}." for name in few]


def screening_for(classes: int) -> Screening | None:
    """The screening of a list of so many classes; None for a short one."""
    return SCREENING if classes >= SCREENED_FROM else None


def images_needed(classes: int, rungs: Sequence[Rung], size: tuple[int, int], effort: ScanEffort) -> int:
    """How many triggered images go through the rungs of one search of images of (height, width) px."""
    screening = screening_for(classes)
    each = effort.patterns.steps * effort.patterns.images
    first, going_on = 0, classes
    if screening is not None:
        first, going_on = classes * screening.steps * screening.images, screening.keep + screening.baseline
    return sum(
        len(rung.kind.all(size)) * effort.patterns.images
        if isinstance(rung.kind, Listed)
        else first + going_on * each
        for rung in rungs
    )
