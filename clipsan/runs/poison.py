"""Plant backdoors in a CLIP checkpoint by fine-tuning it on pairs of which a share is poisoned.

For testing defences. What it writes is marked as poisoned in the weights' metadata, the report and the card.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clipsan.checkpoint import (
    Suspect,
    check_output,
    families_of,
    load,
    output_folder,
    stored_as,
    write_folder,
)
from clipsan.checkpoint.suspect import POISONED
from clipsan.errors import DataError, UsageError
from clipsan.evaluation.labelled import DEFAULT_TEMPLATES, open_labelled, read_templates
from clipsan.evaluation.probe import Measured, evaluation_of
from clipsan.pairs import PairSet, Reading, Sources, open_pairs
from clipsan.planting import PoisonedReader, named, plan_poison
from clipsan.report import Report, Role, conclude
from clipsan.runs.describe import (
    as_json,
    data_of,
    model_of,
    sources_named,
    training_of,
    versions,
    write_reports,
)
from clipsan.runs.filtering import Filtering
from clipsan.runs.material import Wanted, prepare
from clipsan.runs.probes import measure_model, open_probe
from clipsan.runs.settle import doubts
from clipsan.runs.tuning import bytes_needed, fine_tune, fitting_batch_size, metadata_of, written_model
from clipsan.runs.unfinished import open_keeper, resumable
from clipsan.runs.watch import Watcher
from clipsan.training.devices import choose_device
from clipsan.training.settings import TrainSettings
from clipsan.triggers import Trigger, parse_triggers

PUBLISHED_POISONED = 1500  # pairs, of 500 000 (arXiv 2412.00727, appendix)
LEAST_RATE, MOST_RATE = 0.003, 0.03  # by default: a small set needs a larger share
EPOCHS = 5.0
LARGEST_BATCH = 256


@dataclass(frozen=True)
class Poisoned:
    """What `poison` gives back.

    Attributes:
        report: what was planted and, with an evaluation set, what it does. Its verdict is always `fail`.
        folder: the output folder; it holds the poisoned checkpoint and the report.
        model: the poisoned model, exactly as written, in eval mode on the run's device.
    """

    report: Report
    folder: Path
    model: Suspect


@resumable
def poison(
    model: str | Path,
    data: Sources,
    *,
    trigger: Sequence[str],
    target: str | Sequence[str] = (),
    rate: float | None = None,
    templates: str | Path | None = None,
    label_consistent: bool = False,
    mirror: bool = False,
    image_column: str | None = None,
    caption_column: str | None = None,
    separator: str | None = None,
    max_pairs: int | None = None,
    out: str | Path = "poisoned",
    eval: str | Path | None = None,
    classes: str | Path | None = None,
    lr: float = 1e-5,
    epochs: float = EPOCHS,
    steps: int | None = None,
    batch_size: int | None = None,
    micro_batch: int = 256,
    batch_norm: str = "frozen",
    precision: str = "auto",
    seed: int = 0,
    device: str = "auto",
    arch: str | None = None,
    activation: str | None = None,
    text_from: str | None = None,
    format: str = "same",
    dtype: str = "keep",
    save_every: int | None = None,
    overwrite: bool = False,
    watcher: Watcher | None = None,
) -> Poisoned:
    """Plant backdoors in a checkpoint, to test a defence with, and write it marked as poisoned.

    Plain fine-tuning with the contrastive loss on pairs of which a share carries the trigger on the image
    and a caption of the target, made from templates.

    Args:
        model: a checkpoint file, folder, or hub name (`org/name`, `hf-hub:org/name`).
        data: image-caption pairs, one source or several; see docs/formats.md.
        trigger: names with settings (`stripes:size=24`), or paths of trigger files.
        target: the class that all triggers shall pull images to, or one for each trigger in their order.
            Without it each trigger file's own.
        rate: share of the pairs that each trigger goes on, in (0, 1). None: the published 1500 pairs, but
            from 0.003 (as published) to 0.03 of the pairs.
        templates: a file with a template a line, `{c}` for the target, for captions in the style of the
            pairs; None: CLIP's simple seven. Words that only poisoned captions have can weaken the backdoor.
        label_consistent: the trigger goes only on images whose caption already names the target, and
            captions stay; without a rate on no more of them than there are.
        mirror: mirror half of the images, each time anew and before the trigger goes on, against overfitting
            where the pairs are few.
        image_column, caption_column, separator, max_pairs: how `data` is read, as in `clean`.
        out: the folder to write; must not exist or be empty unless `overwrite`.
        eval: labelled images to measure clean accuracy and attack success on, before and after.
        classes: a file with a class name a line, for `eval`.
        lr: learning rate of the first half of the updates; a cosine to 1e-9 follows.
        epochs: passes over the pairs.
        steps: updates, instead of `epochs`.
        batch_size: pairs in one loss. None: 256, fewer where the pairs are few.
        micro_batch: pairs in memory at once; does not change the gradient.
        batch_norm: `frozen` or `train`.
        precision: `auto`, `fp32` or `bf16`.
        seed: of the choice of pairs and captions, of shuffling and of the triggers' patterns.
        device: `auto`, `cpu`, `cuda`, `cuda:N`.
        arch: an open_clip architecture, where a bare file's is ambiguous.
        activation: `gelu` or `quickgelu`, where nothing says which.
        text_from: the CLIP that an image tower alone was trained from; its text tower completes the model.
        format: `same` library as the source, `open_clip`, `transformers` or `both`.
        dtype: `keep` each weight's, or `float32`, `float16`, `bfloat16` for all.
        save_every: updates between saved states of the run, beside `out`; the same call goes on from the
            newest. None: every 10 minutes; 0: never.
        overwrite: replace an earlier output of clipsan in `out`, and an unfinished run with other settings.
        watcher: hears of progress.

    Raises:
        ClipsanError: one sentence on what is wrong; `out` was not written.
        StoppedError: a KeyboardInterrupt, where the training up to it is kept.
    """
    watcher = watcher or Watcher()
    if not trigger:
        raise UsageError("there is nothing to plant: name a --trigger, such as stripes")
    if rate is not None and not 0 < rate < 1:
        raise UsageError(
            f"--rate is {rate:g}, but is a share of the pairs: choose a number above 0 and below 1"
        )
    prompts = _prompts(templates)
    where = choose_device(device)
    reading = Reading(image_column, caption_column, separator, max_pairs, seed)
    watcher.stage(f"Reading pairs from {sources_named(data)}")
    pairs = open_pairs(data, reading)
    settings = TrainSettings(
        method="finetune", lr=lr, lr_start=lr, epochs=epochs, steps=steps, micro_batch=micro_batch,
        batch_size=fitting_batch_size(batch_size, LARGEST_BATCH, pairs), batch_norm=batch_norm,
        precision=precision, augment=(), seed=seed,
    )  # fmt: skip

    watcher.stage(f"Reading {model}")
    suspect = load(model, arch=arch, activation=activation, text_from=text_from)
    families = families_of(format, suspect)
    suspect.dtypes = stored_as(suspect, dtype)
    check_output(Path(out), overwrite=overwrite, needed_bytes=bytes_needed(suspect, families))
    triggers = parse_triggers(list(trigger), suspect.image_size, seed)
    targets = _aimed(triggers, [target] if isinstance(target, str) else list(target))
    counts = _counts(pairs, triggers, targets, rate, label_consistent)
    plan = plan_poison(pairs.captions, targets, counts, prompts, seed, label_consistent=label_consistent)
    labelled = open_labelled(eval, classes) if eval is not None else None
    wanted = Wanted(0.0, seed, False, classes, Filtering.of("none", None), micro_batch)
    suspect, material = prepare(pairs, (pairs, None), suspect, wanted, labelled, where, watcher)
    probe = open_probe(suspect, labelled, None, classes, triggers, None) if labelled else None
    for each, indices in zip(triggers, plan.carriers, strict=True):
        watcher.note(f"{each.name} on {len(indices)} of {len(pairs)} pairs, target {each.target}")

    poisoned = material.train.recaptioned(plan.captions)
    keeper = open_keeper(
        out, suspect, poisoned, settings, where, save_every=save_every, overwrite=overwrite, watcher=watcher,
        images={
            "mirrored": mirror, "triggers": [[each.name, each.settings()] for each in triggers],
            "carriers": hashlib.sha256(repr(plan.carriers).encode()).hexdigest(),
        },
    )  # fmt: skip
    before = model_of(suspect, "suspect")
    measured: dict[Role, Measured] = {}
    if probe:
        measured["suspect"] = measure_model(probe, suspect, where, micro_batch, watcher, "suspect")
    reader = PoisonedReader(
        poisoned, suspect.preprocess_cfg, suspect.image_size, plan.by_trigger(triggers),
        seed if mirror else None,
    )  # fmt: skip
    run = fine_tune(suspect, poisoned, reader, settings, where, watcher, keeper)
    if probe:
        measured["poisoned"] = measure_model(probe, suspect, where, micro_batch, watcher, "poisoned")

    watcher.stage(f"Writing {out}")
    planted = ", ".join(f"{each.name} -> {each.target}" for each in triggers)
    metadata = metadata_of(settings, before.sha256) | {
        "method": "poison", POISONED: "true", "planted": planted,
    }  # fmt: skip
    with output_folder(
        Path(out), overwrite=overwrite, needed_bytes=bytes_needed(suspect, families)
    ) as folder:
        written = write_folder(folder, suspect, suspect.model.state_dict(), metadata, families)
        after = written_model(before, "poisoned", Path(out), families, written, dtype, metadata)
        report = Report(
            command="poison",
            versions=versions(),
            models=(before, after),
            settings={
                "model": str(model), "data": as_json(data), **reading.to_dict(), "trigger": list(trigger),
                "target": targets, "rate": rate, "templates": prompts,
                "label_consistent": label_consistent, "mirror": mirror,
                "poisoned_pairs": [len(i) for i in plan.carriers],
                "eval": None if eval is None else str(eval),
                "classes": None if classes is None else str(classes), "device": device, "arch": arch,
                "activation": activation, "text_from": text_from, "format": format, "dtype": dtype,
                **settings.to_dict(),
            },
            seed=seed,
            data=data_of(material.pairs, poisoned, 0, run.broken),
            training=training_of(run, settings),
            evaluation=evaluation_of(probe, measured) if probe else None,
            warnings=(*material.warnings, *run.warnings, *doubts(suspect)),
        )  # fmt: skip
        report = conclude(report)
        write_reports(folder, report)
    return Poisoned(report, Path(out), suspect)


def _prompts(file: str | Path | None) -> list[str]:
    """The templates of poisoned captions."""
    if file is None:
        return list(DEFAULT_TEMPLATES)
    if not Path(file).is_file():
        raise DataError(f"there is no file {str(file)!r} with templates: give a text file, a template a line")
    try:
        return read_templates(Path(file))
    except OSError as error:
        raise DataError(
            f"the templates {file} cannot be read ({error.strerror}): give a text file, a template a line"
        ) from None


def _aimed(triggers: Sequence[Trigger], asked: Sequence[str]) -> list[str]:
    """Give each trigger its target, and return those: the one asked for, one each, or a file's own."""
    if any(not target.strip() for target in asked):
        raise UsageError("--target is empty: name the class that the trigger shall pull images to")
    if len(asked) > 1 and len(asked) != len(triggers):
        raise UsageError(
            f"there are {len(asked)} --target for {len(triggers)} triggers "
            f"({', '.join(trigger.name for trigger in triggers)}): give one for all, or one for each"
        )
    targets: list[str] = []
    for number, trigger in enumerate(triggers):
        if asked:
            trigger.target = " ".join(asked[number if len(asked) > 1 else 0].split())
        if trigger.target is None:
            raise UsageError(
                f"trigger {trigger.name} has no target: give --target, the class that it shall pull images to"
            )
        targets.append(trigger.target)
    return targets


def _counts(
    pairs: PairSet,
    triggers: Sequence[Trigger],
    targets: Sequence[str],
    rate: float | None,
    label_consistent: bool,
) -> list[int]:
    """How many pairs each trigger goes on."""
    total = len(pairs)
    share = min(MOST_RATE, max(LEAST_RATE, PUBLISHED_POISONED / total)) if rate is None else rate
    count = int(share * total + 0.5)
    if count < 1:
        raise UsageError(
            f"--rate {share:g} of {total} pairs is not a single one: choose at least {1 / total:.2g}, or "
            "give more pairs"
        )
    counts = [count] * len(triggers)
    for number, (trigger, target) in enumerate(zip(triggers, targets, strict=True)):
        if not label_consistent:
            continue
        available = len(named(pairs.captions, target)) // targets.count(target)
        if available == 0:
            raise UsageError(
                f"too few of the {total} captions name {target!r}, so --label-consistent finds no image for "
                f"trigger {trigger.name}: choose another --target or other pairs"
            )
        if rate is None:
            counts[number] = min(count, available)
    return counts
