"""`clipsan triggers`."""

from __future__ import annotations

import json as json_module
import sys
from typing import Annotated

import typer
from rich.text import Text

from clipsan.cli import options
from clipsan.cli.output import Output


def triggers(
    trigger: Annotated[
        list[str] | None,
        typer.Option(
            "--trigger",
            metavar="NAME|FILE",
            help="Only this one: stripes, stripes:size=24,position=center, or a trigger file. Repeatable.",
        ),
    ] = None,
    image: Annotated[
        str | None,
        typer.Option("--image", metavar="FILE", help="Draw them on this image; on drawn scenes without it."),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Draw a contact sheet into this PNG. (default with --image: triggers.png)",
            show_default=False,
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            "--size",
            metavar="PX",
            help="Resolution of the model they go on. (default: 224)",
            show_default=False,
        ),
    ] = None,
    seed: options.Seed = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the PNG.", rich_help_panel=options.OUTPUT)
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="The list as JSON on stdout.", rich_help_panel=options.OUTPUT)
    ] = False,
    quiet: options.Quiet = False,
) -> None:
    """List the triggers that can be planted and measured, and show what they look like.

    Examples:

      clipsan triggers

      clipsan triggers --image photo.jpg --out triggers.png

      clipsan triggers --trigger stripes:size=24 --trigger mine/triggers.json --out triggers.png
    """
    output = Output(json=json, quiet=quiet, verbose=False)
    from clipsan.runs.triggers import show_triggers

    shown = show_triggers(trigger, image=image, out=out, size=size, seed=seed, overwrite=overwrite)
    if json:
        sys.stdout.write(json_module.dumps(shown.to_dict(), indent=2, ensure_ascii=False) + "\n")
        return
    if not quiet:
        for each in shown.triggers:
            output.words.print(Text(each.name, style="bold"))
            for line in each.lines(allowed=trigger is not None):
                output.sentence(line)
    if shown.sheet is not None:
        output.words.print(Text(f"Drawn into {shown.sheet}", style="bold"))
