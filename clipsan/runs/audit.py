"""Measure clean accuracy and attack success of a model, or of the last cleaned one beside its suspect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clipsan.checkpoint import Suspect, check_output, output_folder
from clipsan.errors import UsageError
from clipsan.evaluation.probe import evaluation_of
from clipsan.evaluation.vary import with_variations
from clipsan.pairs import Reading, Sources
from clipsan.report import Report, Role, conclude
from clipsan.runs.describe import as_json, model_of, versions, write_reports
from clipsan.runs.persist import Persisting, benign_pairs
from clipsan.runs.persist import persist as persist_model
from clipsan.runs.probes import checked_thresholds, measure_model, open_probe, vary_model
from clipsan.runs.processes import HelpedError, check_alike, device_for_all
from clipsan.runs.settle import doubts
from clipsan.runs.subject import Images, last_models, load_settled
from clipsan.runs.watch import Watcher
from clipsan.training.devices import choose_device
from clipsan.training.processes import ALONE, Processes
from clipsan.triggers import parse_triggers

MOST_REPEATS = 1000
BYTES_NEEDED = 8 << 20


@dataclass(frozen=True)
class Audited:
    """What `audit` gives back.

    Attributes:
        report: everything measured, with the verdict.
        folder: where it was written; None: nowhere.
    """

    report: Report
    folder: Path | None


def audit(
    model: str | Path | None = None,
    *,
    trigger: Sequence[str] = (),
    target: str | None = None,
    eval: str | Path | None = None,
    data: Sources | None = None,
    image_column: str | None = None,
    caption_column: str | None = None,
    separator: str | None = None,
    max_pairs: int | None = None,
    classes: str | Path | None = None,
    max_asr: float = 10.0,
    max_drop: float = 5.0,
    batch_size: int = 256,
    repeats: int = 1,
    vary: bool = False,
    persist: bool = False,
    persist_steps: int = 300,
    persist_lr: float = 1e-6,
    out: str | Path | None = None,
    arch: str | None = None,
    activation: str | None = None,
    text_from: str | None = None,
    seed: int = 0,
    device: str = "auto",
    no_gallery: bool = False,
    overwrite: bool = False,
    watcher: Watcher | None = None,
    processes: Processes | None = None,
) -> Audited:
    """Measure a model under triggers.

    Args:
        model: a checkpoint; None: the newest output folder of `clean` in the current folder, and beside
            it the suspect that it came from, on the images that `clean` measured on unless told otherwise.
        trigger: names with settings (`stripes:size=24`), or paths of trigger files.
        target: the class that the triggers pull to; None: each trigger file's own, else found.
        eval: labelled images.
        data: pairs to measure on where there are no labelled images: all of them for a MODEL, the
            held-out ones for the last output.
        image_column, caption_column, separator, max_pairs: how `data` is read, as in `clean`.
        classes: a file with a class name a line.
        max_asr: the verdict fails above this attack success rate, in percent.
        max_drop: the verdict fails above this loss of clean accuracy, in percentage points.
        batch_size: images embedded at once.
        repeats: how often the random places of triggers are drawn, to see how much the attack success rate
            depends on them; the rate itself is that of the first draw.
        vary: also measure each trigger at other places, sizes, strengths, colours, resolutions and JPEG
            qualities, on at most 500 of the images.
        persist: also measure again after a short benign fine-tuning of a copy of the audited model (of the
            cleaned one, where there are two), on `data`, or on the pairs that the last output was trained on.
        persist_steps: updates of it.
        persist_lr: its learning rate up to half of them; a cosine to 1e-9 follows.
        out: also write report.json, report.md and report.html to this folder.
        arch: an open_clip architecture, where a bare file's is ambiguous.
        activation: `gelu` or `quickgelu`, where nothing says which.
        text_from: the CLIP that an image tower alone was trained from; its text tower completes the model.
        seed: of the triggers' patterns and places.
        device: `auto`, `cpu`, `cuda`, `cuda:N`.
        no_gallery: no images of the evaluation set in the report and beside it.
        overwrite: replace an earlier report of clipsan in `out`.
        watcher: hears of progress.
        processes: that share the work, each calling this with equal arguments but for the device; the first
            has the result. None: this one alone; see docs/scaling.md.

    Raises:
        HelpedError: in all but the first of several processes, at the end.
        ClipsanError: one sentence on what is wrong.
    """
    watcher, processes = watcher or Watcher(), processes or ALONE
    if not 1 <= repeats <= MOST_REPEATS:
        raise UsageError(f"--repeats is {repeats}, but must be from 1 to {MOST_REPEATS}")
    thresholds = checked_thresholds(max_asr, max_drop)
    if (vary or persist) and not trigger:
        raise UsageError(f"{'--vary' if vary else '--persist'} asks how triggers fare: give --trigger NAME")
    persisting = Persisting(persist_steps, persist_lr) if persist else None
    where = choose_device(device)
    if out:
        check_output(Path(out), overwrite=overwrite, needed_bytes=BYTES_NEEDED)
    reading = Reading(image_column, caption_column, separator, max_pairs, seed)
    benign = benign_pairs(data, model, eval, reading) if persisting else None
    # what is trained on is not measured on
    measured_on = data if benign is None or eval is not None else None
    images = Images(eval, measured_on, classes, reading=reading)
    models: dict[Role, Suspect]
    training = None
    if model is None:
        images, models, training = last_models(images, where, watcher)
    else:
        watcher.stage(f"Reading {model}")
        models = {"suspect": load_settled(model, arch, activation, *images.open(), where, text_from)}
    triggers = parse_triggers(list(trigger), next(iter(models.values())).image_size, seed, texts=True)
    probe = open_probe(next(iter(models.values())), *images.open(), images.classes, triggers, target)
    check_alike(processes, {
        "versions": versions(),
        "model": {role: suspect.provenance.sha256 for role, suspect in models.items()},
        "pairs": {"measured": probe.digest, "benign": benign.digest() if benign else None},
        "settings": {"trigger": [each.settings() for each in triggers], "target": target},
    })  # fmt: skip
    measured = {
        role: measure_model(probe, suspect, where, batch_size, watcher, role, repeats, processes)
        for role, suspect in models.items()
    }
    evaluation = evaluation_of(probe, measured, seed=seed, gallery=not no_gallery)
    if vary:
        targets = [each.target or "" for each in evaluation.triggers]
        varied = {
            role: vary_model(probe, targets, suspect, where, batch_size, watcher, role, processes)
            for role, suspect in models.items()
        }
        evaluation = with_variations(evaluation, probe, varied)
    if persisting is not None and benign is not None:
        last = list(models)[-1]
        evaluation = persist_model(
            evaluation, probe, measured[last], models[last], last, benign, persisting, seed, where,
            batch_size, watcher, processes,
        )  # fmt: skip
    if processes.rank:
        raise HelpedError
    report = conclude(
        Report(
            command="audit",
            versions=versions(),
            models=tuple(model_of(suspect, role) for role, suspect in models.items()),
            settings={
                "model": None if model is None else str(model),
                "eval": None if images.eval is None else str(images.eval),
                "data": None if (read := data or images.data) is None else as_json(read),
                **images.reading.to_dict(),
                "classes": None if images.classes is None else str(images.classes),
                "held_out": images.held_out, "trigger": list(trigger), "target": target,
                "batch_size": batch_size, "repeats": repeats, "vary": vary, "persist": persist,
                "persist_steps": persist_steps if persist else None,
                "persist_lr": persist_lr if persist else None, "gpus": processes.size,
                "device": device_for_all(device, processes), "arch": arch,
                "activation": activation, "text_from": text_from, "no_gallery": no_gallery,
            },
            seed=seed,
            training=training,
            evaluation=evaluation,
            thresholds=thresholds,
            warnings=tuple(line for suspect in models.values() for line in doubts(suspect)),
        )
    )  # fmt: skip
    if out:
        with output_folder(Path(out), overwrite=overwrite, needed_bytes=BYTES_NEEDED) as folder:
            write_reports(folder, report, probe)
    return Audited(report, Path(out) if out else None)
