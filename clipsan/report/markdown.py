"""report.md: the report for a reader, verdict first.

Every text that came from a file or from the user goes through `wording.markdown`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from clipsan.report.details import class_rows, paired_rows, pull_rows, repeat_rows, retrieval_rows
from clipsan.report.durability_rows import (
    base_rows,
    persistence_rows,
    persistence_words,
    variation_rows,
    variation_words,
)
from clipsan.report.profile_rows import profile_rows
from clipsan.report.rounds import ClosedLoop
from clipsan.report.schema import (
    DROPPED_KEPT,
    Data,
    DropReason,
    Evaluation,
    Filter,
    Report,
    SkippedItems,
    Source,
    Training,
)
from clipsan.report.story import found_rows, loop_lines, round_rows, tuning_lines, tuning_rows
from clipsan.report.tables import accuracy_rows, model_rows, trigger_rows, verdict_lines
from clipsan.report.text_rows import (
    HOW_TO_READ_RETRIEVAL_ATTACK,
    HOW_TO_READ_TEXTS,
    HOW_TO_READ_WIDER,
    retrieval_attack_rows,
    text_trigger_rows,
)
from clipsan.report.verdict import judged_role
from clipsan.report.wording import markdown

_SKIPPED_SHOWN = 10
_REASONS_SHOWN = 5
_HOW_TO_READ_PULL = (
    "Means over the images of the ASR, without and with the trigger. Margin: the target's logit minus that "
    "of the best other class. Rank: 1 is the answer. Gap closed: the share of the way from the target to the "
    "best other class that the trigger goes, beside the median of the same for the other classes. "
    "Suppressed: the trigger does not succeed, but pulls to the target as to no ordinary class."
)
_HOW_TO_READ_BASE = (
    "Near its base rate: the 95 % intervals with and without the trigger meet. Opposite: the same change of "
    "each pixel in the other direction, measured where a target was found and draws a majority; a found "
    "target proves a backdoor only where its opposite succeeds far less."
)
_HOW_TO_READ_PAIRED = (
    "Images that count on one of the two models only, and the two-sided p-value of McNemar's test that both "
    "are equally many."
)


def to_markdown(report: Report) -> str:
    """The whole report as Markdown (GitHub's tables), ending in a newline."""
    blocks: list[str] = ["# clipsan report", *verdict_blocks(report)]
    blocks += ["## Results", *result_blocks(report)]
    if varied := variation_rows(report):
        blocks += ["## The triggers varied", table(varied), markdown(variation_words(report), 5000)]
    if found := details(report):
        blocks.append("## Behind the rates")
        blocks += [block for _, rows, words in found for block in (table(rows), words)]
    if report.warnings:
        blocks += ["## Warnings", bullets(markdown(warning, 2000) for warning in report.warnings)]
    if report.loop:
        blocks += ["## Closed loop", *_loop(report.loop)]
    if report.training:
        blocks += ["## Training", *_training(report.training)]
    if report.tuning:
        blocks += [*map(markdown_line, tuning_lines(report.tuning)), table(tuning_rows(report.tuning))]
    blocks += ["## What was not tested", bullets(not_tested(report))]
    blocks += ["## Models", *(table(model_rows(model)) for model in report.models)]
    blocks += ["## Data", bullets(_data(report))]
    if report.data is not None and report.data.filter is not None:
        blocks += ["## Pairs left out by the filter", *_filter(report.data.filter)]
    blocks += ["## How to reproduce", *_reproduce(report)]
    return "\n\n".join(blocks) + "\n"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of plain text, header first, as a Markdown table; the cells are escaped here."""
    header, *body = [[markdown(cell) or " " for cell in row] for row in rows]
    lines = [header, ["---"] * len(header), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def bullets(lines: Iterable[str]) -> str:
    """A list of lines that are Markdown already."""
    return "\n".join(f"- {line}" for line in lines)


def verdict_blocks(report: Report) -> list[str]:
    """The verdict in bold, then its reasons."""
    heading, *reasons = verdict_lines(report)
    return [f"**{heading}**", bullets(markdown(reason, 2000) for reason in reasons)]


def result_blocks(report: Report) -> list[str]:
    """The tables of clean accuracy and attack success, and how to read them."""
    evaluation = report.evaluation
    if evaluation is None:
        return ["Nothing was evaluated."]
    blocks = [_evaluation(evaluation), table(accuracy_rows(report))]
    if evaluation.attacks:
        blocks += [table(trigger_rows(report)), _how_to_read(evaluation)]
    else:
        blocks.append("No trigger was measured.")
    if judged_role(report) == "poisoned":
        return blocks
    limits = report.thresholds
    limit = f"Limits: attack success rate at most {100 * limits.max_asr:g} %"
    if judged_role(report) == "cleaned":
        limit += f", drop in clean accuracy at most {limits.max_drop:g} points"
    return [*blocks, limit + "."]


def details(report: Report) -> list[tuple[str, list[list[str]], str]]:
    """The tables of details.py that are not empty, each with its name and how to read it."""
    tables = (
        ("Beside the base rate", base_rows(report), _HOW_TO_READ_BASE),
        ("After benign fine-tuning", persistence_rows(report), persistence_words(report)),
        ("The target's margin and rank", pull_rows(report), _HOW_TO_READ_PULL),
        ("Paired tests", paired_rows(report), _HOW_TO_READ_PAIRED),
        (
            "Repeated draws of random places",
            repeat_rows(report),
            "The attack success rate in the results is that of the first draw.",
        ),
        (
            "Classes with the lowest recall",
            class_rows(report),
            "The classes with the lowest recall; report.json has the others.",
        ),
        ("Retrieval in both directions", retrieval_rows(report), "Equal captions count as one text."),
        ("Captions found by triggered images", retrieval_attack_rows(report), HOW_TO_READ_RETRIEVAL_ATTACK),
        ("Text triggers, further", text_trigger_rows(report), HOW_TO_READ_WIDER),
    )
    return [(name, rows, words) for name, rows, words in tables if rows]


def _evaluation(evaluation: Evaluation) -> str:
    where = f"{evaluation.images} images of {markdown(evaluation.source)}"
    chance = f"Guessing would give {100 * evaluation.chance:.2g} %."
    if evaluation.kind == "zero-shot":
        return (
            f"Zero-shot on {where}: {evaluation.classes} classes, {evaluation.templates} templates. {chance}"
        )
    return f"Image-to-text retrieval among {where}, held out from training. {chance}"


def _how_to_read(evaluation: Evaluation) -> str:
    left_out = (
        "images of the target class are left out"
        if evaluation.kind == "zero-shot"
        else f"the images have no labels, so the model chooses among {evaluation.classes} class names, "
        "and images that it calls the target without a trigger are left out"
    )
    return (
        "ASR, attack success rate: the share of triggered images that the model calls the target; "
        f"{left_out}. Untriggered: the same share without the trigger. In brackets the 95 % Wilson interval. "
        '"(found)": no target was given, this is the class that the trigger pulls most images to.'
        + (f" {HOW_TO_READ_TEXTS}" if evaluation.text_triggers else "")
    )


def _training(training: Training) -> Iterator[str]:
    method = markdown(training.method)
    device, precision = markdown(training.device), markdown(training.precision)
    yield (
        f"{method}: {training.steps} steps of batch {training.batch_size}, {training.pairs_seen} pairs seen, "
        f"{training.seconds:.0f} s on {device} in {precision}{training.with_locked}."
    )
    if training.tau is not None:
        reached = {markdown(name): step for name, step in training.passed_tau().items()}
        yield bullets(
            f"{name} never reached tau = {training.tau:g}"
            if step is None
            else f"{name} reached tau = {training.tau:g} at step {step}"
            for name, step in reached.items()
        )
    if training.curves:
        first, last = training.curves[0], training.curves[-1]
        yield f"Loss {first.loss:.3f} at step {first.step}, {last.loss:.3f} at step {last.step}."
    if training.profile is not None:
        yield f"Where the time of {training.profile.updates} updates went, {training.profile.seconds:.1f} s:"
        yield table(profile_rows(training.profile))


def markdown_line(line: str) -> str:
    """A sentence of plain text as Markdown."""
    return markdown(line, 2000)


def _loop(loop: ClosedLoop) -> Iterator[str]:
    yield bullets(map(markdown_line, loop_lines(loop)))
    yield table(round_rows(loop))
    if rows := found_rows(loop):
        yield "Attack success of each inverted trigger with evidence:"
        yield table(rows)


def not_tested(report: Report) -> Iterator[str]:
    """What the verdict does not speak of, as lines of Markdown."""
    evaluation = report.evaluation
    if evaluation is None or not evaluation.attacks:
        yield "No trigger was measured, so nothing here speaks about any backdoor."
    else:
        yield "Triggers other than those in the table: a backdoor answers to its own trigger only."
    if evaluation is not None and any(not trigger.target_given for trigger in evaluation.attacks):
        yield "Targets other than the one found: without --target only the strongest class is counted."
    if evaluation is None or not evaluation.triggers:
        yield "Triggers in the image."
    if evaluation is None or not evaluation.text_triggers:
        yield "Triggers in the text."
    yield "Backdoors that aim at something else than the class of an image."
    if evaluation is None or evaluation.kind == "retrieval":
        yield "Accuracy on labelled images: no labelled set was given (--eval)."
    yield "Code hidden in the files: that is another verdict, given by `clipsan inspect`."


def _data(report: Report) -> Iterator[str]:
    if report.data is not None:
        yield from _pairs(report.data)
    if report.evaluation is not None:
        source, digest = markdown(report.evaluation.source), markdown(report.evaluation.digest)
        yield f"Evaluation: {report.evaluation.images} images of {source}, digest {digest}"
        yield from _skipped(report.evaluation.skipped)
    if report.data is None and report.evaluation is None:
        yield "No data was read."


def _pairs(data: Data) -> Iterator[str]:
    sources = ", ".join(markdown(source.source) for source in data.sources)
    yield (
        f"Pairs: {data.pairs_found} found in {sources}, {data.pairs_train} trained on, "
        f"{data.pairs_held_out} held out, digest {markdown(data.digest)}"
    )
    for source in data.sources:
        if _source_facts(source):
            facts = "; ".join(_source_facts(source))
            yield f"Source {markdown(source.source)}: {source.pairs} pairs; {markdown(facts, 2000)}"
    yield from _skipped(data.skipped)


def _source_facts(source: Source) -> list[str]:
    """What is not so by default."""
    facts = []
    if source.weight is not None:
        facts.append(f"weight {source.weight:g}")
    if source.revision is not None:
        facts.append(f"revision {source.revision}")
    if source.captions == "proposed":
        facts.append("captions proposed by the suspect where there were none")
    return facts


def _filter(filtered: Filter) -> Iterator[str]:
    asked = "" if filtered.reference is None else f"; {markdown(filtered.reference)} was asked too"
    yield f"{filtered.dropped} of {filtered.pairs} pairs were dropped before training{asked}."
    rows = [["Check", "Dropped", "Why"]]
    for check in filtered.checks:
        reasons = [f"{count} {reason}" for reason, count in list(check.reasons.items())[:_REASONS_SHOWN]]
        more = len(check.reasons) - _REASONS_SHOWN
        reasons += [f"{more} other reasons"] if more > 0 else []
        rows.append([check.name, str(check.dropped), "; ".join((*reasons, *check.notes))])
    yield table(rows)
    if filtered.sheet is not None:
        yield f"![Some of the dropped pairs, by check]({filtered.sheet})"
        yield "The picture stays in the output folder: `clipsan push` does not upload it."
    if filtered.items:
        yield bullets(
            f"{markdown(pair.name)}: {'; '.join(markdown(_reason(reason)) for reason in pair.reasons)}"
            for pair in filtered.items[:_SKIPPED_SHOWN]
        )
    if filtered.dropped > _SKIPPED_SHOWN:
        more = filtered.dropped - _SKIPPED_SHOWN
        yield f"… and {more} more dropped; report.json names the first {DROPPED_KEPT}"


def _reason(reason: DropReason) -> str:
    score = "" if reason.score is None else f", score {reason.score:.3g}"
    return f"{reason.reason} ({reason.check}{score})"


def _skipped(skipped: SkippedItems) -> Iterator[str]:
    for reason, count in skipped.reasons.items():
        yield f"Skipped {count}: {markdown(reason)}"
    for item in skipped.items[:_SKIPPED_SHOWN]:
        yield f"Skipped {markdown(item.name)}: {markdown(item.reason)}"
    if skipped.count > _SKIPPED_SHOWN:
        yield f"… and {skipped.count - _SKIPPED_SHOWN} more skipped; report.json names the first 100"


def _reproduce(report: Report) -> Iterator[str]:
    yield (
        f"`clipsan {report.command}` with seed {report.seed}, the settings below and files of the "
        "hashes above. Equal weights are promised on a CPU with the same versions."
    )
    # As JSON, so that text and numbers stay apart.
    settings = [[name, json.dumps(value)] for name, value in report.settings.items()]
    if settings:
        yield table([["Setting", "Value"], *settings])
    for trigger in report.evaluation.attacks if report.evaluation else ():
        yield f"Trigger {markdown(trigger.name)}: {markdown(json.dumps(trigger.settings), 2000)}"
    yield table([["Package", "Version"], *([name, version] for name, version in report.versions.items())])
