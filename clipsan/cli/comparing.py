"""The options that `clipsan compare` and `clipsan bench` share: which cells they run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from clipsan.cli import options

Methods = Annotated[
    str, typer.Option("--methods", metavar="LIST", help="Of par, cleanclip, roclip, finetune.")
]
Taus = Annotated[
    list[float] | None,
    typer.Option(
        "--tau",
        help="PAR's threshold. Repeatable. (default: 1.5, 2.15, 2.5)",
        show_default=False,
        rich_help_panel=options.TRAIN,
    ),
]
InModals = Annotated[
    list[float] | None,
    typer.Option(
        "--in-modal",
        help="CleanCLIP's weight within a modality. Repeatable. (default: 0.5, 1, 4)",
        show_default=False,
        rich_help_panel=options.TRAIN,
    ),
]
LrStarts = Annotated[
    list[float] | None,
    typer.Option(
        "--lr-start",
        help="Learning rate of the first update, for every method; falls to a tenth at half of the updates, "
        "then to 0. Repeatable. (default: 3e-5)",
        show_default=False,
        rich_help_panel=options.TRAIN,
    ),
]
Augments = Annotated[
    list[str] | None,
    typer.Option(
        "--augment",
        metavar="LIST",
        help="Of brightening-noise, erase, flip, patterns; 'none' for none. Repeatable. "
        "(default: brightening-noise,erase)",
        show_default=False,
        rich_help_panel=options.TRAIN,
    ),
]
Seeds = Annotated[int, typer.Option("--seeds", metavar="N", help="Seeds of each setting, from --seed on.")]
Keep = Annotated[
    bool, typer.Option("--keep", help="Also keep each cell's model.", rich_help_panel=options.OUTPUT)
]


def grid(
    methods: str,
    tau: Sequence[float] | None,
    in_modal: Sequence[float] | None,
    lr_start: Sequence[float] | None,
    augment: Sequence[str] | None,
) -> dict[str, Any]:
    """The cells asked for, as arguments; what was not given is left to its default."""
    augments = [options.listed(each) for each in augment or ()]
    given = {"tau": tau, "in_modal": in_modal, "lr_start": lr_start, "augment": augments}
    return {"methods": options.listed(methods), **{name: value for name, value in given.items() if value}}
