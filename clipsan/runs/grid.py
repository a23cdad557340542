"""The cells of a comparison: which methods run with which settings and seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from clipsan.errors import UsageError
from clipsan.methods import METHODS, options_of
from clipsan.report.methods_compared import Cell
from clipsan.training.settings import TrainSettings

LR_FALL = 10
"""The learning rate falls from lr_start to a tenth of it, as in PAR's published schedule (3e-5 to 3e-6)."""


@dataclass(frozen=True)
class Planned:
    """A cell to run.

    Attributes:
        options: of the method itself.
        settings: of the whole training.
    """

    options: dict[str, Any]
    settings: TrainSettings

    @property
    def key(self) -> tuple[Any, ...]:
        """What makes it another cell than any other of the same comparison."""
        s = self.settings
        return (s.method, tuple(sorted(self.options.items())), s.lr_start, s.augment, s.seed)

    @property
    def folder_name(self) -> str:
        """For the model, where it is kept."""
        s = self.settings
        options = [f"{name.replace('_', '-')}{value:g}" for name, value in sorted(self.options.items())]
        augment = "+".join(s.augment) or "none"
        return "-".join([s.method, *options, f"lr{s.lr_start:g}", augment, f"seed{s.seed}"])


def key_of(cell: Cell) -> tuple[Any, ...]:
    """The key of a cell that was run."""
    return (cell.method, tuple(sorted(cell.options.items())), cell.lr_start, cell.augment, cell.seed)


def plan(
    shared: TrainSettings,
    methods: Sequence[str],
    swept: Mapping[str, Sequence[float]],
    lr_starts: Sequence[float],
    augments: Sequence[Sequence[str]],
    seeds: int,
) -> list[Planned]:
    """Every method with each of its swept settings, each learning rate, each augmentation and
    each seed, in this order.

    Args:
        shared: what all cells have in common; the first seed is its own.
        methods: names of `METHODS`.
        swept: values of an option, for the methods that have it. Others keep their defaults.
        lr_starts: learning rates of the first update.
        augments: augmentations, each a sequence of names; an empty one is none.
        seeds: how many.

    Raises:
        UsageError: nothing to compare, an unknown or repeated method, a swept option that no chosen method
            has, or a value out of range.
    """
    if not methods or not lr_starts or not augments:
        raise UsageError(
            f"there is nothing to compare: name --methods, of {', '.join(METHODS)}, --lr-start and --augment"
        )
    if any(isinstance(each, str) for each in augments):
        raise UsageError("augment is one sequence of names for each setting: [['flip', 'patterns'], []]")
    if seeds < 1:
        raise UsageError(f"--seeds is {seeds}, but must be at least 1")
    known = {method: options_of(method) for method in methods}
    if len(known) < len(methods):
        raise UsageError(f"--methods names one twice: {', '.join(methods)}")
    planned = []
    for method, defaults in known.items():
        values = {
            name: [type(default)(value) for value in dict.fromkeys(swept.get(name) or (default,))]
            for name, default in defaults.items()
        }
        for chosen, lr_start, augment, seed in product(
            product(*values.values()),
            dict.fromkeys(lr_starts),
            dict.fromkeys(map(tuple, augments)),
            range(shared.seed, shared.seed + seeds),
        ):
            options = dict(zip(values, chosen, strict=True))
            settings = replace(
                shared,
                method=method,
                lr_start=lr_start,
                lr=float(f"{lr_start / LR_FALL:.12g}"),
                augment=augment,
                seed=seed,
                **options,
            )
            planned.append(Planned(options, settings))
    return planned


def in_order(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """By method, then settings, then seed, so that the order of running does not show."""
    rank = {name: number for number, name in enumerate(METHODS)}

    def place(cell: Cell) -> tuple[Any, ...]:
        options = tuple(sorted(cell.options.items()))
        return (rank.get(cell.method, len(rank)), options, -cell.lr_start, cell.augment, cell.seed)

    return tuple(sorted(cells, key=place))
