"""`clipsan synth`."""

from __future__ import annotations

import json as json_module
import sys
from typing import Annotated

import typer
from rich.text import Text

from clipsan.cli import options
from clipsan.cli.errors import RunInterruptedError
from clipsan.cli.output import Output

_DIFFUSION = "Diffusion"
_GATE = "Quality gate"


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
            "Without it: all that can be drawn, or ImageNet's names for diffusion.",
        ),
    ] = None,
    only_drawable: Annotated[
        bool, typer.Option("--only-drawable", help="Leave out, and name, concepts that cannot be drawn.")
    ] = False,
    maker: Annotated[
        str,
        typer.Option(
            "--maker",
            metavar="scenes|diffusion",
            help="Who makes the images: scenes draws them, offline; diffusion runs a --model.",
        ),
    ] = "scenes",
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="DIR|ORG/NAME",
            help="Text-to-image model in diffusers' layout, with @revision. None is chosen for you.",
            rich_help_panel=_DIFFUSION,
        ),
    ] = None,
    variant: Annotated[
        str | None,
        typer.Option(
            "--variant",
            metavar="NAME",
            help="Of the weights files, such as fp16. (default: the plain ones, or the only ones)",
            show_default=False,
            rich_help_panel=_DIFFUSION,
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            "--steps",
            help="Of the scheduler. (default: by evidence in the model, which is said)",
            show_default=False,
            rich_help_panel=_DIFFUSION,
        ),
    ] = None,
    guidance: Annotated[
        float | None,
        typer.Option(
            "--guidance",
            help="Scale of classifier-free guidance. (default: by evidence in the model, which is said)",
            show_default=False,
            rich_help_panel=_DIFFUSION,
        ),
    ] = None,
    model_size: Annotated[
        int | None,
        typer.Option(
            "--model-size",
            metavar="PIXELS",
            help="Side of the images before they are scaled to --size. (default: the model's own)",
            show_default=False,
            rich_help_panel=_DIFFUSION,
        ),
    ] = None,
    precision: Annotated[
        str,
        typer.Option(
            "--precision",
            metavar="auto|fp32|bf16|fp16",
            help="auto: bf16 on a GPU that has it, fp16 on another, fp32 on the CPU.",
            rich_help_panel=_DIFFUSION,
        ),
    ] = "auto",
    batch_size: Annotated[
        int | None,
        typer.Option(
            "--batch-size",
            help="Images at once on each device. (default: as free GPU memory allows; 2 on the CPU)",
            show_default=False,
            rich_help_panel=_DIFFUSION,
        ),
    ] = None,
    captions_model: Annotated[
        str | None,
        typer.Option(
            "--captions-model",
            metavar="DIR|ORG/NAME",
            help="A causal language model that rewords the captions.",
            rich_help_panel=_DIFFUSION,
        ),
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option(
            "--judge",
            metavar="MODEL",
            help="A CLIP you trust: images that disagree with their caption are made again, then dropped.",
            rich_help_panel=_GATE,
        ),
    ] = None,
    min_agreement: Annotated[
        str,
        typer.Option(
            "--min-agreement",
            metavar="COSINE|SHARE%",
            help="0.25: the least cosine. 10%: the cosine that a tenth of the first 100 images do not reach.",
            rich_help_panel=_GATE,
        ),
    ] = "10%",
    device: Annotated[
        str,
        typer.Option(
            "--device",
            metavar="auto|cpu|all|cuda:0,…",
            help="auto: the first GPU, else the CPU. all: every GPU, each making a part.",
        ),
    ] = "auto",
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

      clipsan synth --out synth/ --num 20000 --maker diffusion --model hf-hub:ORG/NAME --judge ViT-B-32/openai
    """
    output = Output(json=json, quiet=quiet, verbose=False)
    from clipsan.runs.synth import synth as run

    try:
        made = run(
            out, num=num, seed=seed, size=size, concepts=concepts, maker=maker, image_format=image_format,
            only_drawable=only_drawable, model=model, variant=variant, steps=steps, guidance=guidance,
            model_size=model_size, precision=precision, batch_size=batch_size, captions_model=captions_model,
            judge=judge, min_agreement=min_agreement, device=device, watcher=output.watcher(),
        )  # fmt: skip
    except KeyboardInterrupt:
        raise RunInterruptedError("run the same command again to go on; what was made is kept.") from None
    if json:
        sys.stdout.write(json_module.dumps(made.to_dict(), indent=2, ensure_ascii=False) + "\n")
        return
    notes = [f"{made.resumed} were there already"] if made.resumed else []
    unfit = made.dropped - made.failed
    notes += [f"{unfit} dropped by the judge"] if unfit else []
    notes += [f"{made.failed} dropped because the model gave no image"] if made.failed else []
    heading = f"{made.written} pairs in {made.folder}/" + (f" ({', '.join(notes)})" if notes else "")
    output.words.print(Text(heading, style="bold"))
    output.sentence(f"Look at {made.folder}/contact-sheet.png; use them with --data {made.folder}/", "dim")
