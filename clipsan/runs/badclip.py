"""Optimise a trigger against a model, to test a defence with, and save it as a trigger file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from clipsan.checkpoint import output_folder
from clipsan.errors import DataError, UsageError
from clipsan.evaluation.encoder import Encoder
from clipsan.evaluation.labelled import DEFAULT_TEMPLATES
from clipsan.inversion.badclip import EFFORT, BadClipPatch, optimise_badclip
from clipsan.inversion.invert import FEWEST_IMAGES
from clipsan.pairs import ImageReader, PairSet, Reading, Sources, open_pairs
from clipsan.planting import named
from clipsan.runs.subject import load_settled
from clipsan.runs.watch import Counter, Watcher
from clipsan.training.devices import choose_device
from clipsan.triggers import write_trigger_file

OPTIMISED = ("badclip",)
MOST_IMAGES = 1536
MOST_TARGET_IMAGES = 256
MOST_CAPTIONS = 512


@dataclass(frozen=True)
class OptimisedTrigger:
    """What `optimise_trigger` gives back.

    Attributes:
        file: the trigger file.
        patch: the trigger and what it does to the model it was optimised against.
        images: how many were optimised and measured on.
        target_images: how many of the target it was pulled to.
    """

    file: Path
    patch: BadClipPatch
    images: int
    target_images: int

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "file": str(self.file),
            "target": self.patch.trigger.target,
            "settings": self.patch.trigger.settings(),
            "images": self.images,
            "target_images": self.target_images,
            "nearer": self.patch.nearer.to_dict(),
            "before": self.patch.before.to_dict(),
            "similarity": self.patch.similarity,
            "similarity_before": self.patch.similarity_before,
        }

    def lines(self) -> list[str]:
        """What was made, in sentences."""
        patch = self.patch
        rate, before = (100 * (each.rate or 0.0) for each in (patch.nearer, patch.before))
        return [
            f"Nearest to the caption of {patch.trigger.target}: {rate:.1f} % of {patch.nearer.n} held-out "
            f"images with the patch, {before:.1f} % without it",
            f"Mean similarity to it: {patch.similarity:.3f} with the patch, {patch.similarity_before:.3f} "
            "without it",
        ]


def optimise_trigger(
    kind: str,
    model: str | Path | None,
    target: str | None,
    data: Sources | None,
    *,
    out: str | Path | None = None,
    image_column: str | None = None,
    caption_column: str | None = None,
    separator: str | None = None,
    max_pairs: int | None = None,
    steps: int | None = None,
    arch: str | None = None,
    activation: str | None = None,
    text_from: str | None = None,
    seed: int = 0,
    device: str = "auto",
    watcher: Watcher | None = None,
) -> OptimisedTrigger:
    """Optimise a trigger against a model and save it as a trigger file for `audit` and `poison`.

    Args:
        kind: `badclip`.
        model: the checkpoint that shall be poisoned with it.
        target: the class to pull images to; some captions must name it.
        data: image-caption pairs.
        out: folder of the trigger file, which must not exist or be empty; None: `badclip`.
        image_column, caption_column, separator, max_pairs: how `data` is read, as in `clean`.
        steps: of the optimiser; None: 300.
        arch, activation, text_from: of the checkpoint, as in `clean`.
        seed: of everything drawn.
        device: `auto`, `cpu`, `cuda`, `cuda:N`.
        watcher: hears of progress.

    Raises:
        ClipsanError: one sentence on what is wrong; nothing was written.
    """
    watcher = watcher or Watcher()
    if kind not in OPTIMISED:
        raise UsageError(f"--optimise is {kind!r}, but must be {' or '.join(OPTIMISED)}")
    if model is None or target is None or data is None:
        raise UsageError("--optimise needs a --model, a --target and the pairs of --data")
    steps = EFFORT.steps if steps is None else steps
    if steps < 1:
        raise UsageError(f"--steps is {steps}, but must be 1 or more")
    where = choose_device(device)
    place = Path(kind if out is None else out)
    with output_folder(place, needed_bytes=1 << 20) as folder:
        watcher.stage(f"Reading {model} and its pairs")
        reading = Reading(image_column, caption_column, separator, max_pairs, seed)
        pairs = open_pairs(data, reading)
        suspect = load_settled(model, arch, activation, None, pairs, where, text_from)
        of_target, others = _parted(pairs, target, seed)
        reader = ImageReader(pairs, suspect.preprocess_cfg, suspect.image_size, keep="none")
        wanted, _ = reader.batch(of_target)
        images, kept = reader.batch(others)
        if not len(wanted) or len(images) < FEWEST_IMAGES:
            raise DataError(
                f"only {len(wanted)} images of {target!r} and {len(images)} others can be decoded: "
                "give more pairs"
            )
        encoder = Encoder(suspect, where)
        caption = encoder.classifier([target], DEFAULT_TEMPLATES)[0].cpu()
        captions = encoder.texts(list(dict.fromkeys(pairs.captions[i] for i in kept))[:MOST_CAPTIONS])
        watcher.stage(f"Optimising a patch towards {target}")
        counter = Counter(watcher, steps * EFFORT.images)
        patch = optimise_badclip(
            suspect, target, images, wanted, caption, captions,
            effort=replace(EFFORT, steps=steps), device=where, seed=seed, on_images=counter,
        )  # fmt: skip
        watcher.finished()
        file = write_trigger_file(folder, [patch.trigger])
    return OptimisedTrigger(place / file.name, patch, len(images), len(wanted))


def _parted(pairs: PairSet, target: str, seed: int) -> tuple[list[int], list[int]]:
    """Pairs whose caption names the target, and others, as many of each as are used, drawn by the seed."""
    naming = set(named(pairs.captions, target))
    order = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(seed)).tolist()
    of_target = [index for index in order if index in naming][:MOST_TARGET_IMAGES]
    others = [index for index in order if index not in naming][:MOST_IMAGES]
    if not of_target:
        raise DataError(
            f"no caption of {pairs.source} names {target!r}: badclip pulls patched images to real images of "
            "the target, so choose a --target that is among the pairs"
        )
    return of_target, others
