"""Look for a backdoor in a checkpoint without knowing a trigger."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clipsan.checkpoint import Suspect, check_output, output_folder
from clipsan.errors import DataError, UsageError
from clipsan.evaluation.encoder import Encoder
from clipsan.evaluation.labelled import DEFAULT_TEMPLATES
from clipsan.inversion.evidence import WORDS, family_of, own_values, shipped_limit
from clipsan.inversion.invert import divide
from clipsan.inversion.ladder import EFFORTS, Rung, ladder
from clipsan.inversion.refine import Beside, images_for, refine
from clipsan.inversion.search import Searched, images_needed, search
from clipsan.pairs import Reading, Sources, open_pairs
from clipsan.report import SkippedItems, write_report
from clipsan.report.scan_markdown import scan_to_markdown
from clipsan.report.scan_record import RefinedTrigger, ScanReport
from clipsan.report.whole_file import write_whole
from clipsan.runs.describe import as_json, model_of, versions
from clipsan.runs.probes import class_names
from clipsan.runs.processes import HelpedError, check_alike, device_for_all
from clipsan.runs.scan_images import draw_images, read_images
from clipsan.runs.scan_judgement import (
    CLASS_FREE,
    judge_beside,
    judge_class_free,
    judge_rung,
    judge_words,
    refinable,
    result_of,
    saturated_rungs,
)
from clipsan.runs.settle import doubts
from clipsan.runs.subject import load_settled
from clipsan.runs.watch import Counter, Watcher
from clipsan.training.devices import choose_device
from clipsan.training.processes import ALONE, Processes
from clipsan.triggers import Trigger, write_trigger_file

LONGEST_CLASS = 60
BYTES_NEEDED = 4 << 20


@dataclass(frozen=True)
class Scanned:
    """What `scan` gives back.

    Attributes:
        report: the evidence, and whether there is any.
        folder: where it was written, with the inverted triggers.
    """

    report: ScanReport
    folder: Path


def scan(
    model: str | Path,
    *,
    data: Sources | None = None,
    classes: str | Path | None = None,
    reference: str | Path | None = None,
    effort: str = "normal",
    image_column: str | None = None,
    caption_column: str | None = None,
    separator: str | None = None,
    max_pairs: int | None = None,
    out: str | Path = "scan",
    arch: str | None = None,
    activation: str | None = None,
    text_from: str | None = None,
    seed: int = 0,
    device: str = "auto",
    overwrite: bool = False,
    watcher: Watcher | None = None,
    processes: Processes | None = None,
) -> Scanned:
    """Search a checkpoint for a backdoor whose trigger nobody knows.

    Args:
        model: a checkpoint; it is not changed.
        data: images, captions not needed; None: drawn scenes.
        classes: a file with a class name a line; None: ImageNet's names.
        reference: a checkpoint of the same architecture that you trust, to compare with.
        effort: `quick`, `normal` or `thorough`.
        image_column, caption_column, separator, max_pairs: how `data` is read, as in `clean`.
        out: folder for scan.json, scan.md and the inverted triggers.
        arch, activation, text_from: of the checkpoint, as in `clean`.
        seed: of everything drawn; equal seeds give equal scans.
        device: `auto`, `cpu`, `cuda`, `cuda:N`.
        overwrite: replace an earlier output of clipsan in `out`.
        watcher: hears of progress.
        processes: that share the search, each calling this with equal arguments but for the device; the first
            writes. None: this one alone; see docs/scaling.md.

    Raises:
        HelpedError: in all but the first of several processes, at the end.
        ClipsanError: one sentence on what is wrong; nothing was written.
    """
    watcher, processes = watcher or Watcher(), processes or ALONE
    began = time.monotonic()
    if effort not in EFFORTS:
        raise UsageError(f"--effort is {effort!r}, but must be {', '.join(EFFORTS)}")
    hard = EFFORTS[effort]
    where = choose_device(device)
    names = _listed(classes)
    check_output(Path(out), overwrite=overwrite, needed_bytes=BYTES_NEEDED)
    watcher.stage(f"Reading {model}")
    reading = Reading(image_column, caption_column, separator, max_pairs, seed, captionless=True)
    pairs = None if data is None else open_pairs(data, reading)
    captioned = pairs if pairs is not None and not pairs.uncaptioned() else None
    suspect = load_settled(model, arch, activation, None, captioned, where, text_from)
    trusted = None if reference is None else _reference(reference, suspect)
    if pairs is None:
        images = draw_images(suspect.image_size, hard.images, seed)
    else:
        images = read_images(pairs, suspect, hard.images, seed)
    held_out = len(divide(images.pixels, suspect.image_size, seed)[1])
    rungs = ladder(suspect.image_size)
    searches = 1 if trusted is None else 2
    each = images_needed(len(names), rungs, suspect.image_size, hard)
    each += hard.class_free.steps * hard.class_free.images
    counter = Counter(watcher, searches * each, processes.size)
    check_alike(processes, {
        "versions": versions(), "model": _weights(suspect), "reference": trusted and _weights(trusted),
        "settings": {"effort": effort, "seed": seed, "classes": names},
        "pairs": {"images": sha256(images.pixels.numpy().tobytes()).hexdigest()},
    })  # fmt: skip

    def look(at: Suspect, targets: Mapping[str, Sequence[int]] | None) -> tuple[Searched, Tensor]:
        watcher.stage(f"Searching {at.provenance.source} for triggers towards {len(names)} classes")
        embeddings = Encoder(at, where, processes=processes).classifier(names, DEFAULT_TEMPLATES)
        try:
            return search(
                at, images.pixels, names, embeddings, rungs, hard, targets=targets, device=where,
                seed=seed, on_images=counter, processes=processes,
            ), embeddings  # fmt: skip
        finally:
            watcher.finished()

    searched, embeddings = look(suspect, None)
    theirs, beside = None, None
    if trusted is not None:
        number = {name: place for place, name in enumerate(names)}
        same = {name: [number[each.target] for each in found] for name, found in searched.rungs.items()}
        theirs, their_embeddings = look(trusted, same)
        beside = Beside(trusted, their_embeddings)
    if processes.rank:
        raise HelpedError
    judged = _judged(suspect, rungs, searched, theirs, effort, names, embeddings)
    refined = _refined(suspect, images.pixels, names, embeddings, judged, rungs, beside, where, seed, watcher)
    report = ScanReport(
        versions=versions(),
        model=model_of(suspect, "suspect"),
        reference=None if trusted is None else model_of(trusted, "suspect"),
        settings={
            "model": str(model), "data": None if data is None else as_json(data), **reading.to_dict(),
            "classes": None if classes is None else str(classes),
            "reference": None if reference is None else str(reference), "effort": effort,
            "device": device_for_all(device, processes), "gpus": processes.size,
            "arch": arch, "activation": activation, "text_from": text_from,
        },
        seed=seed,
        images=images.source,
        images_used=len(images.pixels),
        images_held_out=held_out,
        skipped=SkippedItems.of(images.skipped),
        classes=len(names),
        **judged,
        refined=tuple(told for _, told in refined),
        warnings=(*doubts(suspect), *_warnings(data is None, classes is None, searched)),
        seconds=round(time.monotonic() - began, 3),
    )  # fmt: skip
    with output_folder(Path(out), overwrite=overwrite, needed_bytes=BYTES_NEEDED) as folder:
        write_trigger_file(folder, [*_saved(report, searched), *(trigger for trigger, _ in refined)])
        write_report(report, folder / "scan.json")
        write_whole(folder / "scan.md", scan_to_markdown(report).encode("utf-8"))
    return Scanned(report, Path(out))


def _refined(
    suspect: Suspect,
    images: Tensor,
    names: Sequence[str],
    classes: Tensor,
    judged: Mapping[str, Any],
    rungs: Sequence[Rung],
    beside: Beside | None,
    device: torch.device,
    seed: int,
    watcher: Watcher,
) -> list[tuple[Trigger, RefinedTrigger]]:
    """Triggers towards the classes with evidence that nothing found brings most images to."""
    wanted = refinable(judged["rungs"], rungs)
    if not wanted:
        return []
    watcher.stage(f"Refining the triggers towards {', '.join(each.target for _, each in wanted)}")
    kinds = [(kind, names.index(candidate.target)) for kind, candidate in wanted]
    counter = Counter(watcher, images_for(len(wanted)))
    try:
        refined = refine(
            suspect, images, names, classes, kinds, beside=beside, device=device, seed=seed, on_images=counter
        )
    finally:
        watcher.finished()
    told = []
    for one, (_, candidate) in zip(refined, wanted, strict=True):
        found, trigger = one.found, one.found.trigger
        trigger.name += ", refined"
        record = RefinedTrigger(
            trigger.name, found.kind, found.target, candidate.asr, found.asr, one.reference
        )
        told.append((trigger, record))
    return told


def _weights(suspect: Suspect) -> dict[str, str | None]:
    """What says which model it is."""
    return {"SHA-256": suspect.provenance.sha256, "activation": suspect.activation}


def _listed(classes: str | Path | None) -> list[str]:
    """The class list, each name once and fit for a trigger file."""
    names = list(dict.fromkeys(class_names(classes)))
    for name in names:
        if len(name) > LONGEST_CLASS or not name.isprintable():
            raise DataError(
                f"the class name {ascii(name)[:80]} in {classes} is over {LONGEST_CLASS} characters long or "
                "cannot be printed, so no trigger can be named after it: shorten it"
            )
    return names


def _reference(source: str | Path, suspect: Suspect) -> Suspect:
    """The trusted model, checked to be comparable."""
    trusted = load_settled(source, None, suspect.activation, None, None, choose_device("cpu"), None)
    if trusted.provenance.sha256 == suspect.provenance.sha256:
        raise UsageError(f"--reference {source} is the very model that is scanned: name another one")
    if family_of(trusted.model_cfg, trusted.image_size) != family_of(suspect.model_cfg, suspect.image_size):
        raise UsageError(
            f"--reference {source} is a {family_of(trusted.model_cfg, trusted.image_size)} px model and the "
            f"suspect a {family_of(suspect.model_cfg, suspect.image_size)} px one, so their scores cannot be "
            "compared: name one of the same kind and resolution"
        )
    return trusted


def _judged(
    suspect: Suspect,
    rungs: Sequence[Rung],
    searched: Searched,
    theirs: Searched | None,
    effort: str,
    names: Sequence[str],
    classes: Tensor,
) -> dict[str, Any]:
    """The fields of the report that say what was found, and what follows."""
    family = family_of(suspect.model_cfg, suspect.image_size)
    clean = {name: own_values(family, effort, name) for name in (CLASS_FREE, WORDS)}
    models = len(clean[CLASS_FREE])
    if theirs is not None:
        clean[CLASS_FREE].append(theirs.class_free.mask)
        if theirs.words is not None:
            clean[WORDS].append(theirs.words.gap_closed)
    results = []
    for rung in rungs:
        same = None if theirs is None else theirs.rungs[rung.name]
        found = searched.rungs[rung.name]
        if same is None:
            limit = shipped_limit(family, effort, rung.name)
            results.append(judge_rung(rung, found, None, limit, len(names)))
        else:
            results.append(judge_beside(rung, found, same, len(names)))
    source = _sources(family, models, theirs is not None)
    class_free = judge_class_free(searched, clean[CLASS_FREE], source, names, classes)
    words = judge_words(searched, clean[WORDS], source, EFFORTS[effort].words, names, classes, _decode)
    result, reasons, targets = result_of(results, class_free, words, saturated_rungs(searched))
    return {
        "rungs": tuple(results), "class_free": class_free, "text_side": words,
        "result": result, "reasons": reasons, "targets": targets,
    }  # fmt: skip


def _sources(family: str, models: int, reference: bool) -> str:
    parts = [f"{models} clean {'model' if models == 1 else 'models'} of the family {family}"] * (models > 0)
    parts += ["the reference"] * reference
    return " and ".join(parts) or "default, no clean model to compare with"


def _decode(tokens: Sequence[int]) -> str:
    """The words of CLIP's own vocabulary."""
    from open_clip.tokenizer import decode
    from torch import tensor

    return str(decode(tensor(list(tokens)))).strip() or " ".join(map(str, tokens))


def _saved(report: ScanReport, searched: Searched) -> list[Trigger]:
    """The triggers that the report names, in its order."""
    found = {each.trigger.name: each.trigger for rung in searched.rungs.values() for each in rung}
    named = [each.trigger for rung in report.rungs for each in rung.candidates if each.trigger is not None]
    return [*(found[name] for name in named), searched.class_free.trigger]


def _warnings(drawn: bool, imagenet: bool, searched: Searched) -> list[str]:
    lines = []
    if drawn:
        lines.append("The triggers were sought on drawn scenes: photographs find more (--data).")
    if imagenet:
        lines.append(
            "The classes are ImageNet's names: a target that is not among them can be missed (--classes)."
        )
    if searched.words is None:
        lines.append("The text side was not searched: the model's tokenizer is not CLIP's own.")
    return lines
