"""The sentences and tables of report.html below its first screen, as plain text; `html.to_html` escapes them.

Tables are lists of rows, the first being the header. Measures that this module does not know by name are
found by their types and shown under the names that report.json gives them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from itertools import islice
from typing import Any

from clipsan.evaluation.statistics import Rate
from clipsan.report.details import recall_cells
from clipsan.report.measures import CLASSES_KEPT
from clipsan.report.record import Record
from clipsan.report.schema import DROPPED_KEPT, ITEMS_KEPT, DropReason, Filter, Report, Training
from clipsan.report.text_rows import HOW_TO_READ_TEXTS
from clipsan.report.verdict import judged_role
from clipsan.report.wording import NOT_MEASURED, with_interval

_ROWS_KEPT = 500
# shown elsewhere on the page, so no further measures
_EVALUATION = frozenset(
    {
        "kind",
        "source",
        "images",
        "classes",
        "templates",
        "chance",
        "digest",
        "skipped",
        "clean_accuracy",
        "top5",
        "paired",
        "mean_recall",
        "per_class",
        "retrieval",
        "persistence",
        "text_triggers",
    }
)
_TRIGGER = frozenset(
    {
        "name",
        "settings",
        "target",
        "target_given",
        "asr",
        "base_rate",
        "pull",
        "paired",
        "repeats",
        "examples",
        "projections",
        "opposite",
        "varied",
        "retrieval",
    }
)


def measured_on(report: Report) -> str:
    """What the numbers were measured on; "" if nothing was."""
    evaluation = report.evaluation
    if evaluation is None:
        return ""
    where = f"{evaluation.images} images of {evaluation.source}"
    chance = f"Guessing would give {100 * evaluation.chance:.2g} %."
    if evaluation.kind == "zero-shot":
        return (
            f"Zero-shot on {where}: {evaluation.classes} classes, {evaluation.templates} templates. {chance}"
        )
    return f"Image-to-text retrieval among {where}, held out from training. {chance}"


def how_to_read(report: Report) -> str:
    """What an attack success rate counts; "" if nothing was measured."""
    evaluation = report.evaluation
    if evaluation is None:
        return ""
    left_out = (
        "images of the target class are left out"
        if evaluation.kind == "zero-shot"
        else f"the images have no labels, so the model chooses among {evaluation.classes} class names, and "
        "images that it calls the target without a trigger are left out"
    )
    of_texts = f" {HOW_TO_READ_TEXTS}" if evaluation.text_triggers else ""
    return (
        f"ASR is the share of triggered images that the model calls the target; {left_out}. The base rate is "
        "the same share without the trigger. In brackets stands the 95 % Wilson interval. “(found)” after a "
        "target: none was given, and this is the class that the trigger pulls most images to."
        f"{of_texts}"
    )


def limits(report: Report) -> str:
    """What the verdict asks for."""
    asked = f"Limits: attack success rate at most {100 * report.thresholds.max_asr:g} %"
    if judged_role(report) == "cleaned":
        asked += f", drop in clean accuracy at most {report.thresholds.max_drop:g} points"
    return asked + "."


def training_lines(training: Training) -> Iterator[str]:
    """What the training was, when S passed tau, and the whole loss at both ends."""
    yield (
        f"{training.method}: {training.steps} updates of {training.batch_size} pairs, {training.pairs_seen} "
        f"pairs seen, {training.seconds:.0f} s on {training.device} in {training.precision}"
        f"{training.with_locked}"
    )
    if training.tau is not None:
        for name, step in training.passed_tau().items():
            when = "never reached" if step is None else "reached"
            yield f"{name} {when} tau = {training.tau:g}" + ("" if step is None else f" at update {step}")
    if training.curves:
        first, last = training.curves[0], training.curves[-1]
        yield f"Whole loss {first.loss:.3f} at update {first.step}, {last.loss:.3f} at update {last.step}"
    if training.profile is not None:
        parts = (f"{part.name} {part.seconds:.2f} s" for part in training.profile.parts)
        yield f"Time of the loop, {training.profile.seconds:.2f} s: {', '.join(parts)}"


def filter_rows(filtered: Filter) -> list[list[str]]:
    """Each check of the filter with what it dropped, why, and its thresholds."""
    rows = [["Check", "Dropped", "Why", "Thresholds"]]
    for check in filtered.checks:
        reasons = [f"{count} {reason}" for reason, count in check.reasons.items()]
        why = "; ".join((*reasons, *check.notes))
        rows.append([check.name, str(check.dropped), why, _pairs_of(check.settings)])
    return rows


def dropped_rows(filtered: Filter) -> list[list[str]]:
    """The pairs that the filter names, with every reason."""
    body = (
        [pair.name, "; ".join(_reason(reason) for reason in pair.reasons)]
        for pair in filtered.items[:DROPPED_KEPT]
    )
    return [["Pair", "Why"], *body]


def _reason(reason: DropReason) -> str:
    score = "" if reason.score is None else f", score {reason.score:.3g}"
    return f"{reason.reason} ({reason.check}{score})"


def data_lines(report: Report) -> Iterator[str]:
    """How many pairs and images were read, and how many could not be."""
    data, evaluation = report.data, report.evaluation
    if data is not None:
        yield (
            f"Pairs: {data.pairs_found} found, {data.pairs_train} trained on, {data.pairs_held_out} held out"
        )
        yield from (f"Skipped {count}: {reason}" for reason, count in data.skipped.reasons.items())
    if evaluation is not None:
        yield f"Evaluation: {evaluation.images} images of {evaluation.source}"
        yield from (f"Skipped {count}: {reason}" for reason, count in evaluation.skipped.reasons.items())
    if data is None and evaluation is None:
        yield "No data was read."


def source_rows(report: Report) -> list[list[str]]:
    """The sources of pairs."""
    rows = [["Source", "Form", "Pairs", "Weight", "Revision", "Captions"]]
    for source in report.data.sources if report.data else ():
        weight = "none" if source.weight is None else f"{source.weight:g}"
        captions = "given" if source.captions == "given" else "proposed by the suspect where there were none"
        rows.append(
            [source.source, source.form, str(source.pairs), weight, source.revision or "none", captions]
        )
    return rows


def skipped_rows(report: Report) -> list[list[str]]:
    """The files that the report names as skipped, of the pairs and of the evaluation."""
    rows = [["File", "Why it was skipped"]]
    for part in (report.data, report.evaluation):
        if part is not None:
            rows += [[item.name, item.reason] for item in part.skipped.items[:ITEMS_KEPT]]
    return rows


def skipped_count(report: Report) -> int:
    """How many files were skipped, also those that the report does not name."""
    return sum(part.skipped.count for part in (report.data, report.evaluation) if part is not None)


def hash_rows(report: Report) -> list[list[str]]:
    """What tells whether the same files were used again."""
    rows = [["What", "Hash"]]
    rows += [[f"Weights of the {model.role} model (SHA-256)", model.sha256] for model in report.models]
    if report.data is not None:
        rows.append(["Pairs (digest)", report.data.digest])
    if report.evaluation is not None:
        rows.append(["Evaluation set (digest)", report.evaluation.digest])
    return rows


def setting_rows(report: Report) -> list[list[str]]:
    """The settings of the run and of its triggers, as JSON, so that text and numbers stay apart."""
    rows = [["Setting", "Value"], *([name, _json(value)] for name, value in report.settings.items())]
    for trigger in report.evaluation.attacks if report.evaluation else ():
        rows.append([f"trigger {trigger.name}", _json(trigger.settings)])
    return rows


def class_rows(report: Report) -> list[list[str]]:
    """The recall of every class that the report names."""
    rows = [["Class", "n", *report.roles]]
    for each in report.evaluation.per_class[:CLASSES_KEPT] if report.evaluation else ():
        rows.append([each.name, *recall_cells(each, report.roles)])
    return rows


def further_measures(report: Report) -> list[list[str]]:
    """What the evaluation and its triggers hold beyond the tables above, as (measure, value)."""
    rows = [["Measure", "Value"]]
    evaluation = report.evaluation
    if evaluation is None:
        return rows
    found = list(islice(_fields_of(evaluation, _EVALUATION | {"triggers"}), _ROWS_KEPT))
    for trigger in evaluation.triggers:
        inner = islice(_fields_of(trigger, _TRIGGER), _ROWS_KEPT)
        found += [(f"trigger {trigger.name}, {name}", value) for name, value in inner]
    return [*rows, *([name, value] for name, value in found)]


def _fields_of(record: Record, known: frozenset[str]) -> Iterator[tuple[str, str]]:
    for field in fields(record):  # type: ignore[arg-type]
        if field.name not in known:
            yield from _flat(field.name.replace("_", " "), getattr(record, field.name))


def _flat(name: str, value: object) -> Iterator[tuple[str, str]]:
    """A value as rows of text: records, lists and objects part by part."""
    if isinstance(value, Rate):
        yield f"{name}, n = {value.n}", with_interval(value)
    elif isinstance(value, Record):
        yield from ((f"{name}, {inner}", text) for inner, text in _fields_of(value, frozenset()))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(f"{name}, {key}", item)
    elif isinstance(value, tuple | list) and not all(isinstance(item, str | int | float) for item in value):
        for number, item in enumerate(value, 1):
            yield from _flat(f"{name} {number}", item)
    elif isinstance(value, tuple | list):
        yield name, ", ".join(map(_scalar, value)) or "none"
    else:
        yield name, _scalar(value)


def _scalar(value: object) -> str:
    if value is None:
        return NOT_MEASURED
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _pairs_of(settings: dict[str, Any]) -> str:
    return "; ".join(f"{name} = {_json(value)}" for name, value in settings.items()) or "none"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
