"""`clipsan synth`."""

from __future__ import annotations

import json as json_module
import sys
from typing import Annotated

import typer
from rich.text import Text

from clipsan.cli import options
from clipsan.cli.errors import Interrupted
from clipsan.cli.output import Output


def synth(
    out: Annotated[
        str, typer.Option("--out", metavar="DIR", help="The folder to write; a run that was stopped goes on.")
    ] = "synth",
    num: Annotated[int, typer.Option("--num", metavar="N", help="Pairs to make.")] = 1000,
    seed: options.Seed = 0,
    size: Annotated[
        int, typer.Option("--size", metavar="PIXELS", help="Height and width of the images.")
    ] = 224,
    concepts: Annotated[
        str | None,
        typer.Option(
            "--concepts",
            metavar="FILE|SET|imagenet",
            help="What the pairs are about: names, one a line; or the classes of a labelled set. "
            "All that can be drawn without it.",
        ),
    ] = None,
    only_drawable: Annotated[
        bool, typer.Option("--only-drawable", help="Leave out, and name, concepts that cannot be drawn.")
    ] = False,
    maker: Annotated[
        str,
        typer.Option("--maker", metavar="scenes", help="Who makes the images: scenes draws them, offline."),
    ] = "scenes",
    image_format: Annotated[
        str, typer.Option("--image-format", metavar="jpg|png", help="How images are stored.")
    ] = "jpg",
    json: Annotated[
        bool, typer.Option("--json", help="What was made as JSON on stdout.", rich_help_panel=options.OUTPUT)
    ] = False,
    quiet: options.Quiet = False,
) -> None:
    """Make image-caption pairs from a list of concepts, to clean a model with when you have none.

    Examples:

      clipsan synth --out synth/ --num 20000 --seed 1

      clipsan synth --out synth/ --num 20000 --concepts classes.txt --only-drawable
    """
    output = Output(json=json, quiet=quiet, verbose=False)
    from clipsan.runs.synth import synth as run

    try:
        made = run(
            out, num=num, seed=seed, size=size, concepts=concepts, maker=maker, image_format=image_format,
            only_drawable=only_drawable, watcher=output.watcher(),
        )  # fmt: skip
    except KeyboardInterrupt:
        raise Interrupted("run the same command again to go on; what was made is kept.") from None
    if json:
        sys.stdout.write(json_module.dumps(made.to_dict(), indent=2, ensure_ascii=False) + "\n")
        return
    notes = [f"{made.resumed} were there already"] if made.resumed else []
    notes += [f"{made.dropped} dropped by the judge"] if made.dropped else []
    heading = f"{made.written} pairs in {made.folder}/" + (f" ({', '.join(notes)})" if notes else "")
    output.words.print(Text(heading, style="bold"))
    output.sentence(f"Look at {made.folder}/contact-sheet.png; use them with --data {made.folder}/", "dim")
