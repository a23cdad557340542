"""`clipsan bench`."""

from __future__ import annotations

from typing import Annotated

import typer

from clipsan.cli import comparing, options
from clipsan.cli.output import Output


def bench(
    folder: Annotated[
        str, typer.Argument(metavar="DIR", help="Holds a folder for each victim, with its triggers.json.")
    ],
    data: options.Data,
    out: Annotated[
        str, typer.Option("--out", metavar="DIR", help="The folder to write, or to go on in.")
    ] = "bench",
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
    seed: options.Seed = 0,
    device: options.Device = "auto",
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Compare methods on every victim in a folder: victims × methods × triggers in one table.

    Stopped, it goes on where it was: cells that are finished are not run again.

    Example:

      clipsan bench victims/ --data pairs/ --eval imagenet/ --lr-start 1e-3 --steps 160 --batch-size 256
    """
    output = Output(json=json, quiet=quiet, verbose=verbose)
    from clipsan.runs.bench import bench as run

    result = run(
        folder, data if len(data) > 1 else data[0],
        **comparing.grid(methods, tau, in_modal, lr_start, augment),
        seeds=seeds, keep=keep, out=out, image_column=image_column, caption_column=caption_column,
        separator=separator, max_pairs=max_pairs, eval=eval, classes=classes, trigger=trigger or (),
        target=target, held_out=held_out, epochs=epochs, steps=steps, batch_size=batch_size,
        micro_batch=micro_batch, batch_norm=batch_norm, lock=lock, precision=precision,
        seed=seed, device=device, overwrite=overwrite, watcher=output.watcher(),
    )  # fmt: skip
    output.benched(result.result, result.folder)
