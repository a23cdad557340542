"""`clipsan demo`."""

from __future__ import annotations

from typing import Annotated

import typer

from clipsan.cli import options
from clipsan.cli.output import Output


def demo(
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="The folder to write.")] = "clipsan-demo",
    seed: options.Seed = 0,
    device: options.Device = "cpu",
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Plant backdoors in a small CLIP, remove them, and show it: offline, in minutes, on a CPU."""
    output = Output(json=json, quiet=quiet, verbose=verbose)
    from clipsan.runs.demo import demo as run

    result = run(out=out, seed=seed, device=device, overwrite=overwrite, watcher=output.watcher())
    output.story(result.story)
    output.finish(result.report, result.folder / "cleaned")
