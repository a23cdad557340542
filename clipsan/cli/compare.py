"""`clipsan compare`."""

from __future__ import annotations

from typing import Annotated

import typer

from clipsan.cli import comparing, options
from clipsan.cli.output import Output


def compare(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A checkpoint file, folder or hub name.")],
    data: options.Data,
    out: Annotated[
        str, typer.Option("--out", metavar="DIR", help="The folder to write, or to go on in.")
    ] = "comparison",
    methods: comparing.Methods = "par,cleanclip,roclip,finetune",
    tau: comparing.Taus = None,
    in_modal: comparing.InModals = None,
    lr_start: comparing.LrStarts = None,
    augment: comparing.Augments = None,
    seeds: comparing.Seeds = 1,
    keep: comparing.Keep = False,
    image_column: options.ImageColumn = None,
    caption_column: options.CaptionColumn = None,
    separator: options.Separator = None,
    max_pairs: options.MaxPairs = None,
    eval: options.Eval = None,
    classes: options.Classes = None,
    trigger: options.Trigger = None,
    target: options.Target = None,
    held_out: options.HeldOut = None,
    epochs: options.Epochs = None,
    steps: options.Steps = None,
    batch_size: options.TrainBatchSize = None,
    micro_batch: options.MicroBatch = None,
    batch_norm: options.BatchNorm = "frozen",
    lock: options.Lock = "none",
    precision: options.Precision = "auto",
    arch: options.Arch = None,
    activation: options.Activation = None,
    text_from: options.TextFrom = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Compare PAR, CleanCLIP, RoCLIP and plain fine-tuning on one model: accuracy against attack success.

    Stopped, it goes on where it was: cells that are finished are not run again.

    Examples:

      clipsan compare model.safetensors --data pairs/ --eval imagenet/ --trigger stripes --target banana

      clipsan compare model.safetensors --data pairs/ --eval imagenet/ --methods par,finetune --seeds 3
    """
    output = Output(json=json, quiet=quiet, verbose=verbose)
    from clipsan.runs.compare import compare as run

    result = run(
        model, data if len(data) > 1 else data[0],
        **comparing.grid(methods, tau, in_modal, lr_start, augment),
        seeds=seeds, keep=keep, out=out, image_column=image_column, caption_column=caption_column,
        separator=separator, max_pairs=max_pairs, eval=eval, classes=classes, trigger=trigger or (),
        target=target, held_out=held_out, epochs=epochs, steps=steps, batch_size=batch_size,
        micro_batch=micro_batch, batch_norm=batch_norm, lock=lock, precision=precision,
        arch=arch, activation=activation, text_from=text_from, seed=seed, device=device,
        overwrite=overwrite, watcher=output.watcher(),
    )  # fmt: skip
    output.compared(result.result, result.folder)
