"""Remove hidden backdoors from a CLIP checkpoint by fine-tuning, and measure what that did."""

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
from clipsan.errors import UsageError
from clipsan.evaluation.labelled import open_labelled
from clipsan.evaluation.probe import evaluation_of
from clipsan.pairs import PairSet, Reading, Sources, open_pairs, repeated
from clipsan.report import Report, conclude
from clipsan.runs.auto import asked_search, searched
from clipsan.runs.captions import may_lack_captions
from clipsan.runs.closing import Closed, asked_loop, augment_of, run_loop, with_known
from clipsan.runs.counter import counter_of, stamped_on
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
from clipsan.runs.material import Material, Wanted, parts, prepare
from clipsan.runs.probes import checked_thresholds, measured_around, open_probe
from clipsan.runs.processes import HelpedError, check_share, device_for_all
from clipsan.runs.settle import doubts
from clipsan.runs.tuning import bytes_needed, fine_tune, fitting_batch_size, metadata_of, written_model
from clipsan.runs.unfinished import open_keeper, resumable
from clipsan.runs.watch import Watcher
from clipsan.training.counter import check_dose
from clipsan.training.devices import choose_device
from clipsan.training.processes import ALONE, Processes
from clipsan.training.profile import Profile
from clipsan.training.settings import PUBLISHED_BATCH, PUBLISHED_UPDATES, TrainSettings
from clipsan.training.sharded import check_equal_shares, check_sharding
from clipsan.triggers import parse_triggers, write_trigger_file


@dataclass(frozen=True)
class Cleaned:
    """What `clean` gives back.

    Attributes:
        report: everything measured, with the verdict.
        folder: the output folder; it holds the cleaned checkpoint and the report.
        model: the cleaned model, exactly as written, in eval mode on the run's device; on the CPU with `fsdp`
            and nothing to measure on.
    """

    report: Report
    folder: Path
    model: Suspect


@resumable
def clean(
    model: str | Path,
    data: Sources,
    *,
    weight: Sequence[float] = (),
    image_column: str | None = None,
    caption_column: str | None = None,
    separator: str | None = None,
    max_pairs: int | None = None,
    captions_from: str | None = None,
    out: str | Path = "cleaned",
    eval: str | Path | None = None,
    classes: str | Path | None = None,
    trigger: Sequence[str] = (),
    target: str | None = None,
    max_asr: float = 10.0,
    max_drop: float = 5.0,
    method: str = "par",
    tau: float | str = 2.15,
    in_modal: float | None = None,
    pool: float | None = None,
    match_every: int | None = None,
    lr: float | str = 3e-6,
    lr_start: float = 3e-5,
    epochs: float | None = None,
    steps: int | None = None,
    batch_size: int | None = None,
    micro_batch: int | None = None,
    batch_norm: str = "frozen",
    lock: str | None = None,
    precision: str = "auto",
    augment: Sequence[str] | None = None,
    until: str | None = None,
    effort: str | int | None = None,
    counter: Sequence[str] = (),
    counter_share: float = 0.5,
    counter_pull: float = 0.0,
    held_out: float | None = None,
    filter: str | Sequence[str] = "none",
    filter_reference: str | Path | None = None,
    seed: int = 0,
    device: str = "auto",
    arch: str | None = None,
    activation: str | None = None,
    text_from: str | None = None,
    format: str = "same",
    dtype: str = "keep",
    no_gallery: bool = False,
    save_every: int | None = None,
    cache_images: str = "auto",
    profile: bool = False,
    overwrite: bool = False,
    watcher: Watcher | None = None,
    processes: Processes | None = None,
    fsdp: bool = False,
) -> Cleaned:
    """Clean a suspect checkpoint on image-caption pairs and write a drop-in replacement with a report.

    Args:
        model: a checkpoint file, folder, or hub name (`org/name`, `hf-hub:org/name`).
        data: image-caption pairs, one source or several; see docs/formats.md.
        weight: a number above 0 for each source. An epoch then still has as many places as there are pairs,
            and each source fills its share of them, going through its own pairs at its own pace. Without
            weights every pair of every source comes once an epoch.
        image_column: of tables, parquet files and Hub sets: the image. None: found by its name.
        caption_column: the caption, likewise.
        separator: of tables: `comma`, `tab`, `semicolon`, `pipe` or a character. None: found in the header.
        max_pairs: at most so many pairs of each source, drawn by `seed`.
        captions_from: `suspect` takes images without captions as well, and lets the suspect's own zero-shot
            over `classes` (else those of `eval`) propose them; the report warns of what that risks.
        out: the folder to write; must not exist or be empty unless `overwrite`.
        eval: labelled images to measure clean accuracy and attack success on. Without them a tenth of
            the pairs is held out and accuracy is retrieval among those.
        classes: a file with a class name a line, for `eval` or for triggers on held-out pairs.
        trigger: names with settings (`stripes:size=24`), or paths of trigger files.
        target: the class that the triggers pull to; None: each trigger file's own, else found.
        max_asr: the verdict fails above this attack success rate, in percent.
        max_drop: the verdict fails above this loss of clean accuracy, in percentage points.
        method: `par`, `cleanclip`, `roclip`, or `finetune` for the control; see docs/methods.md.
        tau: PAR's threshold on S, in (0, 4]; `auto` finds one in a short probe (docs/closed-loop.md).
        in_modal: weight of CleanCLIP's terms within a modality. None: 1, as published.
        pool: size of RoCLIP's pool as a share of the pairs. None: 0.02, at least a batch.
        match_every: RoCLIP matches with the pool on every so many-th update. None: 2.
        lr: learning rate at half of the updates; `auto` finds both rates, likewise.
        lr_start: learning rate of the first update.
        epochs: passes over the pairs. None: 2 as published, but at least the published 244 updates.
        steps: updates, instead of `epochs`.
        batch_size: pairs in one loss. None: 2048 as published, fewer where the pairs are few.
        micro_batch: pairs in memory at once; does not change the gradient. None: as many as fit.
        batch_norm: `frozen` or `train`.
        lock: `text` or `image`: that tower keeps the suspect's weights; `none`: both train. None: `none`, but
            with `until` as its rounds choose, which lock the text tower first.
        precision: `auto`, `fp32` or `bf16`.
        augment: of `brightening-noise`, `erase`, `flip`, `patterns`; see docs/method.md. None: the published
            `brightening-noise`, `erase`; with `until` `flip`, `patterns`.
        until: a budget such as `asr<=5%,drop<=3`: scan, fine-tune against what was found and scan again,
            until no inverted trigger succeeds more often and no more accuracy is lost on held-out data; see
            docs/closed-loop.md. The triggers found are measured with the others, and written to `inverted`.
        effort: rounds of fine-tuning that `until` may take: a number, `quick` (1), `normal` (3) or
            `thorough` (6); None: normal.
        counter: triggers, named as for `trigger`, to stamp on training images, which keep their own captions.
        counter_share: of the images that carry one of them, drawn anew each time an image comes.
        counter_pull: weight of a pull of these images to where the model puts them without the trigger.
        held_out: share of the pairs kept for measuring; None: 0.1 without `eval`, else 0.
        filter: which pairs to drop first: `all` checks, `none`, or names of them; see docs/hygiene.md.
        filter_reference: a model to ask, besides the suspect, whether image and text match.
        seed: of shuffling, augmentation, the held-out split and the triggers' patterns.
        device: `auto`, `cpu`, `cuda`, `cuda:N`.
        arch: an open_clip architecture, where a bare file's is ambiguous.
        activation: `gelu` or `quickgelu`, where nothing says which.
        text_from: the CLIP that an image tower alone was trained from; its text tower completes the model.
        format: `same` library as the source, `open_clip`, `transformers` or `both`.
        dtype: `keep` each weight's, or `float32`, `float16`, `bfloat16` for all.
        no_gallery: no images of the evaluation set in the report and beside it.
        save_every: updates between saved states of the run, beside `out`; the same call goes on from the
            newest. None: every 10 minutes; 0: never. Rounds of `until` and probes of `auto` are not saved.
        cache_images: keep decoded training images for later epochs: in `memory`, on `disk` (a file that goes
            away with the run), `none`, or `auto`: in memory where 2 GiB hold all. The result is the same.
        profile: the report says where the training's time went; on a GPU it then takes longer.
        overwrite: replace an earlier output of clipsan in `out`, and an unfinished run with other settings.
        watcher: hears of progress.
        processes: that train together, each calling this with equal arguments but for the device; they
            share filter and measuring, too, and the first writes. None: this one alone; see docs/scaling.md.
        fsdp: while they train, each holds a part of the weights, gradients and moments, instead of all.

    Raises:
        HelpedError: in all but the first of several processes, at the end.
        ClipsanError: one sentence on what is wrong; `out` was not written.
        StoppedError: a KeyboardInterrupt, where the training up to it is kept.
    """
    watcher, processes = watcher or Watcher(), processes or ALONE
    thresholds, timed = checked_thresholds(max_asr, max_drop), asked_profile(profile, until)
    search = asked_search(method, tau, lr, held_out, lock)
    asked = TrainSettings(
        method=method, tau=search.tau, in_modal=in_modal, pool=pool, match_every=match_every,
        lr=search.lr, lr_start=lr_start, micro_batch=micro_batch, batch_norm=batch_norm,
        lock=lock or "none", precision=precision, augment=augment_of(augment, until), seed=seed, steps=steps,
        epochs=2.0 if epochs is None else epochs, batch_size=PUBLISHED_BATCH,
    )  # fmt: skip
    check_dose(counter_share, counter_pull)
    closing = asked_loop(until, effort, held_out, thresholds, counter, save_every, lock)
    where = choose_device(device)
    check_together(processes, search.names, fsdp)
    filtering = Filtering.of(filter, filter_reference)
    captionless = may_lack_captions(captions_from, held_out, classes, eval)
    reading = Reading(image_column, caption_column, separator, max_pairs, seed, captionless)
    watcher.stage(f"Reading pairs from {sources_named(data)}")
    pairs = open_pairs(data, reading, weight)
    share = 0.0 if captionless else held_out_share(held_out, None if closing or search.names else eval)
    wanted = Wanted(share, seed, captionless, classes, filtering, asked.at_once, cache_images)
    at_least = PUBLISHED_UPDATES if steps is None and epochs is None else 0
    divided = parts(pairs, wanted)
    _fitting(asked, batch_size, at_least, divided[0], processes, fsdp)  # refuses before a model is read

    watcher.stage(f"Reading {model}")
    suspect = load(model, arch=arch, activation=activation, text_from=text_from)
    families = families_of(format, suspect)
    suspect.dtypes = stored_as(suspect, dtype)
    check_output(Path(out), overwrite=overwrite, needed_bytes=bytes_needed(suspect, families))
    labelled = open_labelled(eval, classes) if eval is not None else None
    suspect, material = prepare(pairs, divided, suspect, wanted, labelled, where, watcher, processes)
    kept = material.held_out
    settings = _fitting(asked, batch_size, at_least, material.train, processes, fsdp)
    triggers = parse_triggers(list(trigger), suspect.image_size, seed, texts=True)
    against = counter_of(counter, counter_share, counter_pull, suspect.image_size, seed)
    probe = open_probe(suspect, labelled, kept, classes, triggers, target) if labelled or kept else None

    before = model_of(suspect, "suspect")
    settings, tuning = searched(search.names, suspect, material, settings, where, watcher)
    keeper = open_keeper(
        out, suspect, material.train, settings, where, save_every=0 if closing else save_every,
        overwrite=overwrite, watcher=watcher, run={"--until": until, **stamped_on(against)},
        processes=processes, fsdp=fsdp,
    )  # fmt: skip
    closed = (
        run_loop(closing, suspect, material, labelled, classes, settings, where, watcher, processes, fsdp)
        if closing
        else None
    )
    if closed:
        with_known(probe, closed.known)
    run, measured = measured_around(
        lambda: (
            closed.put_into(suspect)
            if closed
            else fine_tune(
                suspect, material.train, material.reader, settings, where, watcher, against, keeper,
                timed, processes, fsdp,
            )
        ),
        "cleaned", probe, suspect, where, settings.at_once, watcher, processes,
    )  # fmt: skip

    if processes.rank:
        raise HelpedError
    watcher.stage(f"Writing {out}")
    # what was found to fit says how to get these bytes again
    settings = replace(settings, micro_batch=run.micro_batch)
    metadata = metadata_of(settings, before.sha256)
    with output_folder(
        Path(out), overwrite=overwrite, needed_bytes=bytes_needed(suspect, families)
    ) as folder:
        written = write_folder(folder, suspect, suspect.model.state_dict(), metadata, families)
        after = written_model(before, "cleaned", Path(out), families, written, dtype, metadata)
        report = Report(
            command="clean",
            versions=versions(),
            models=(before, after),
            settings={
                "model": str(model), "data": as_json(data), "weight": list(weight), **reading.to_dict(),
                "captions_from": captions_from, "eval": None if eval is None else str(eval),
                "classes": None if classes is None else str(classes), "trigger": list(trigger),
                "target": target, "held_out": share, "filter": list(filtering.checks),
                "filter_reference": filtering.reference, "counter": list(counter),
                "counter_share": counter_share, "counter_pull": counter_pull, "until": until,
                "effort": effort, "gpus": processes.size, "fsdp": fsdp,
                "device": device_for_all(device, processes),
                "arch": arch, "activation": activation, "text_from": text_from, "format": format,
                "dtype": dtype, "no_gallery": no_gallery, "cache_images": cache_images, "profile": profile,
                **settings.to_dict(),
            },
            seed=seed,
            data=data_of(
                material.pairs, material.train, len(kept) if kept else 0, run.broken,
                material.filtered.record if material.filtered else None,
            ),
            training=training_of(run, closed.settings if closed else settings, timed),
            evaluation=evaluation_of(probe, measured, seed=seed, gallery=not no_gallery) if probe else None,
            thresholds=thresholds,
            warnings=(*material.warnings, *run.warnings, *doubts(suspect)),
            loop=closed.record if closed else None,
            tuning=tuning,
        )  # fmt: skip
        report = conclude(report)
        _write_findings(folder, closed, material)
        write_reports(folder, report, probe)
    return Cleaned(report, Path(out), suspect)


def asked_profile(profile: bool, until: str | None) -> Profile | None:
    """What takes the training's time, if asked for. UsageError with rounds, which train repeatedly."""
    if profile and until is not None:
        raise UsageError("--profile times one training, and --until asks for several: leave one of them out")
    return Profile() if profile else None


def check_together(processes: Processes, searched_for: Sequence[str], fsdp: bool) -> None:
    """UsageError where several processes are asked for settings by trials, or one for parts of a model."""
    if fsdp:
        check_sharding(processes)
    if processes.size > 1 and searched_for:
        raise UsageError(
            f"--{searched_for[0]} auto trains in one process, but there are {processes.size}: leave --gpus "
            "out, or that option"
        )


def _write_findings(folder: Path, closed: Closed | None, material: Material) -> None:
    """What a loop's scans and the filter found, beside the model."""
    if closed and (found := [*closed.known, *closed.looked_back]):
        write_trigger_file(folder / "inverted", found)
    if material.filtered:
        material.filtered.write(folder)


def held_out_share(held_out: float | None, labelled: str | Path | None) -> float:
    """The share of the pairs to hold out: as asked, else a tenth where there is no labelled set."""
    if held_out is None:
        return 0.0 if labelled is not None else 0.1
    if not 0 <= held_out < 1:
        raise UsageError(f"--held-out is {held_out:g}, but is a share of the pairs: choose 0 to below 1")
    return held_out


def _fitting(
    asked: TrainSettings,
    batch_size: int | None,
    at_least: int,
    pairs: PairSet,
    processes: Processes,
    fsdp: bool,
) -> TrainSettings:
    """The settings with the batch size that these pairs allow, and at least so many updates.

    UsageError where the processes cannot share such a batch.
    """
    settings = replace(asked, batch_size=_batch_size(batch_size, pairs))
    check_share(processes, settings.batch_size)
    if fsdp:
        check_equal_shares(processes, settings.batch_size)
    return replace(settings, steps=max(at_least, settings.updates(len(pairs)))) if at_least else settings


def _batch_size(asked: int | None, pairs: PairSet) -> int:
    """As asked; else the published 2048, or the largest power of two up to a quarter of few pairs.

    UsageError where a weight would put a pair into a batch twice.
    """
    size = fitting_batch_size(asked, PUBLISHED_BATCH, pairs)
    if (often := repeated(pairs, size)) is not None:
        source, count, places = often
        raise UsageError(
            f"--weight asks for {places} pairs of {source} in each batch of {size}, and there are {count} to "
            "train on: give it a smaller weight, or choose a smaller --batch-size"
        )
    return size
