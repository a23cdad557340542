"""One output for all commands: data to stdout, words and progress to stderr."""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from clipsan.runs.watch import Watcher

if TYPE_CHECKING:
    from clipsan.checkpoint import Inspection
    from clipsan.report import Report
    from clipsan.report.benched import Bench
    from clipsan.report.methods_compared import MethodsCompared
    from clipsan.report.scan_record import ScanReport
    from clipsan.runs.badclip import OptimisedTrigger

WIDTH_OF_A_LOG = 160
VERDICT_STYLE = {"pass": "bold green", "fail": "bold red", "inconclusive": "bold yellow"}


class Output:
    """What a command prints, and its exit code."""

    def __init__(self, *, json: bool, quiet: bool, verbose: bool) -> None:
        """`json`: the report on stdout and no tables; `quiet`: no progress; `verbose`: also the evidence."""
        self.json = json
        self.quiet = quiet
        self.verbose = verbose
        width = None if sys.stderr.isatty() else WIDTH_OF_A_LOG
        self.words = Console(stderr=True, highlight=False, width=width)

    def watcher(self) -> Watcher:
        """Draws progress on stderr, unless it is to be quiet."""
        if self.quiet:
            return Watcher()
        from clipsan.cli.progress import ProgressWatcher

        return ProgressWatcher(self.words, self.verbose)

    def finish(self, report: Report, folder: Path | None, code: int | None = None) -> None:
        """Show a report and leave with `code`; None: the exit code of its verdict."""
        from clipsan.report import (
            accuracy_rows,
            exit_code,
            persistence_rows,
            profile_rows,
            pull_rows,
            repeat_rows,
            report_text,
            trigger_rows,
            verdict_lines,
        )

        if self.json:
            sys.stdout.write(report_text(report))
        else:
            tables = (accuracy_rows, trigger_rows, pull_rows, repeat_rows, persistence_rows)
            for rows in (rows_of(report) for rows_of in tables):
                if rows:
                    self.table(rows)
            if report.training is not None and report.training.profile is not None:
                self.table(profile_rows(report.training.profile))
            if report.loop is not None and report.loop.met:  # else it is a reason for the verdict
                self.sentence(report.loop.outcome)
            heading, *reasons = verdict_lines(report)
            self.words.print(Text(heading, style=VERDICT_STYLE[report.verdict.result]))
            for reason in reasons:
                self.sentence(reason)
            for warning in report.warnings:
                self.sentence(f"Note: {warning}", "yellow")
            if folder is not None:
                self.words.print(
                    Text(f"Written to {folder}/ (report.html, report.md, report.json)", style="dim")
                )
        raise typer.Exit(exit_code(report.verdict) if code is None else code)

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """Rows of plain text, the first being the header, on stderr."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column, name in enumerate(rows[0]):
            table.add_column(Text(name), justify="left" if column == 0 else "right", overflow="fold")
        for row in rows[1:]:
            table.add_row(*(Text(cell) for cell in row))
        self.words.print(table)
        self.words.print()

    def sentence(self, text: str, style: str = "") -> None:
        """An indented sentence, also where it wraps."""
        self.words.print(Padding(Text(text, style=style), (0, 0, 0, 2)))

    def compared(self, compared: MethodsCompared, folder: Path) -> None:
        """Show a comparison of methods."""
        from clipsan.report.methods_compared import compared_text
        from clipsan.report.methods_tables import compared_rows, failures

        if self.json:
            sys.stdout.write(compared_text(compared))
            return
        self.table(compared_rows(compared))
        for line in failures(compared):
            self.sentence(f"Failed: {line}", "yellow")
        self.words.print(Text(f"Written to {folder}/ (compare.html, compare.md, compare.json)", style="dim"))

    def benched(self, bench: Bench, folder: Path) -> None:
        """Show the comparisons of several victims."""
        from clipsan.report.benched import bench_rows, bench_text

        if self.json:
            sys.stdout.write(bench_text(bench))
            return
        self.table(bench_rows(bench))
        self.words.print(
            Text(f"Written to {folder}/ (bench.md, bench.json, a folder for each victim)", style="dim")
        )

    def story(self, lines: Sequence[str]) -> None:
        """Plain sentences, unless only data is wanted."""
        if not self.json:
            self.words.print(Text("\nWhat happened", style="bold"))
            for line in lines:
                self.sentence(line)
            self.words.print()

    def optimised(self, made: OptimisedTrigger) -> None:
        """Show a trigger that was optimised and where it was saved."""
        if self.json:
            sys.stdout.write(json_module.dumps(made.to_dict(), indent=2, ensure_ascii=False) + "\n")
            return
        for line in made.lines():
            self.sentence(line)
        self.words.print(Text(f"Saved as {made.file}", style="bold"))

    def scanned(self, report: ScanReport, folder: Path) -> None:
        """Show what a scan found; leaves with the exit code of its result."""
        from clipsan.report.json_file import report_text
        from clipsan.report.scan_markdown import HEADINGS, other_lines, refined_rows, rung_rows
        from clipsan.report.scan_record import EXIT_CODES
        from clipsan.report.wording import printable

        if self.json:
            sys.stdout.write(report_text(report))
        else:
            for rung in report.rungs:
                self.words.print(Text(rung.kind, style="bold"))
                self.table([[printable(cell) for cell in row] for row in rung_rows(rung)])
            for line in other_lines(report):
                self.sentence(printable(line, 1000))
            if report.refined:
                self.words.print(
                    Text("\nRefined within a wider bound, now that the class is known", style="bold")
                )
                self.table([[printable(cell) for cell in row] for row in refined_rows(report)])
            style = {"evidence": "fail", "no evidence found": "pass"}.get(report.result, "inconclusive")
            self.words.print(Text(f"\n{HEADINGS[report.result]}", style=VERDICT_STYLE[style]))
            for reason in report.reasons:
                self.sentence(printable(reason, 1000))
            for warning in report.warnings:
                self.sentence(f"Note: {warning}", "yellow")
            self.words.print(Text(f"Written to {folder}/ (scan.md, scan.json, triggers.json)", style="dim"))
        raise typer.Exit(EXIT_CODES[report.result])

    def inspection(self, found: Inspection) -> None:
        """Show what a file is; leaves with 1 when it holds unsafe content."""
        if self.json:
            sys.stdout.write(json_module.dumps(found.to_dict(), indent=2, ensure_ascii=False) + "\n")
        else:
            for name, value in inspection_rows(found):
                self.words.print(Text.assemble((f"{name:<16}", "bold"), value))
        raise typer.Exit(1 if found.unsafe else 0)


def inspection_rows(found: Inspection) -> list[tuple[str, str]]:
    """What is known of a file, as (name, words)."""
    from clipsan.report.wording import printable

    size = "not known" if found.image_size is None else f"{found.image_size[0]} x {found.image_size[1]} px"
    rows = [
        ("source", found.source),
        ("format", found.format),
        ("weights", f"{found.path} ({found.size:,} bytes)"),
        ("SHA-256", found.sha256 or "not known"),
        ("revision", found.revision or ""),
        ("architecture", found.architecture or "not known"),
        ("images", size),
        ("context", "not known" if found.context_length is None else f"{found.context_length} tokens"),
        ("activation", f"{found.activation or 'not known'} ({found.activation_reason.split(': ', 1)[-1]})"),
        ("parameters", "not known" if found.parameters is None else f"{found.parameters:,}"),
        ("dtypes", ", ".join(f"{name}: {count:,}" for name, count in found.dtypes.items())),
        *(("fits alike", label) for label in found.candidates),
        *(("evidence", line) for line in found.evidence),
        *(("metadata", f"{name}: {value}") for name, value in found.metadata.items()),
        *(("unsafe", line) for line in found.unsafe),
        (
            "unsafe",
            "" if found.unsafe else "no code found in the file (a backdoor in weights cannot be seen here)",
        ),
        ("problem", found.problem or ""),
    ]
    return [(name, printable(value, 500)) for name, value in rows if value]
