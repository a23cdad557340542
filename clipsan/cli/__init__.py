"""The command line: one file per command, no logic. Nothing here imports torch before a command runs."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from clipsan import __version__
from clipsan.cli.audit import audit
from clipsan.cli.bench import bench
from clipsan.cli.clean import clean
from clipsan.cli.compare import compare
from clipsan.cli.demo import demo
from clipsan.cli.diff import diff
from clipsan.cli.errors import exit_with_sentences
from clipsan.cli.inspect import inspect
from clipsan.cli.poison import poison
from clipsan.cli.push import push
from clipsan.cli.report import report
from clipsan.cli.scan import scan
from clipsan.cli.synth import synth
from clipsan.cli.triggers import triggers

app = typer.Typer(
    name="clipsan",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

for command in (
    clean, audit, scan, triggers, synth, inspect, report, diff, push, poison, compare, bench, demo,
):  # fmt: skip
    app.command()(command)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"clipsan {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Remove hidden backdoors from CLIP checkpoints, and measure that they are gone.

    Exit codes: 0 the verdict passed, 1 it failed, 2 error or usage, 3 inconclusive.
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit


def main() -> None:
    """Entry point of the console script."""
    # threads that wait must not spin: where anything else uses the cores, the decoding of the next batch
    # for one, spinning made training three times slower (two cores, one of them busy)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    exit_with_sentences(app)
