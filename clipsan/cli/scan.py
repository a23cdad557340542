"""`clipsan scan`."""

from __future__ import annotations

from typing import Annotated

import typer

from clipsan.cli import options
from clipsan.cli.output import Output
from clipsan.cli.together import together


def scan(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The checkpoint to look into.")],
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            metavar="IMAGES",
            help="Images; captions are not needed. Drawn scenes without it. Repeatable.",
        ),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            "--classes", metavar="FILE", help="Possible targets, a class name a line; ImageNet's without it."
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            "--reference",
            metavar="MODEL",
            help="A model of the same kind to compare with: one that you trust, or what `clipsan clean` "
            "made of this one.",
        ),
    ] = None,
    effort: Annotated[
        str, typer.Option("--effort", metavar="quick|normal|thorough", help="How hard to try.")
    ] = "normal",
    image_column: options.ImageColumn = None,
    caption_column: options.CaptionColumn = None,
    separator: options.Separator = None,
    max_pairs: options.MaxPairs = None,
    out: Annotated[
        str,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Folder for the evidence and the triggers.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = "scan",
    arch: options.Arch = None,
    activation: options.Activation = None,
    text_from: options.TextFrom = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    gpus: options.Gpus = 1,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Look for a backdoor without knowing a trigger.

    Exit codes: 0 no evidence found, 1 evidence, 2 error or usage, 3 inconclusive.

    Examples:

      clipsan scan model.safetensors --data photos/ --classes names.txt

      clipsan scan model.safetensors --data photos/ --classes names.txt --reference cleaned/

      clipsan scan model.safetensors --reference ViT-B-32/openai --effort thorough --gpus 4
    """
    output = Output(json=json, quiet=quiet, verbose=verbose)
    from clipsan.runs.scan import scan as run

    result = together(
        gpus, device, output,
        lambda own, watcher, processes: run(
            model, data=data or None, classes=classes, reference=reference, effort=effort,
            image_column=image_column, caption_column=caption_column, separator=separator,
            max_pairs=max_pairs, out=out, arch=arch, activation=activation, text_from=text_from, seed=seed,
            device=own, overwrite=overwrite, watcher=watcher, processes=processes,
        ),
    )  # fmt: skip
    output.scanned(result.report, result.folder)
