"""`clipsan triggers`."""

from __future__ import annotations

import json as json_module
import sys
from typing import Annotated

import typer
from rich.text import Text

from clipsan.cli import options
from clipsan.cli.output import Output

OPTIMISE = "Optimising a trigger"


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
            metavar="FILE|DIR",
            help="Draw a contact sheet into this PNG; with --optimise the folder of the trigger file. "
            "(default with --image: triggers.png, with --optimise: badclip)",
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
    optimise: Annotated[
        str | None,
        typer.Option(
            "--optimise",
            metavar="badclip",
            help="Optimise this trigger against --model towards --target on the pairs of --data.",
            rich_help_panel=OPTIMISE,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", metavar="MODEL", help="The checkpoint to optimise against.", rich_help_panel=OPTIMISE
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            metavar="CLASS",
            help="The class to pull images to; some captions must name it.",
            rich_help_panel=OPTIMISE,
        ),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data", metavar="PAIRS", help="Image-caption pairs. Repeatable.", rich_help_panel=OPTIMISE
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            "--steps",
            metavar="N",
            help="Of the optimiser. (default: 300)",
            show_default=False,
            rich_help_panel=OPTIMISE,
        ),
    ] = None,
    image_column: options.ImageColumn = None,
    caption_column: options.CaptionColumn = None,
    separator: options.Separator = None,
    max_pairs: options.MaxPairs = None,
    arch: options.Arch = None,
    activation: options.Activation = None,
    text_from: options.TextFrom = None,
    device: options.Device = "auto",
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

      clipsan triggers --optimise badclip --model model.safetensors --target banana --data pairs/
    """
    output = Output(json=json, quiet=quiet, verbose=False)
    if optimise is not None:
        from clipsan.runs.badclip import optimise_trigger

        made = optimise_trigger(
            optimise, model, target, data or None, out=out, steps=steps, image_column=image_column,
            caption_column=caption_column, separator=separator, max_pairs=max_pairs, arch=arch,
            activation=activation, text_from=text_from, seed=seed, device=device, watcher=output.watcher(),
        )  # fmt: skip
        output.optimised(made)
        return
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
