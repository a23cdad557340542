"""`clipsan report`."""

from __future__ import annotations

from typing import Annotated

import typer

from clipsan.cli import options
from clipsan.cli.output import Output


def report(
    folder: Annotated[
        str | None,
        typer.Argument(
            metavar="[DIR]", help="A folder with a report.json; without it the last output folder."
        ),
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Write report.md and report.html again from report.json, and show the result.

    Example:

      clipsan report cleaned
    """
    output = Output(json=json, quiet=quiet, verbose=False)
    from clipsan.runs.reports import rebuild_report

    done = rebuild_report(folder)
    output.finish(done.report, done.folder)
