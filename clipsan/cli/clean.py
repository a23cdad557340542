"""`clipsan clean`."""

from __future__ import annotations

from typing import Annotated

import typer

from clipsan.cli import options
from clipsan.cli.errors import saying_what_is_kept
from clipsan.cli.output import Output

_TRAIN = options.TRAIN


@saying_what_is_kept
def clean(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A checkpoint file, folder or hub name.")],
    data: options.Data,
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="The folder to write.")] = "cleaned",
    weight: Annotated[
        list[float] | None,
        typer.Option(
            "--weight",
            metavar="W",
            help="Share of each --data in the stream, one for each in their order. (default: each pair "
            "once an epoch)",
            show_default=False,
            rich_help_panel=options.PAIRS,
        ),
    ] = None,
    image_column: options.ImageColumn = None,
    caption_column: options.CaptionColumn = None,
    separator: options.Separator = None,
    max_pairs: options.MaxPairs = None,
    captions_from: Annotated[
        str | None,
        typer.Option(
            "--captions-from",
            metavar="suspect",
            help="Take images without captions; the suspect proposes them over --classes, at a risk.",
            rich_help_panel=options.PAIRS,
        ),
    ] = None,
    eval: options.Eval = None,
    classes: options.Classes = None,
    trigger: options.Trigger = None,
    target: options.Target = None,
    max_asr: options.MaxAsr = 10.0,
    max_drop: options.MaxDrop = 5.0,
    held_out: options.HeldOut = None,
    filter: Annotated[
        str,
        typer.Option(
            "--filter",
            metavar="all|none|LIST",
            help="Drop pairs that should not clean a model. Of images, captions, duplicates, boilerplate, "
            "pattern, patch, match, density.",
            rich_help_panel=_TRAIN,
        ),
    ] = "none",
    filter_reference: Annotated[
        str | None,
        typer.Option(
            "--filter-reference",
            metavar="MODEL",
            help="A CLIP that is trusted more, to ask whether image and text match.",
            rich_help_panel=_TRAIN,
        ),
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            "--method",
            metavar="par|finetune",
            help="finetune: the control without PAR's term.",
            rich_help_panel=_TRAIN,
        ),
    ] = "par",
    tau: Annotated[
        float,
        typer.Option(
            "--tau",
            help="PAR pushes embeddings apart until their squared distance S passes tau.",
            rich_help_panel=_TRAIN,
        ),
    ] = 2.15,
    lr_start: Annotated[
        float, typer.Option("--lr-start", help="Learning rate of the first update.", rich_help_panel=_TRAIN)
    ] = 3e-5,
    lr: Annotated[
        float,
        typer.Option(
            "--lr",
            help="Learning rate at half of the updates; a cosine to 0 follows.",
            rich_help_panel=_TRAIN,
        ),
    ] = 3e-6,
    epochs: Annotated[
        float | None,
        typer.Option(
            "--epochs",
            help="Passes over the pairs. (default: 2, at least 244 updates)",
            show_default=False,
            rich_help_panel=_TRAIN,
        ),
    ] = None,
    steps: options.Steps = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            "--batch-size",
            help="Pairs in one loss. (default: 2048, fewer where pairs are few)",
            show_default=False,
            rich_help_panel=_TRAIN,
        ),
    ] = None,
    micro_batch: options.MicroBatch = 256,
    batch_norm: options.BatchNorm = "frozen",
    precision: options.Precision = "auto",
    save_every: options.SaveEvery = None,
    augment: Annotated[
        str,
        typer.Option(
            "--augment",
            metavar="LIST",
            help="Of brightening-noise, erase, flip; 'none' for none.",
            rich_help_panel=_TRAIN,
        ),
    ] = "brightening-noise,erase",
    arch: options.Arch = None,
    activation: options.Activation = None,
    text_from: options.TextFrom = None,
    format: options.Format = "same",
    dtype: options.Dtype = "keep",
    seed: options.Seed = 0,
    device: options.Device = "auto",
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Clean a suspect checkpoint with PAR and write a drop-in replacement with a report.

    Examples:

      clipsan clean model.safetensors --data synth/

      clipsan clean hf-hub:org/name --data pairs/ --eval imagenet/ --trigger stripes --target banana

      clipsan clean model.safetensors --data 'cc3m/{00000..00331}.tar' --data synth/ --weight 3 --weight 1
    """
    output = Output(json=json, quiet=quiet, verbose=verbose)
    from clipsan.runs.clean import clean as run

    result = run(
        model, data if len(data) > 1 else data[0], weight=weight or (), image_column=image_column,
        caption_column=caption_column, separator=separator, max_pairs=max_pairs,
        captions_from=captions_from, out=out, eval=eval, classes=classes, trigger=trigger or (),
        target=target, max_asr=max_asr, max_drop=max_drop, held_out=held_out, filter=filter,
        filter_reference=filter_reference, method=method, tau=tau, lr_start=lr_start, lr=lr,
        epochs=epochs, steps=steps, batch_size=batch_size, micro_batch=micro_batch,
        batch_norm=batch_norm, precision=precision,
        augment=[] if augment == "none" else [name.strip() for name in augment.split(",")],
        arch=arch, activation=activation, text_from=text_from, format=format, dtype=dtype,
        seed=seed, device=device, save_every=save_every, overwrite=overwrite,
        watcher=output.watcher(),
    )  # fmt: skip
    output.finish(result.report, result.folder)
