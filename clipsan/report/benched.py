"""bench.json and bench.md: the comparisons of several victims in one table. No torch here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from clipsan.report.measures import Spread
from clipsan.report.methods_compared import SETTING_COLUMNS, MethodsCompared, Summary, setting_cells
from clipsan.report.record import Record
from clipsan.report.whole_file import write_whole
from clipsan.report.wording import NOT_MEASURED, markdown, percent, printable

BENCH_JSON = "bench.json"
HOW_TO_READ = (
    "Each line is one setting of one method: the same pairs, updates and seeds for all. Mean and worst are "
    "over the triggers; with several seeds, brackets hold the lowest and the highest around their mean. A "
    "star marks a setting that no other one of the same victim beats in both clean accuracy and mean attack "
    "success rate. Intervals, and every trigger by itself, stand in the folder of the victim."
)


@dataclass(frozen=True)
class Victim(Record):
    """One model of the bench, by the name of its folder."""

    name: str
    compared: MethodsCompared


@dataclass(frozen=True, kw_only=True)
class Bench(Record):
    """All victims that are done. No dates: equal runs give equal files but for the seconds."""

    schema_version: Literal["1.0"] = "1.0"
    command: Literal["bench"] = "bench"
    victims: tuple[Victim, ...]
    skipped: tuple[str, ...]  # folders that hold no model


def bench_text(bench: Bench) -> str:
    """bench.json, ending in a newline."""
    return json.dumps(bench.to_dict(), indent=2, ensure_ascii=True, allow_nan=False) + "\n"


def write_bench(folder: Path, bench: Bench) -> None:
    """bench.json and bench.md; both are made before one is written."""
    header, *rows = bench_rows(bench)
    lines = [
        "# Victims and methods",
        "",
        "| " + " | ".join(header) + " |",
        "|" + "---|" * len(header),
        *("| " + " | ".join(markdown(cell) for cell in row) + " |" for row in rows),
        "",
        HOW_TO_READ,
    ]
    texts = {BENCH_JSON: bench_text(bench), "bench.md": "\n".join(lines) + "\n"}
    for name, text in texts.items():
        write_whole(folder / name, text.encode("utf-8"))


def bench_rows(bench: Bench) -> list[list[str]]:
    """For each victim the suspect, then a row for each setting; the first row is the header. Plain text."""
    rows = [["Victim", *SETTING_COLUMNS, "clean accuracy", "mean ASR", "worst ASR", "front"]]
    for victim in bench.victims:
        name, suspect = printable(victim.name, 80), victim.compared.suspect
        worst = max((t.asr.rate or 0.0 for t in suspect.triggers), default=None)
        shares = (suspect.clean_accuracy.rate, suspect.mean_asr, worst)
        rows.append([name, "suspect", *[""] * (len(SETTING_COLUMNS) - 1), *map(_share, shares), ""])
        rows += [[name, *_row(summary)] for summary in victim.compared.summary]
    return rows


def _row(summary: Summary) -> list[str]:
    worst = max(summary.asr, key=lambda spread: spread.mean, default=None)
    spreads = (summary.clean_accuracy, summary.mean_asr, worst)
    return [*setting_cells(summary), *map(_spread, spreads), "★" if summary.front else ""]


def _share(share: float | None) -> str:
    return NOT_MEASURED if share is None else percent(share)


def _spread(spread: Spread | None) -> str:
    if spread is None or spread.lowest == spread.highest:
        return _share(None if spread is None else spread.mean)
    return f"{percent(spread.mean)} [{100 * spread.lowest:.1f}, {100 * spread.highest:.1f}]"
