"""Each option that several commands share, once, with one meaning."""

from __future__ import annotations

from typing import Annotated

import typer

MEASURE = "Measuring"
TRAIN = "Training"
OUTPUT = "Output"
PAIRS = "Pairs"
CHECKPOINT = "Checkpoint"

Data = Annotated[
    list[str],
    typer.Option("--data", metavar="PAIRS", help="Image-caption pairs to fine-tune on. Repeatable."),
]
Steps = Annotated[
    int | None, typer.Option("--steps", help="Updates, instead of --epochs.", rich_help_panel=TRAIN)
]
InModal = Annotated[
    float | None,
    typer.Option(
        "--in-modal",
        metavar="WEIGHT",
        help="CleanCLIP: weight of its image-image and text-text terms. (default: 1)",
        show_default=False,
        rich_help_panel=TRAIN,
    ),
]
Pool = Annotated[
    float | None,
    typer.Option(
        "--pool",
        metavar="SHARE",
        help="RoCLIP: captions in its pool, as a share of the pairs. (default: 0.02, at least a batch)",
        show_default=False,
        rich_help_panel=TRAIN,
    ),
]
MatchEvery = Annotated[
    int | None,
    typer.Option(
        "--match-every",
        metavar="N",
        help="RoCLIP: match images with the pool on every Nth update. (default: 2)",
        show_default=False,
        rich_help_panel=TRAIN,
    ),
]
MicroBatch = Annotated[
    int | None,
    typer.Option(
        "--micro-batch",
        metavar="N",
        help="Pairs in memory at once; the gradient stays the full batch's. (default: as many as fit)",
        show_default=False,
        rich_help_panel=TRAIN,
    ),
]
Lock = Annotated[
    str,
    typer.Option(
        "--lock",
        metavar="none|text|image",
        help="A tower that keeps the suspect's weights.",
        rich_help_panel=TRAIN,
    ),
]
BatchNorm = Annotated[
    str,
    typer.Option(
        "--batch-norm",
        metavar="frozen|train",
        help="Keep the model's statistics, or use the batch's.",
        rich_help_panel=TRAIN,
    ),
]
Precision = Annotated[
    str,
    typer.Option(
        "--precision",
        metavar="auto|fp32|bf16",
        help="auto: bf16 on a GPU that has it.",
        rich_help_panel=TRAIN,
    ),
]
Epochs = Annotated[
    float | None,
    typer.Option(
        "--epochs",
        help="Passes over the pairs. (default: 2, at least 244 updates)",
        show_default=False,
        rich_help_panel=TRAIN,
    ),
]
TrainBatchSize = Annotated[
    int | None,
    typer.Option(
        "--batch-size",
        help="Pairs in one loss. (default: 2048, fewer where pairs are few)",
        show_default=False,
        rich_help_panel=TRAIN,
    ),
]
SaveEvery = Annotated[
    int | None,
    typer.Option(
        "--save-every",
        metavar="N",
        help="Updates between saved states, from which the same command goes on; 0: never. (default: every "
        "10 minutes)",
        show_default=False,
        rich_help_panel=TRAIN,
    ),
]
Augment = Annotated[
    str,
    typer.Option(
        "--augment",
        metavar="LIST",
        help="Of brightening-noise, erase, flip, patterns; 'none' for none.",
        rich_help_panel=TRAIN,
    ),
]
Format = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="same|open_clip|transformers|both",
        help="Library whose layout is written; same: the source's.",
        rich_help_panel=CHECKPOINT,
    ),
]
Dtype = Annotated[
    str,
    typer.Option(
        "--dtype",
        metavar="keep|float32|float16|bfloat16",
        help="What weights are stored in; keep: each as in the source.",
        rich_help_panel=CHECKPOINT,
    ),
]
Eval = Annotated[
    str | None,
    typer.Option(
        "--eval",
        metavar="SET",
        help="Labelled images: class folders, or CLIP_benchmark's webdataset layout.",
        rich_help_panel=MEASURE,
    ),
]
Classes = Annotated[
    str | None,
    typer.Option(
        "--classes",
        metavar="FILE",
        help="Class names, one a line; ImageNet's without it or a labelled set.",
        rich_help_panel=MEASURE,
    ),
]
Trigger = Annotated[
    list[str] | None,
    typer.Option(
        "--trigger",
        metavar="NAME|FILE",
        help="A trigger to measure: stripes, stripes:size=24,position=center, or a trigger file. Repeatable.",
        rich_help_panel=MEASURE,
    ),
]
Target = Annotated[
    str | None,
    typer.Option(
        "--target",
        metavar="CLASS",
        help="The class that the triggers pull images to; found when not given.",
        rich_help_panel=MEASURE,
    ),
]
MaxAsr = Annotated[
    float,
    typer.Option(
        "--max-asr", metavar="PERCENT", help="Fail above this attack success rate.", rich_help_panel=MEASURE
    ),
]
MaxDrop = Annotated[
    float,
    typer.Option(
        "--max-drop",
        metavar="POINTS",
        help="Fail above this loss of clean accuracy.",
        rich_help_panel=MEASURE,
    ),
]
HeldOut = Annotated[
    float | None,
    typer.Option(
        "--held-out",
        metavar="SHARE",
        help="Share of the pairs kept to measure on: 0.1 without --eval, else 0.",
        rich_help_panel=MEASURE,
    ),
]
ImageColumn = Annotated[
    str | None,
    typer.Option(
        "--image-column",
        metavar="NAME",
        help="Column of the image in a table, parquet file or Hub set; found by its name without it.",
        rich_help_panel=PAIRS,
    ),
]
CaptionColumn = Annotated[
    str | None,
    typer.Option(
        "--caption-column", metavar="NAME", help="Column of the caption, likewise.", rich_help_panel=PAIRS
    ),
]
Separator = Annotated[
    str | None,
    typer.Option(
        "--separator",
        metavar="comma|tab|semicolon|pipe",
        help="Between the columns of a table; found in its header without it.",
        rich_help_panel=PAIRS,
    ),
]
MaxPairs = Annotated[
    int | None,
    typer.Option(
        "--max-pairs",
        metavar="N",
        help="Take at most N pairs of each source, drawn by --seed. (default: all)",
        show_default=False,
        rich_help_panel=PAIRS,
    ),
]
Arch = Annotated[
    str | None,
    typer.Option(
        "--arch",
        metavar="NAME",
        help="open_clip's architecture name, where a bare file is ambiguous.",
        rich_help_panel=CHECKPOINT,
    ),
]
Activation = Annotated[
    str | None,
    typer.Option(
        "--activation",
        metavar="gelu|quickgelu",
        help="Where neither a config nor a name says which; measured without it.",
        rich_help_panel=CHECKPOINT,
    ),
]
TextFrom = Annotated[
    str | None,
    typer.Option(
        "--text-from",
        metavar="MODEL",
        help="For an image tower alone: the CLIP it was trained from.",
        rich_help_panel=CHECKPOINT,
    ),
]
Device = Annotated[
    str, typer.Option("--device", metavar="auto|cpu|cuda", help="auto: the first GPU, else the CPU.")
]
Gpus = Annotated[
    int,
    typer.Option("--gpus", metavar="N", min=1, help="Processes here, a GPU each (or with --device cpu)."),
]
Seed = Annotated[
    int, typer.Option("--seed", min=0, help="Of everything random; equal seeds give equal runs.")
]
Json = Annotated[bool, typer.Option("--json", help="The report as JSON on stdout.", rich_help_panel=OUTPUT)]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress, only the result.", rich_help_panel=OUTPUT)
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Say what was inferred and why.", rich_help_panel=OUTPUT)
]
NoGallery = Annotated[
    bool,
    typer.Option(
        "--no-gallery", help="Keep images of the evaluation set out of the report.", rich_help_panel=OUTPUT
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace an earlier output of clipsan.", rich_help_panel=OUTPUT)
]


def listed(text: str) -> list[str]:
    """The names in `a,b`; 'none': none."""
    return [] if text == "none" else [name.strip() for name in text.split(",")]
