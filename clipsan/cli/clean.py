"""`clipsan clean`."""

from __future__ import annotations

from typing import Annotated

import typer

from clipsan.cli import options
from clipsan.cli.errors import saying_what_is_kept
from clipsan.cli.output import Output
from clipsan.cli.together import together

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
            metavar="par|cleanclip|roclip|finetune",
            help="finetune: the control, the contrastive loss alone.",
            rich_help_panel=_TRAIN,
        ),
    ] = "par",
    tau: Annotated[
        str,
        typer.Option(
            "--tau",
            metavar="NUMBER|auto",
            help="PAR pushes embeddings apart until their squared distance S passes tau; auto: by a probe.",
            rich_help_panel=_TRAIN,
        ),
    ] = "2.15",
    in_modal: options.InModal = None,
    pool: options.Pool = None,
    match_every: options.MatchEvery = None,
    lr_start: Annotated[
        float, typer.Option("--lr-start", help="Learning rate of the first update.", rich_help_panel=_TRAIN)
    ] = 3e-5,
    lr: Annotated[
        str,
        typer.Option(
            "--lr",
            metavar="NUMBER|auto",
            help="Learning rate at half of the updates; a cosine to 0 follows. auto: both rates by a probe.",
            rich_help_panel=_TRAIN,
        ),
    ] = "3e-06",
    epochs: options.Epochs = None,
    steps: options.Steps = None,
    batch_size: options.TrainBatchSize = None,
    micro_batch: options.MicroBatch = None,
    batch_norm: options.BatchNorm = "frozen",
    lock: Annotated[
        str | None,
        typer.Option(
            "--lock",
            metavar="none|text|image",
            help="A tower that keeps the suspect's weights. (default: none; --until locks the text first)",
            show_default=False,
            rich_help_panel=_TRAIN,
        ),
    ] = None,
    precision: options.Precision = "auto",
    save_every: options.SaveEvery = None,
    augment: Annotated[
        str | None,
        typer.Option(
            "--augment",
            metavar="LIST",
            help="Of brightening-noise, erase, flip, patterns; 'none' for none. (default: "
            "brightening-noise,erase; with --until flip,patterns)",
            show_default=False,
            rich_help_panel=_TRAIN,
        ),
    ] = None,
    cache_images: Annotated[
        str,
        typer.Option(
            "--cache-images",
            metavar="auto|memory|disk|none",
            help="Keep decoded images for later epochs. auto: in memory, where 2 GiB hold all.",
            rich_help_panel=_TRAIN,
        ),
    ] = "auto",
    profile: Annotated[
        bool,
        typer.Option(
            "--profile",
            help="Report where the training's time goes; on a GPU it then takes longer.",
            rich_help_panel=_TRAIN,
        ),
    ] = False,
    until: Annotated[
        str | None,
        typer.Option(
            "--until",
            metavar="BUDGET",
            help="Scan and clean in rounds until a budget such as asr<=5%,drop<=3 is met; saves no states.",
            rich_help_panel=_TRAIN,
        ),
    ] = None,
    effort: Annotated[
        str | None,
        typer.Option(
            "--effort",
            metavar="N|quick|normal|thorough",
            help="Rounds that --until may take: 1, 3, 6 or N. (default: normal)",
            show_default=False,
            rich_help_panel=_TRAIN,
        ),
    ] = None,
    counter: Annotated[
        list[str] | None,
        typer.Option(
            "--counter",
            metavar="NAME|FILE",
            help="A trigger to stamp on training images, which keep their captions. Repeatable.",
            rich_help_panel=_TRAIN,
        ),
    ] = None,
    counter_share: Annotated[
        float,
        typer.Option("--counter-share", help="Share of the images that carry one.", rich_help_panel=_TRAIN),
    ] = 0.5,
    counter_pull: Annotated[
        float,
        typer.Option(
            "--counter-pull",
            help="Weight of a pull of these to the same images without it.",
            rich_help_panel=_TRAIN,
        ),
    ] = 0.0,
    arch: options.Arch = None,
    activation: options.Activation = None,
    text_from: options.TextFrom = None,
    format: options.Format = "same",
    dtype: options.Dtype = "keep",
    seed: options.Seed = 0,
    device: options.Device = "auto",
    gpus: options.Gpus = 1,
    fsdp: Annotated[
        bool,
        typer.Option("--fsdp", help="Each process holds a part of the model in training, not all of it."),
    ] = False,
    no_gallery: options.NoGallery = False,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Clean a suspect checkpoint, with PAR or another method, and write a drop-in replacement with a report.

    Examples:

      clipsan clean model.safetensors --data synth/

      clipsan clean hf-hub:org/name --data pairs/ --eval imagenet/ --trigger stripes --target banana

      clipsan clean model.safetensors --data 'cc3m/{00000..00331}.tar' --data synth/ --weight 3 --weight 1
    """
    output = Output(json=json, quiet=quiet, verbose=verbose)
    from clipsan.runs.clean import clean as run

    result = together(
        gpus, device, output,
        lambda own, watcher, processes: run(
            model, data if len(data) > 1 else data[0], weight=weight or (), image_column=image_column,
            caption_column=caption_column, separator=separator, max_pairs=max_pairs,
            captions_from=captions_from, out=out, eval=eval, classes=classes, trigger=trigger or (),
            target=target, max_asr=max_asr, max_drop=max_drop, held_out=held_out, filter=filter,
            filter_reference=filter_reference, method=method, tau=tau, in_modal=in_modal, pool=pool,
            match_every=match_every, lr_start=lr_start, lr=lr,
            epochs=epochs, steps=steps, batch_size=batch_size, micro_batch=micro_batch,
            batch_norm=batch_norm, lock=lock, precision=precision,
            augment=None if augment is None else options.listed(augment),
            until=until, effort=effort, counter=counter or (), counter_share=counter_share,
            counter_pull=counter_pull,
            arch=arch, activation=activation, text_from=text_from, format=format, dtype=dtype,
            seed=seed, device=own, save_every=save_every, cache_images=cache_images, profile=profile,
            no_gallery=no_gallery, overwrite=overwrite, watcher=watcher, processes=processes,
            fsdp=fsdp,
        ),
    )  # fmt: skip
    output.finish(result.report, result.folder)
