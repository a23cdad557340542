"""A comparison of methods as rows, as Markdown and as a page with its trade-off curves."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from clipsan.evaluation.statistics import Rate
from clipsan.report.html import environment, style_sheet
from clipsan.report.measures import Spread
from clipsan.report.methods_compared import (
    COMPARE_JSON,
    SETTING_COLUMNS,
    Cell,
    MethodsCompared,
    compared_text,
    setting_cells,
    setting_of,
    setting_said,
)
from clipsan.report.tradeoff import trade_offs
from clipsan.report.whole_file import write_whole
from clipsan.report.wording import NOT_MEASURED, markdown, percent, printable, with_interval

HOW_TO_READ = (
    "Each line is one setting of one method: the same pairs, updates and seeds for all. With one seed, "
    "brackets hold the 95 % interval that the number of images allows; with more, the lowest and the "
    "highest seed around the mean. A star marks a setting that no other one beats in both clean accuracy and "
    "mean attack success rate."
)


def write_comparison(folder: Path, compared: MethodsCompared) -> None:
    """compare.json, compare.md and compare.html; all are made before one is written."""
    texts = {
        COMPARE_JSON: compared_text(compared),
        "compare.md": to_markdown(compared),
        "compare.html": to_html(compared),
    }
    for name, text in texts.items():
        write_whole(folder / name, text.encode("utf-8"))


def compared_rows(compared: MethodsCompared) -> list[list[str]]:
    """The suspect with its triggers and without, then a row for each setting; first the header. Plain text.

    Without a trigger "ASR" is the target's share on the same images: what no backdoor at all would score.
    """
    triggers = compared.suspect.triggers
    names = [f"{printable(t.name, 80)} → {printable(t.target or 'none found', 80)}" for t in triggers]
    mean = ["mean ASR"] if len(triggers) > 1 else []
    accuracy = "clean accuracy" if compared.kind == "zero-shot" else "image-to-text R@1"
    rows = [[*SETTING_COLUMNS, accuracy, *names, *mean, "front"]]
    blank = [""] * (len(SETTING_COLUMNS) - 1)
    suspect = [with_interval(t.asr) for t in triggers]
    average = compared.suspect.mean_asr
    if mean:
        suspect.append(NOT_MEASURED if average is None else percent(average))
    rows.append(["suspect", *blank, with_interval(compared.suspect.clean_accuracy), *suspect, ""])
    if triggers:
        without = [with_interval(t.base_rate) for t in triggers]
        rows.append(["suspect, no trigger", *blank, *without, *[""] * len(mean), ""])
    for summary in compared.summary:
        cells = [c for c in compared.cells if setting_of(c) == setting_of(summary) and c.measured is not None]
        rates = [
            _shown(spread, [c.measured.triggers[i].asr for c in cells if c.measured])
            for i, spread in enumerate(summary.asr)
        ] or [NOT_MEASURED] * len(triggers)
        if mean:
            rates.append(_shown(summary.mean_asr, []))
        accuracies = [c.measured.clean_accuracy for c in cells if c.measured]
        rows.append(
            [
                *setting_cells(summary), _shown(summary.clean_accuracy, accuracies), *rates,
                "★" if summary.front else "",
            ]
        )  # fmt: skip
    return rows


def failures(compared: MethodsCompared) -> list[str]:
    """A sentence for each cell that failed."""
    return [
        f"{cell_said(cell)}: {printable(cell.failed, 1000)}"
        for cell in compared.cells
        if cell.failed is not None
    ]


def cell_said(cell: Cell) -> str:
    """One cell in words."""
    return f"{setting_said(cell)}, seed {cell.seed}"


def to_markdown(compared: MethodsCompared) -> str:
    """compare.md."""
    header, *rows = compared_rows(compared)
    lines = [
        f"# Methods side by side on {markdown(compared.model.source)}",
        "",
        *(f"- {markdown(line, 2000)}" for line in facts(compared)),
        "",
        "| " + " | ".join(markdown(cell) for cell in header) + " |",
        "|" + "---|" * len(header),
        *("| " + " | ".join(markdown(cell) for cell in row) + " |" for row in rows),
        "",
        HOW_TO_READ,
    ]
    if failed := failures(compared):
        lines += ["", "Failed:", "", *(f"- {markdown(line, 2000)}" for line in failed)]
    return "\n".join(lines) + "\n"


def to_html(compared: MethodsCompared) -> str:
    """compare.html: one file without network or script."""
    style = style_sheet("report.css") + style_sheet("methods.css")
    page = environment().get_template("methods.html")
    return page.render(
        compared=compared,
        facts=facts(compared),
        rows=compared_rows(compared),
        charts=trade_offs(compared),
        failures=failures(compared),
        how_to_read=HOW_TO_READ,
        style=Markup(style),  # noqa: S704 files of this package
        style_hash=b64encode(hashlib.sha256(style.encode()).digest()).decode(),
    )


def facts(compared: MethodsCompared) -> list[str]:
    """What all settings have in common, a sentence each."""
    shared = compared.shared
    return [
        f"Model: {compared.model.source}, SHA-256 {compared.model.sha256}",
        f"Pairs: {shared.get('pairs_train')} of {shared.get('data')}, digest {shared.get('data_digest')}",
        f"Budget of each: {shared.get('steps')} updates of {shared.get('batch_size')} pairs; batch norm "
        f"{shared.get('batch_norm')}; the "
        "learning rate falls from lr to a tenth at half of the updates, then to 0",
        f"Measured on {compared.images} images of {compared.source}",
    ]


def _shown(spread: Spread | None, rates: Sequence[Rate]) -> str:
    """The only rate with its interval, or the mean with its range."""
    if spread is None:
        return NOT_MEASURED
    if len(rates) == 1:
        return with_interval(rates[0])
    if spread.lowest == spread.highest:
        return percent(spread.mean)
    return f"{percent(spread.mean)} [{100 * spread.lowest:.1f}, {100 * spread.highest:.1f}]"
