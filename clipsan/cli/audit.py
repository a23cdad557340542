"""`clipsan audit`."""

from __future__ import annotations

from typing import Annotated

import typer

from clipsan.cli import options
from clipsan.cli.output import Output
from clipsan.cli.together import together


def audit(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL]", help="A checkpoint; without it the last output folder, before and after."
        ),
    ] = None,
    trigger: options.Trigger = None,
    target: options.Target = None,
    eval: options.Eval = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            metavar="PAIRS",
            help="Pairs to measure on where there is no labelled set. Repeatable.",
            rich_help_panel=options.MEASURE,
        ),
    ] = None,
    image_column: options.ImageColumn = None,
    caption_column: options.CaptionColumn = None,
    separator: options.Separator = None,
    max_pairs: options.MaxPairs = None,
    classes: options.Classes = None,
    max_asr: options.MaxAsr = 10.0,
    max_drop: options.MaxDrop = 5.0,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Images embedded at once.")] = 256,
    repeats: Annotated[
        int,
        typer.Option(
            "--repeats",
            metavar="N",
            min=1,
            help="Draw the random places of triggers N times and show the spread.",
            rich_help_panel=options.MEASURE,
        ),
    ] = 1,
    vary: Annotated[
        bool,
        typer.Option(
            "--vary",
            help="Also try each trigger elsewhere, larger, stronger, recoloured, re-encoded.",
            rich_help_panel=options.MEASURE,
        ),
    ] = False,
    persist: Annotated[
        bool,
        typer.Option(
            "--persist",
            help="Also measure after a short benign fine-tuning of a copy, on --data.",
            rich_help_panel=options.MEASURE,
        ),
    ] = False,
    persist_steps: Annotated[
        int,
        typer.Option(
            "--persist-steps", metavar="N", min=1, help="Its updates.", rich_help_panel=options.MEASURE
        ),
    ] = 300,
    persist_lr: Annotated[
        float,
        typer.Option(
            "--persist-lr", metavar="RATE", help="Its learning rate.", rich_help_panel=options.MEASURE
        ),
    ] = 1e-6,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Also write the report to this folder.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    arch: options.Arch = None,
    activation: options.Activation = None,
    text_from: options.TextFrom = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    gpus: options.Gpus = 1,
    no_gallery: options.NoGallery = False,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Measure clean accuracy and attack success rate.

    Examples:

      clipsan audit --trigger stripes

      clipsan audit model.safetensors --eval imagenet/ --trigger stripes --trigger blended --target banana

      clipsan audit --trigger triggers.json --vary --persist --out audited
    """
    output = Output(json=json, quiet=quiet, verbose=verbose)
    from clipsan.runs.audit import audit as run

    result = together(
        gpus, device, output,
        lambda own, watcher, processes: run(
            model, trigger=trigger or (), target=target, eval=eval, data=data or None,
            image_column=image_column, caption_column=caption_column, separator=separator,
            max_pairs=max_pairs, classes=classes, max_asr=max_asr, max_drop=max_drop, batch_size=batch_size,
            repeats=repeats, vary=vary, persist=persist, persist_steps=persist_steps, persist_lr=persist_lr,
            out=out, arch=arch, activation=activation, text_from=text_from, seed=seed, device=own,
            no_gallery=no_gallery, overwrite=overwrite, watcher=watcher, processes=processes,
        ),
    )  # fmt: skip
    output.finish(result.report, result.folder)
