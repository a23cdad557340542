"""Run several methods on one suspect, with the same pairs, updates and seeds, and measure each."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from clipsan.checkpoint import Suspect, families_of, load, output_folder, stored_as, write_folder
from clipsan.errors import TrainingError
from clipsan.evaluation.labelled import open_labelled
from clipsan.evaluation.probe import Measured, Probe, evaluation_of
from clipsan.pairs import Reading, Sources, open_pairs
from clipsan.report import Evaluation, ReachedTau, Role
from clipsan.report.methods_compared import (
    COMPARE_JSON,
    Cell,
    CellTrigger,
    Measurement,
    MethodsCompared,
    summaries,
)
from clipsan.report.methods_tables import write_comparison
from clipsan.runs.clean import held_out_share
from clipsan.runs.comparison_folder import MODELS, continued, in_common, open_folder
from clipsan.runs.describe import model_of, sources_named, training_of, versions
from clipsan.runs.filtering import Filtering
from clipsan.runs.grid import Planned, in_order, key_of, plan
from clipsan.runs.material import Material, Wanted, parts, prepare
from clipsan.runs.probes import measure_model, open_probe
from clipsan.runs.tuning import bytes_needed, fine_tune, fitting_batch_size, metadata_of
from clipsan.runs.watch import Watcher
from clipsan.training.devices import choose_device
from clipsan.training.settings import PUBLISHED_AUGMENT, PUBLISHED_BATCH, PUBLISHED_UPDATES, TrainSettings
from clipsan.triggers import parse_triggers


@dataclass(frozen=True)
class Compared:
    """What `compare` gives back.

    Attributes:
        result: every cell, as in compare.json.
        folder: holds compare.json, compare.md, compare.html, and `models/` where they were kept.
        ran: cells that this call ran; the others were there.
    """

    result: MethodsCompared
    folder: Path
    ran: int


def compare(
    model: str | Path,
    data: Sources,
    *,
    methods: Sequence[str] = ("par", "cleanclip", "roclip", "finetune"),
    tau: Sequence[float] = (1.5, 2.15, 2.5),
    in_modal: Sequence[float] = (0.5, 1.0, 4.0),
    lr_start: Sequence[float] = (3e-5,),
    augment: Sequence[Sequence[str]] = (PUBLISHED_AUGMENT,),
    seeds: int = 1,
    image_column: str | None = None,
    caption_column: str | None = None,
    separator: str | None = None,
    max_pairs: int | None = None,
    out: str | Path = "comparison",
    keep: bool = False,
    eval: str | Path | None = None,
    classes: str | Path | None = None,
    trigger: Sequence[str] = (),
    target: str | None = None,
    held_out: float | None = None,
    epochs: float | None = None,
    steps: int | None = None,
    batch_size: int | None = None,
    micro_batch: int | None = None,
    batch_norm: str = "frozen",
    lock: str = "none",
    precision: str = "auto",
    arch: str | None = None,
    activation: str | None = None,
    text_from: str | None = None,
    seed: int = 0,
    device: str = "auto",
    overwrite: bool = False,
    watcher: Watcher | None = None,
) -> Compared:
    """Compare methods on one suspect; a cell is one method with one setting, learning rate, augmentation
    and seed.

    Interrupted or asked for more cells, the same call goes on: cells in `out` are not run again, and stay.

    Args:
        model: a checkpoint file, folder, or hub name.
        data: image-caption pairs; see docs/formats.md.
        methods: names of methods; see docs/methods.md.
        tau: PAR's thresholds to try.
        in_modal: CleanCLIP's weights to try.
        lr_start: learning rates of the first update to try, for every method; each falls to a tenth.
        augment: augmentations of the images to try, each a sequence of names as in `clean`, for every method.
        seeds: how many, from `seed` on.
        image_column, caption_column, separator, max_pairs: how `data` is read, as in `clean`.
        out: the folder to write, or to go on in.
        keep: also write each cell's model to `out`/models.
        eval, classes, trigger, target, held_out: what is measured, as in `clean`.
        epochs, steps, batch_size: the budget of every cell, as in `clean`.
        micro_batch, batch_norm, lock, precision: as in `clean`, for every cell.
        arch, activation, text_from: how the model is read, as in `clean`.
        seed: the first seed of training; the split and the triggers have this one in every cell.
        device: `auto`, `cpu`, `cuda`, `cuda:N`.
        overwrite: begin anew where `out` holds another comparison.
        watcher: hears of progress.

    Raises:
        ClipsanError: one sentence on what is wrong; finished cells stay.
    """
    watcher = watcher or Watcher()
    shared = TrainSettings(
        micro_batch=micro_batch, batch_norm=batch_norm, lock=lock, precision=precision,
        steps=steps, epochs=2.0 if epochs is None else epochs, seed=seed,
    )  # fmt: skip
    swept = {"tau": tau, "in_modal": in_modal}
    plan(shared, methods, swept, lr_start, augment, seeds)  # refuses before anything is read
    where = choose_device(device)
    folder = open_folder(Path(out), overwrite)
    reading = Reading(image_column, caption_column, separator, max_pairs, seed)
    watcher.stage(f"Reading pairs from {sources_named(data)}")
    pairs = open_pairs(data, reading)
    wanted = Wanted(
        held_out_share(held_out, eval), seed, False, classes, Filtering.of("none", None), shared.at_once
    )
    divided = parts(pairs, wanted)
    shared = replace(shared, batch_size=fitting_batch_size(batch_size, PUBLISHED_BATCH, divided[0]))
    if steps is None and epochs is None:
        shared = replace(shared, steps=max(PUBLISHED_UPDATES, shared.updates(len(divided[0]))))

    watcher.stage(f"Reading {model}")
    suspect = load(model, arch=arch, activation=activation, text_from=text_from)
    suspect.dtypes = stored_as(suspect, "keep")
    labelled = open_labelled(eval, classes) if eval is not None else None
    suspect, material = prepare(pairs, divided, suspect, wanted, labelled, where, watcher)
    triggers = parse_triggers(list(trigger), suspect.image_size, seed)
    probe = open_probe(suspect, labelled, material.held_out, classes, triggers, target)

    before = measure_model(probe, suspect, where, shared.at_once, watcher, "suspect")
    seen = evaluation_of(probe, {"suspect": before})
    result = MethodsCompared(
        versions=versions(),
        model=model_of(suspect, "suspect"),
        shared=in_common(shared, data, reading, material, seen),
        kind=seen.kind, source=seen.source, images=seen.images, chance=seen.chance,
        suspect=_measurement(seen, "suspect"), cells=(), summary=(),
    )  # fmt: skip
    if (folder / COMPARE_JSON).exists():
        result = continued(result, folder, overwrite)
    todo = [
        planned
        for planned in plan(shared, methods, swept, lr_start, augment, seeds)
        if planned.key not in {key_of(cell) for cell in result.cells}
    ]
    watcher.stage(f"{len(todo)} cells to run, {len(result.cells)} found in {out}")
    start = {key: value.detach().cpu().clone() for key, value in suspect.model.state_dict().items()}
    folder.mkdir(exist_ok=True)
    write_comparison(folder, result)
    for number, planned in enumerate(todo, 1):
        watcher.stage(f"Cell {number} of {len(todo)}: {planned.folder_name}")
        suspect.model.load_state_dict(start)
        cell = _run(planned, suspect, material, probe, before, where, folder if keep else None, watcher)
        cells = in_order([*result.cells, cell])
        result = replace(result, cells=cells, summary=summaries(cells))
        write_comparison(folder, result)
    return Compared(result, folder, len(todo))


def _run(
    planned: Planned,
    suspect: Suspect,
    material: Material,
    probe: Probe,
    before: Measured,
    device: torch.device,
    keep_in: Path | None,
    watcher: Watcher,
) -> Cell:
    """Fine-tune the suspect in place and measure it; a training that fails is a cell that failed."""
    settings = planned.settings
    options = {name: float(value) for name, value in planned.options.items()}
    cell = Cell(
        settings.method, options, settings.lr_start, settings.augment, settings.seed, None, None,
        ReachedTau(None, None), 0.0, None,
    )  # fmt: skip
    try:
        run = fine_tune(suspect, material.train, material.reader, settings, device, watcher)
    except TrainingError as error:
        watcher.warn(str(error))
        return replace(cell, failed=str(error))
    after = measure_model(probe, suspect, device, settings.at_once, watcher, "cleaned")
    seen = evaluation_of(probe, {"suspect": before, "cleaned": after})
    kept = None
    if keep_in is not None:
        kept = f"{MODELS}/{planned.folder_name}"
        _keep(suspect, settings, keep_in / kept)
    trained = training_of(run, settings)
    return replace(
        cell, measured=_measurement(seen, "cleaned"), reached_tau=trained.reached_tau,
        seconds=trained.seconds, kept=kept,
    )  # fmt: skip


def _keep(suspect: Suspect, settings: TrainSettings, path: Path) -> None:
    """Write the model's files to `path`, whole or not at all."""
    families = families_of("same", suspect)
    path.parent.mkdir(exist_ok=True)
    shutil.rmtree(path, ignore_errors=True)  # of a run that was stopped before its cell was recorded
    with output_folder(path, needed_bytes=bytes_needed(suspect, families)) as folder:
        metadata = metadata_of(settings, suspect.provenance.sha256)
        write_folder(folder, suspect, suspect.model.state_dict(), metadata, families)


def _measurement(seen: Evaluation, role: Role) -> Measurement:
    triggers = [
        CellTrigger(t.name, t.target, asr, base)
        for t in seen.triggers
        if (asr := t.asr.of(role)) is not None and (base := t.base_rate.of(role)) is not None
    ]
    accuracy = seen.clean_accuracy.of(role)
    if accuracy is None:
        raise ValueError(f"the {role} model was not measured")
    return Measurement(accuracy, tuple(triggers))
