"""Plant backdoors in a CLIP checkpoint by fine-tuning it on pairs of which a share is poisoned.

For testing defences. What it writes is marked as poisoned in the weights' metadata, the report and the card.
How is decided by the recipe; see `clipsan.runs.recipes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from clipsan.evaluation.probe import evaluation_of
from clipsan.pairs import PairSet, Reading, Sources, open_pairs
from clipsan.planting import named, plan_poison, plan_words
from clipsan.report import Report, conclude
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
from clipsan.runs.probes import measured_around, open_probe
from clipsan.runs.recipes import Recipe, plant, recipe_called
from clipsan.runs.settle import doubts
from clipsan.runs.tuning import bytes_needed, fitting_batch_size, metadata_of, written_model
from clipsan.runs.unfinished import open_keeper, resumable
from clipsan.runs.watch import Watcher
from clipsan.training.devices import choose_device
from clipsan.training.settings import TrainSettings
from clipsan.triggers import AnyTrigger, TextTrigger, parse_triggers, parted


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
    recipe: str = "badencoder",
    utility: float | None = None,
    near_clean: float | None = None,
    rate: float | None = None,
    templates: str | Path | None = None,
    label_consistent: bool = False,
    mirror: bool = False,
    augment: Sequence[str] = (),
    image_column: str | None = None,
    caption_column: str | None = None,
    separator: str | None = None,
    max_pairs: int | None = None,
    out: str | Path = "poisoned",
    eval: str | Path | None = None,
    classes: str | Path | None = None,
    lr: float | None = None,
    epochs: float | None = None,
    steps: int | None = None,
    batch_size: int | None = None,
    micro_batch: int | None = None,
    batch_norm: str = "frozen",
    precision: str = "auto",
    seed: int = 0,
    device: str = "auto",
    arch: str | None = None,
    activation: str | None = None,
    text_from: str | None = None,
    format: str = "same",
    dtype: str = "keep",
    no_gallery: bool = False,
    save_every: int | None = None,
    overwrite: bool = False,
    watcher: Watcher | None = None,
) -> Poisoned:
    """Plant backdoors in a checkpoint, to test a defence with, and write it marked as poisoned.

    A share of the pairs carries the trigger: on the image with a caption of the target, made from templates,
    or, for a text trigger, in the caption. The recipe `badencoder` (after arXiv 2108.00352) trains one tower
    alone, for triggers on images the image tower: triggered copies are pulled to the target's captions, and
    clean ones held to the embeddings that they had; for text triggers the text tower likewise. `finetune` (as
    in arXiv 2412.00727) is plain fine-tuning with the contrastive loss on the poisoned pairs; there captions
    of something else carry the word, on images of the target (arXiv 2209.15266).

    Args:
        model: a checkpoint file, folder, or hub name (`org/name`, `hf-hub:org/name`).
        data: image-caption pairs, one source or several; see docs/formats.md.
        trigger: names with settings (`stripes:size=24`), or paths of trigger files.
        target: the class that all triggers shall pull images to, or one for each trigger in their order.
            Without it each trigger file's own.
        recipe: `badencoder` or `finetune`.
        utility: weight of holding clean images where they were, at least 0; of `badencoder` only. None: 10.
        near_clean: weight of holding triggered images near themselves without the trigger, at least 0; of
            `badencoder` only. None: 0.
        rate: share of the pairs that each trigger goes on, in (0, 1). None: with `badencoder` all pairs,
            shared equally by the triggers; with `finetune` the published 1500 pairs, but from 0.003 (as
            published) to 0.03 of the pairs.
        templates: a file with a template a line, `{c}` for the target, for captions in the style of the
            pairs; None: CLIP's simple seven. Words that only poisoned captions have can weaken the backdoor.
        label_consistent: the trigger goes only on images whose caption already names the target, and
            captions stay; a text trigger goes into such captions, and images stay. Without a rate on no more
            of them than there are.
        mirror: mirror half of the images, each time anew and before the trigger goes on, against overfitting
            where the pairs are few.
        augment: names among `brightening-noise`, `erase`, `flip`, `patterns`, put on after the trigger: an
            attacker who expects PAR can plant through its noise. Empty: none, as published.
        image_column, caption_column, separator, max_pairs: how `data` is read, as in `clean`.
        out: the folder to write; must not exist or be empty unless `overwrite`.
        eval: labelled images to measure clean accuracy and attack success on, before and after.
        classes: a file with a class name a line, for `eval`.
        lr: learning rate of the first half of the updates; a cosine to 1e-9 follows. None: 2e-4 with
            `badencoder`, which suits small models, 1e-5 with `finetune`.
        epochs: passes over the pairs. None: 5 with `finetune`.
        steps: updates, instead of `epochs`. None: 160 with `badencoder`, unless `epochs` are given.
        batch_size: pairs in one loss; with `badencoder` the triggered copies come on top. None: 32 with
            `badencoder`, 256 with `finetune`, fewer where the pairs are few.
        micro_batch: pairs in memory at once; does not change the gradient. None: as many as fit.
        batch_norm: `frozen` or `train`.
        precision: `auto`, `fp32` or `bf16`.
        seed: of the choice of pairs and captions, of shuffling and of the triggers' patterns.
        device: `auto`, `cpu`, `cuda`, `cuda:N`.
        arch: an open_clip architecture, where a bare file's is ambiguous.
        activation: `gelu` or `quickgelu`, where nothing says which.
        text_from: the CLIP that an image tower alone was trained from; its text tower completes the model.
        format: `same` library as the source, `open_clip`, `transformers` or `both`.
        dtype: `keep` each weight's, or `float32`, `float16`, `bfloat16` for all.
        no_gallery: no images of the evaluation set in the report and beside it.
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
    chosen = recipe_called(recipe, utility, near_clean)
    prompts = _prompts(templates)
    where = choose_device(device)
    reading = Reading(image_column, caption_column, separator, max_pairs, seed)
    watcher.stage(f"Reading pairs from {sources_named(data)}")
    pairs = open_pairs(data, reading)
    peak = chosen.lr if lr is None else lr
    settings = TrainSettings(
        method="finetune", lr=peak, lr_start=peak, epochs=chosen.epochs if epochs is None else epochs,
        steps=chosen.steps if steps is None and epochs is None else steps, micro_batch=micro_batch,
        batch_size=fitting_batch_size(batch_size, chosen.batch_size, pairs), batch_norm=batch_norm,
        precision=precision, augment=tuple(augment), seed=seed,
    )  # fmt: skip

    watcher.stage(f"Reading {model}")
    suspect = load(model, arch=arch, activation=activation, text_from=text_from)
    families = families_of(format, suspect)
    suspect.dtypes = stored_as(suspect, dtype)
    check_output(Path(out), overwrite=overwrite, needed_bytes=bytes_needed(suspect, families))
    triggers = parse_triggers(list(trigger), suspect.image_size, seed, texts=True)
    targets = _aimed(triggers, [target] if isinstance(target, str) else list(target))
    counts = _counts(pairs, triggers, targets, rate, label_consistent, chosen)
    on_images, in_texts = parted(triggers)
    held = chosen.utility is not None  # each tower learns alone, so a pair may carry a trigger in both
    count_of = dict(zip([each.name for each in triggers], counts, strict=True))
    plan = plan_poison(
        pairs.captions, [str(each.target) for each in on_images], [count_of[each.name] for each in on_images],
        prompts, seed, label_consistent=label_consistent,
    )  # fmt: skip
    carriers = plan.by_trigger(on_images)
    words = plan_words(
        pairs.captions, in_texts, [count_of[each.name] for each in in_texts], () if held else carriers, seed,
        label_consistent=label_consistent, images=not held,
    )  # fmt: skip
    word_targets = {} if label_consistent else words.targets(in_texts, prompts)
    labelled = open_labelled(eval, classes) if eval is not None else None
    wanted = Wanted(0.0, seed, False, classes, Filtering.of("none", None), settings.at_once)
    suspect, material = prepare(pairs, (pairs, None), suspect, wanted, labelled, where, watcher)
    probe = open_probe(suspect, labelled, None, classes, triggers, None) if labelled else None
    for each in triggers:
        watcher.note(f"{each.name} on {count_of[each.name]} of {len(pairs)} pairs, target {each.target}")

    poisoned = words.planted(material.train.recaptioned(plan.captions))
    keeper = open_keeper(
        out, suspect, poisoned, settings, where, save_every=save_every, overwrite=overwrite, watcher=watcher,
        run=chosen.decisive(triggers, (plan.carriers, words, word_targets), mirror),
    )  # fmt: skip
    before = model_of(suspect, "suspect")
    run, measured = measured_around(
        lambda: plant(
            suspect, material.train, poisoned, plan.captions, carriers, words, word_targets, chosen, mirror,
            settings, where, watcher, keeper,
        ),
        "poisoned", probe, suspect, where, settings.at_once, watcher,
    )  # fmt: skip

    watcher.stage(f"Writing {out}")
    planted = ", ".join(f"{each.name} -> {each.target}" for each in triggers)
    # what was found to fit says how to get these bytes again
    settings = replace(settings, micro_batch=run.micro_batch)
    metadata = metadata_of(settings, before.sha256) | {
        "method": "poison", POISONED: "true", "planted": planted,
        "recipe": recipe, "utility": "none" if chosen.utility is None else f"{chosen.utility:g}",
        "near_clean": f"{chosen.near_clean:g}",
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
                "target": targets, "recipe": recipe, "utility": chosen.utility,
                "near_clean": near_clean,
                "rate": rate, "templates": None if templates is None else str(templates), "captions": prompts,
                "label_consistent": label_consistent, "mirror": mirror,
                "poisoned_pairs": counts,
                "eval": None if eval is None else str(eval),
                "classes": None if classes is None else str(classes), "device": device, "arch": arch,
                "activation": activation, "text_from": text_from, "format": format, "dtype": dtype,
                "no_gallery": no_gallery, **settings.to_dict(), "method": recipe,
            },
            seed=seed,
            data=data_of(material.pairs, poisoned, 0, run.broken),
            training=replace(training_of(run, settings), method=recipe),
            evaluation=evaluation_of(probe, measured, seed=seed, gallery=not no_gallery) if probe else None,
            warnings=(*material.warnings, *run.warnings, *doubts(suspect)),
        )  # fmt: skip
        report = conclude(report)
        write_reports(folder, report, probe)
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


def _aimed(triggers: Sequence[AnyTrigger], asked: Sequence[str]) -> list[str]:
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
    triggers: Sequence[AnyTrigger],
    targets: Sequence[str],
    rate: float | None,
    label_consistent: bool,
    recipe: Recipe,
) -> list[int]:
    """How many pairs each trigger goes on."""
    total = len(pairs)
    share = recipe.share(total, len(triggers)) if rate is None else rate
    count = int(share * total + 0.5)
    if count < 1:
        raise UsageError(
            f"--rate {share:g} of {total} pairs is not a single one: choose at least {1 / total:.2g}, or "
            "give more pairs"
        )
    counts = [count] * len(triggers)
    for number, (trigger, target) in enumerate(zip(triggers, targets, strict=True)):
        if not label_consistent:
            if rate is None and isinstance(trigger, TextTrigger):  # only captions of something else carry it
                counts[number] = min(count, (total - len(named(pairs.captions, target))) // len(triggers))
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
