"""compare.json: what `clipsan compare` measured, a cell for each method, setting and seed. No torch here.

`Cell.triggers` and the suspect's are in the same order. A summary joins the seeds of one setting; it is made
from the cells (`summaries`) and stored, so that every number of the page is in the file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from clipsan.evaluation.statistics import Rate
from clipsan.report.measures import Count, Share, Spread
from clipsan.report.record import Record, ReportError
from clipsan.report.schema import Model, ReachedTau
from clipsan.report.wording import printable

COMPARE_JSON = "compare.json"
_LARGEST_FILE = 64 << 20  # bytes


@dataclass(frozen=True)
class CellTrigger(Record):
    """The attack success rate of one trigger, and the target's share on the same images without it."""

    name: str
    target: str | None
    asr: Rate
    base_rate: Rate


@dataclass(frozen=True)
class Measurement(Record):
    """What was measured of one model."""

    clean_accuracy: Rate
    triggers: tuple[CellTrigger, ...]

    @property
    def mean_asr(self) -> float | None:
        """The mean ASR over the triggers; None: there are none."""
        rates = [trigger.asr.rate for trigger in self.triggers if trigger.asr.rate is not None]
        return fmean(rates) if rates else None


@dataclass(frozen=True)
class Cell(Record):
    """One fine-tuning run of one method, measured."""

    method: str
    options: dict[str, float]  # of the method itself, such as tau
    lr_start: float
    augment: tuple[str, ...]
    seed: Count
    measured: Measurement | None  # None: the run failed
    failed: str | None  # the reason
    reached_tau: ReachedTau
    seconds: float  # of the training
    kept: str | None  # folder of the model's files, beside compare.json; None: not kept


@dataclass(frozen=True)
class Summary(Record):
    """The seeds of one setting together: means with the lowest and the highest."""

    method: str
    options: dict[str, float]
    lr_start: float
    augment: tuple[str, ...]
    seeds: Count  # that did not fail
    failed: Count
    clean_accuracy: Spread | None  # None: every seed failed
    asr: tuple[Spread, ...]  # of each trigger
    mean_asr: Spread | None  # over the triggers
    front: bool  # no other setting has a higher clean accuracy and a lower mean ASR


@dataclass(frozen=True, kw_only=True)
class MethodsCompared(Record):
    """A whole comparison. No dates: equal runs give equal files but for the seconds."""

    schema_version: Literal["1.0"] = "1.0"
    command: Literal["compare"] = "compare"
    versions: dict[str, str]
    model: Model
    shared: dict[str, Any]  # settings of all cells, and digests of pairs and images
    kind: Literal["zero-shot", "retrieval"]  # of the clean accuracy
    source: str  # of the images measured on
    images: Count
    chance: Share
    suspect: Measurement
    cells: tuple[Cell, ...]
    summary: tuple[Summary, ...]


Setting = tuple[str, str, float, tuple[str, ...]]


def setting_of(one: Cell | Summary) -> Setting:
    """What two cells share that differ in their seed alone."""
    return (one.method, json.dumps(one.options, sort_keys=True), one.lr_start, one.augment)


def options_said(one: Cell | Summary) -> str:
    """The method's own options: "tau 2.15"."""
    parts = [f"{printable(name).replace('_', '-')} {value:g}" for name, value in sorted(one.options.items())]
    return ", ".join(parts)


SETTING_COLUMNS = ("method", "setting", "lr", "augment", "seeds")
"""The header of `setting_cells`."""


def setting_cells(summary: Summary) -> list[str]:
    """A setting in a table: method, its own options, learning rate, augmentation, and seeds."""
    failed = f" ({summary.failed} failed)" if summary.failed else ""
    return [
        printable(summary.method), options_said(summary), f"{summary.lr_start:g}", augment_said(summary),
        f"{summary.seeds}{failed}",
    ]  # fmt: skip


def setting_said(one: Cell | Summary) -> str:
    """A setting in words: "par, tau 2.15, lr 3e-05, flip, patterns"."""
    said = [printable(one.method), options_said(one), f"lr {one.lr_start:g}", augment_said(one)]
    return ", ".join(part for part in said if part)


def augment_said(one: Cell | Summary) -> str:
    """The augmentations of the images: "flip, patterns"."""
    return ", ".join(printable(name) for name in one.augment) or "none"


def summaries(cells: Sequence[Cell]) -> tuple[Summary, ...]:
    """One for each setting, in the order of the cells."""
    groups: dict[Setting, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(setting_of(cell), []).append(cell)
    found = [_summary(group) for group in groups.values()]
    return tuple(Summary(**{**vars(one), "front": _on_front(one, found)}) for one in found)


def _summary(cells: Sequence[Cell]) -> Summary:
    good = [cell.measured for cell in cells if cell.measured is not None]

    def spread(of: Callable[[Measurement], float | None]) -> Spread | None:
        values = [value for measured in good if (value := of(measured)) is not None]
        return Spread(fmean(values), min(values), max(values)) if values else None

    triggers = range(len(good[0].triggers)) if good else ()
    rates = [spread(lambda m, i=i: m.triggers[i].asr.rate) for i in triggers]  # type: ignore[misc]
    first = cells[0]
    return Summary(
        first.method, first.options, first.lr_start, first.augment, len(good), len(cells) - len(good),
        spread(lambda m: m.clean_accuracy.rate), tuple(rate for rate in rates if rate is not None),
        spread(lambda m: m.mean_asr), front=False,
    )  # fmt: skip


def _on_front(one: Summary, others: Sequence[Summary]) -> bool:
    def point(summary: Summary) -> tuple[float, float] | None:
        if summary.clean_accuracy is None or summary.mean_asr is None:
            return None
        return summary.clean_accuracy.mean, -summary.mean_asr.mean

    own = point(one)
    if own is None:
        return False
    points = [p for other in others if (p := point(other)) is not None]
    return not any(p[0] >= own[0] and p[1] >= own[1] and p != own for p in points)


def compared_text(compared: MethodsCompared) -> str:
    """compare.json, ending in a newline."""
    return json.dumps(compared.to_dict(), indent=2, ensure_ascii=True, allow_nan=False) + "\n"


def read_compared(path: Path) -> MethodsCompared:
    """Read and check a compare.json from anywhere. Raises ReportError with one sentence."""
    shown = printable(str(path))
    try:
        size = path.stat().st_size
        data = json.loads(path.read_bytes()) if size <= _LARGEST_FILE else None
        return MethodsCompared.from_dict(data)
    except OSError as error:
        raise ReportError(f"cannot read the comparison {shown}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise ReportError(f"{shown} is no JSON that clipsan can read") from error
    except ReportError as error:
        raise ReportError(f"{shown} is no valid comparison: {error}") from error
