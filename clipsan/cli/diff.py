"""`clipsan diff`."""

from __future__ import annotations

import json as json_module
import sys
from typing import Annotated

import typer

from clipsan.cli import options
from clipsan.cli.output import VERDICT_STYLE, Output


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="A folder that clipsan wrote, or a report.json.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another one.")],
    json: Annotated[
        bool, typer.Option("--json", help="The comparison as JSON on stdout.", rich_help_panel=options.OUTPUT)
    ] = False,
) -> None:
    """Compare two reports: clean accuracy, attack success rates, and settings that differ.

    Example:

      clipsan diff cleaned cleaned-longer
    """
    output = Output(json=json, quiet=True, verbose=False)
    from clipsan.report import difference_rows, measure_rows
    from clipsan.runs.reports import diff as run

    compared = run(a, b)
    if json:
        sys.stdout.write(json_module.dumps(compared.to_dict(), indent=2, ensure_ascii=True) + "\n")
        return
    for rows in (measure_rows(compared), difference_rows(compared)):
        if rows:
            output.table(rows)
    for name, verdict in zip("AB", compared.verdicts, strict=True):
        output.sentence(f"Verdict of {name}: {verdict}", VERDICT_STYLE[verdict])
    for note in compared.notes:
        output.sentence(f"Note: {note}", "yellow")
