"""`clipsan inspect`."""

from __future__ import annotations

from typing import Annotated

import typer

from clipsan.cli import options
from clipsan.cli.output import Output


def inspect(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A checkpoint file, folder or hub name.")],
    text_from: options.TextFrom = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Say what a checkpoint is: format, architecture, hash, unsafe content. Loads nothing unsafe.

    Example:

      clipsan inspect model.safetensors
    """
    output = Output(json=json, quiet=quiet, verbose=False)
    from clipsan.runs.inspect import inspect as run

    output.inspection(run(model, text_from=text_from))
