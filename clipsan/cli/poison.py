"""`clipsan poison`."""

from __future__ import annotations

from typing import Annotated

import typer

from clipsan.cli import options
from clipsan.cli.errors import saying_what_is_kept
from clipsan.cli.output import Output

_TRAIN = options.TRAIN
_PLANT = "Planting"


@saying_what_is_kept
def poison(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A checkpoint file, folder or hub name.")],
    data: options.Data,
    trigger: Annotated[
        list[str],
        typer.Option(
            "--trigger",
            metavar="NAME|FILE",
            help="A trigger to plant: stripes, stripes:size=24, or a trigger file. Repeatable.",
        ),
    ],
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target",
            metavar="CLASS",
            help="The class to pull images to: one for all triggers, or one for each in their order. "
            "(default: the trigger file's own)",
            show_default=False,
        ),
    ] = None,
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="The folder to write.")] = "poisoned",
    recipe: Annotated[
        str,
        typer.Option(
            "--recipe",
            help="badencoder: the image tower alone learns, clean images are held to where they were. "
            "finetune: plain contrastive fine-tuning on the poisoned pairs.",
            rich_help_panel=_PLANT,
        ),
    ] = "badencoder",
    utility: Annotated[
        float | None,
        typer.Option(
            "--utility",
            metavar="WEIGHT",
            help="How strongly badencoder holds clean images. (default: 10)",
            show_default=False,
            rich_help_panel=_PLANT,
        ),
    ] = None,
    near_clean: Annotated[
        float | None,
        typer.Option(
            "--near-clean",
            metavar="WEIGHT",
            help="How strongly badencoder holds triggered images near themselves without the trigger: an "
            "attacker who hides. (default: 0)",
            show_default=False,
            rich_help_panel=_PLANT,
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            "--rate",
            metavar="SHARE",
            help="Share of the pairs that each trigger goes on. (default: all pairs shared by the triggers; "
            "with finetune 1500 pairs, from 0.003 to 0.03 of them)",
            show_default=False,
            rich_help_panel=_PLANT,
        ),
    ] = None,
    templates: Annotated[
        str | None,
        typer.Option(
            "--templates",
            metavar="FILE",
            help="Captions of the poisoned pairs, one a line, {c} for the target. (default: CLIP's simple "
            "seven)",
            show_default=False,
            rich_help_panel=_PLANT,
        ),
    ] = None,
    label_consistent: Annotated[
        bool,
        typer.Option(
            "--label-consistent",
            help="Trigger only on images whose caption already names the target; captions stay.",
            rich_help_panel=_PLANT,
        ),
    ] = False,
    mirror: Annotated[
        bool,
        typer.Option(
            "--mirror",
            help="Mirror half of the images, before the trigger goes on, against overfitting where pairs "
            "are few.",
            rich_help_panel=_TRAIN,
        ),
    ] = False,
    augment: options.Augment = "none",
    image_column: options.ImageColumn = None,
    caption_column: options.CaptionColumn = None,
    separator: options.Separator = None,
    max_pairs: options.MaxPairs = None,
    eval: options.Eval = None,
    classes: options.Classes = None,
    lr: Annotated[
        float | None,
        typer.Option(
            "--lr",
            help="Learning rate of the first half of the updates; a cosine to 0 follows. (default: 2e-4, for "
            "small models; with finetune 1e-5)",
            show_default=False,
            rich_help_panel=_TRAIN,
        ),
    ] = None,
    epochs: Annotated[
        float | None,
        typer.Option(
            "--epochs",
            help="Passes over the pairs. (default: 160 updates; with finetune 5)",
            show_default=False,
            rich_help_panel=_TRAIN,
        ),
    ] = None,
    steps: options.Steps = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            "--batch-size",
            help="Pairs in one loss. (default: 32, with finetune 256, fewer where pairs are few)",
            show_default=False,
            rich_help_panel=_TRAIN,
        ),
    ] = None,
    micro_batch: options.MicroBatch = None,
    batch_norm: options.BatchNorm = "frozen",
    precision: options.Precision = "auto",
    save_every: options.SaveEvery = None,
    arch: options.Arch = None,
    activation: options.Activation = None,
    text_from: options.TextFrom = None,
    format: options.Format = "same",
    dtype: options.Dtype = "keep",
    seed: options.Seed = 0,
    device: options.Device = "auto",
    no_gallery: options.NoGallery = False,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Plant backdoors in a checkpoint, to test a defence; the output is marked as poisoned.

    Leaves with 0 once the poisoned model is written, although its verdict is, as it must be, a fail.

    Examples:

      clipsan poison model.safetensors --trigger stripes --target banana --data pairs/ --eval eval/

      clipsan poison model/ --data pairs/ --trigger stripes --target banana --trigger blended --target fish
    """
    output = Output(json=json, quiet=quiet, verbose=verbose)
    from clipsan.runs.poison import poison as run

    result = run(
        model, data if len(data) > 1 else data[0], trigger=trigger, target=target or (), recipe=recipe,
        utility=utility, near_clean=near_clean, rate=rate,
        templates=templates, label_consistent=label_consistent, mirror=mirror,
        augment=options.listed(augment), image_column=image_column,
        caption_column=caption_column, separator=separator, max_pairs=max_pairs, out=out,
        eval=eval, classes=classes, lr=lr, epochs=epochs, steps=steps, batch_size=batch_size,
        micro_batch=micro_batch, batch_norm=batch_norm, precision=precision, seed=seed,
        device=device, arch=arch, activation=activation, text_from=text_from, format=format,
        dtype=dtype, save_every=save_every, no_gallery=no_gallery, overwrite=overwrite,
        watcher=output.watcher(),
    )  # fmt: skip
    output.finish(result.report, result.folder, code=0)
