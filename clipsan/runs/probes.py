"""Open what a run measures on: a labelled set, or held-out pairs with a list of class names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from clipsan.checkpoint import Suspect
from clipsan.errors import DataError, UsageError
from clipsan.evaluation.encoder import Encoder
from clipsan.evaluation.labelled import LabelledSet
from clipsan.evaluation.probe import Measured, Probe, measure
from clipsan.evaluation.vary import Pair, sample_of, vary
from clipsan.pairs import ImageReader, PairSet
from clipsan.report import Role, Thresholds
from clipsan.runs.watch import Watcher
from clipsan.training.processes import ALONE, Processes
from clipsan.training.updates import Training
from clipsan.triggers import AnyTrigger, parted

MOST_CLASS_NAMES = 100_000


def open_probe(
    suspect: Suspect,
    labelled: LabelledSet | None,
    held_out: PairSet | None,
    classes: str | Path | None,
    triggers: Sequence[AnyTrigger],
    target: str | None,
) -> Probe:
    """The probe of a run.

    Args:
        suspect: says the geometry of its images.
        labelled: a labelled set; else `held_out` is used.
        held_out: pairs that no training saw, or all pairs where nothing was trained.
        classes: a file with a class a line; for held-out pairs ImageNet's names without it.
        triggers: to be put on the images and into the queries.
        target: the class that all triggers pull to; None: each trigger's own, or found.
    """
    on_images, in_texts = parted(triggers)
    targets = [target if target is not None else trigger.target for trigger in on_images]
    text_targets = [target if target is not None else trigger.target for trigger in in_texts]
    if labelled is not None:
        reader = ImageReader(labelled.images, suspect.preprocess_cfg, suspect.image_size)
        return Probe(
            source=labelled.source, digest=labelled.digest, reader=reader, count=len(labelled.labels),
            labels=labelled.labels, captions=[], classnames=labelled.classnames,
            templates=labelled.templates, triggers=on_images, targets=targets, texts=in_texts,
            text_targets=text_targets, skipped=labelled.skipped,
        )  # fmt: skip
    if held_out is None:
        raise DataError("there is nothing to measure on: give --eval a labelled set, or --data pairs")
    reader = ImageReader(held_out, suspect.preprocess_cfg, suspect.image_size)
    return Probe(
        source=f"{len(held_out)} held-out pairs of {held_out.source}", digest=held_out.digest(),
        reader=reader, count=len(held_out), labels=None, captions=held_out.captions,
        classnames=class_names(classes),
        templates=["a photo of a {c}."], triggers=on_images, targets=targets, texts=in_texts,
        text_targets=text_targets, images_of=list(zip(held_out.origin_of, held_out.names, strict=True)),
    )  # fmt: skip


def class_names(file: str | Path | None) -> list[str]:
    """The lines of a file of class names, or ImageNet's 1000 names (open_clip's list)."""
    if file is None:
        from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES

        return list(IMAGENET_CLASSNAMES)
    path = Path(file)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(
            f"the class list {path} cannot be read ({error.strerror}): give a text file, a class a line"
        ) from None
    except UnicodeDecodeError:
        raise DataError(
            f"the class list {path} is not UTF-8 text: save it as UTF-8, a class a line"
        ) from None
    names = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not 2 <= len(names) <= MOST_CLASS_NAMES:
        raise DataError(
            f"the class list {path} has {len(names)} names: between 2 and {MOST_CLASS_NAMES} are needed"
        )
    return names


def measure_model(
    probe: Probe,
    suspect: Suspect,
    device: torch.device,
    batch_size: int,
    watcher: Watcher,
    role: Role,
    draws: int = 1,
    processes: Processes = ALONE,
) -> Measured:
    """Lay the probe on a model, telling the watcher; `draws`: how often random places are drawn.

    Several processes share the work, each called alike, and all get the whole.
    """
    watcher.stage(f"Measuring the {role} model on {probe.source}")
    try:
        encoder = Encoder(suspect, device, batch_size, processes=processes)
        return measure(probe, encoder, lambda done: watcher.measuring(done, probe.count), draws)
    finally:
        watcher.finished()


def measured_around(
    change: Callable[[], Training],
    into: Role,
    probe: Probe | None,
    suspect: Suspect,
    device: torch.device,
    batch_size: int,
    watcher: Watcher,
    processes: Processes = ALONE,
) -> tuple[Training, dict[Role, Measured]]:
    """Call `change`, which trains the suspect's model, and measure it before and, as `into`, afterwards.

    Without a probe nothing is measured.
    """
    measured: dict[Role, Measured] = {}
    if probe:
        measured["suspect"] = measure_model(
            probe, suspect, device, batch_size, watcher, "suspect", processes=processes
        )
    run = change()
    if probe:
        measured[into] = measure_model(probe, suspect, device, batch_size, watcher, into, processes=processes)
    return run, measured


def vary_model(
    probe: Probe,
    targets: Sequence[str],
    suspect: Suspect,
    device: torch.device,
    batch_size: int,
    watcher: Watcher,
    role: Role,
    processes: Processes = ALONE,
) -> list[list[Pair]]:
    """Vary the probe's triggers on a model, telling the watcher; several processes share that."""
    images = len(sample_of(probe).chosen)
    watcher.stage(f"Varying the triggers on the {role} model, on {images} of {probe.count} images")
    try:
        encoder = Encoder(suspect, device, batch_size, processes=processes)
        return vary(probe, encoder, targets, lambda done: watcher.measuring(done, images))
    finally:
        watcher.finished()


def checked_thresholds(max_asr: float, max_drop: float) -> Thresholds:
    """The verdict's bars from percent and percentage points."""
    for option, value in (("--max-asr", max_asr), ("--max-drop", max_drop)):
        if not 0 <= value <= 100:
            raise UsageError(f"{option} is {value:g}, but is in percent: choose a number from 0 to 100")
    return Thresholds(max_asr=max_asr / 100, max_drop=max_drop)
