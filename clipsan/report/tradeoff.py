"""The trade-off curves of a comparison, as numbers; `page/methods.html` makes SVG of them.

As in the figures of PAR's paper: clean accuracy to the right, attack success rate upwards, so that the best
place is the lower right corner. Places are percents of the frame's width and height; lines live in a square
of 1000 by 1000 that is stretched to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clipsan.evaluation.statistics import Rate
from clipsan.report.charts import Tick, round_ticks
from clipsan.report.measures import Spread
from clipsan.report.methods_compared import MethodsCompared, Summary, augment_said, setting_of, setting_said
from clipsan.report.wording import percent, printable

SHAPES = ("square", "triangle", "diamond", "circle")
STYLES = 3


@dataclass(frozen=True)
class Point:
    """A setting: its place and its whiskers, in percent of the frame, and what it is in words."""

    x: float
    y: float
    left: float
    right: float
    top: float
    bottom: float
    words: str


@dataclass(frozen=True)
class Line:
    """The settings of one method with one augmentation, joined in the order of their clean accuracy.

    Attributes:
        name: the method, and its augmentation where there are several.
        shape, number: of the method's marks and colour.
        style: of the augmentation: 0 filled marks, 1 hollow, 2 faint.
    """

    name: str
    shape: str
    number: int
    style: int
    points: tuple[Point, ...]
    path: str


@dataclass(frozen=True)
class TradeOff:
    title: str
    lines: tuple[Line, ...]
    suspect: Point
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    description: str


@dataclass(frozen=True)
class _Place:
    method: str
    augment: str
    accuracy: Spread
    asr: Spread
    words: str


def trade_offs(compared: MethodsCompared) -> list[TradeOff]:
    """A chart for each trigger; before them, where there are several, one for their mean."""
    triggers = compared.suspect.triggers
    charts = []
    if len(triggers) > 1 and (mean := compared.suspect.mean_asr) is not None:
        places = [p for s in compared.summary if (p := _place(compared, s, None)) is not None]
        charts.append(_chart("Mean over the triggers", compared, places, Spread(mean, mean, mean)))
    for number, trigger in enumerate(triggers):
        places = [p for s in compared.summary if (p := _place(compared, s, number)) is not None]
        title = f"{printable(trigger.name, 80)} → {printable(trigger.target or 'no target found', 80)}"
        charts.append(_chart(title, compared, places, _interval(trigger.asr)))
    return charts


def _place(compared: MethodsCompared, summary: Summary, trigger: int | None) -> _Place | None:
    if summary.clean_accuracy is None or summary.mean_asr is None:
        return None
    accuracy = summary.clean_accuracy
    asr = summary.mean_asr if trigger is None else summary.asr[trigger]
    measured = [c.measured for c in compared.cells if setting_of(c) == setting_of(summary) and c.measured]
    if len(measured) == 1:  # one seed: the interval that the number of images allows
        accuracy = _interval(measured[0].clean_accuracy)
        asr = asr if trigger is None else _interval(measured[0].triggers[trigger].asr)
    words = f"{setting_said(summary)}: clean accuracy {_said(accuracy)}, attack success rate {_said(asr)}"
    return _Place(summary.method, augment_said(summary), accuracy, asr, words)


def _interval(rate: Rate) -> Spread:
    return Spread(rate.rate or 0.0, rate.low, rate.high)


def _said(spread: Spread) -> str:
    if spread.lowest == spread.highest:
        return percent(spread.mean)
    return f"{percent(spread.mean)} [{100 * spread.lowest:.1f}, {100 * spread.highest:.1f}]"


def _chart(title: str, compared: MethodsCompared, places: Sequence[_Place], suspect: Spread) -> TradeOff:
    clean = _interval(compared.suspect.clean_accuracy)
    accuracies = [clean, *(place.accuracy for place in places)]
    ticks = round_ticks(100 * min(a.lowest for a in accuracies), 100 * max(a.highest for a in accuracies))
    low, high = ticks[0], ticks[-1]

    def across(share: float) -> float:
        return round(100 * (100 * share - low) / (high - low), 2)

    def up(share: float) -> float:
        return round(100 - 100 * share, 2)

    def point(accuracy: Spread, asr: Spread, words: str) -> Point:
        return Point(
            across(accuracy.mean), up(asr.mean), across(accuracy.lowest), across(accuracy.highest),
            up(asr.highest), up(asr.lowest), words,
        )  # fmt: skip

    lines = []
    methods = list(dict.fromkeys(place.method for place in places))
    augments = list(dict.fromkeys(place.augment for place in places))
    for method, augment in dict.fromkeys((place.method, place.augment) for place in places):
        number, style = methods.index(method), augments.index(augment)
        alike = [p for p in places if (p.method, p.augment) == (method, augment)]
        own = sorted(alike, key=lambda p: p.accuracy.mean)
        points = tuple(point(p.accuracy, p.asr, p.words) for p in own)
        path = "M" + "L".join(f"{10 * p.x:.0f} {10 * p.y:.0f}" for p in points)
        name = printable(method) + (f", {augment}" if len(augments) > 1 else "")
        lines.append(Line(name, SHAPES[number % len(SHAPES)], number % 4, style % STYLES, points, path))
    before = point(clean, suspect, f"suspect: clean accuracy {_said(clean)}, ASR {_said(suspect)}")
    said = "; ".join([before.words, *(p.words for line in lines for p in line.points)])
    return TradeOff(
        title, tuple(lines), before,
        tuple(Tick(round(100 * (tick - low) / (high - low), 2), f"{tick:g}") for tick in ticks),
        tuple(Tick(100 - tick, f"{tick}") for tick in (0, 25, 50, 75, 100)),
        f"{title}: attack success rate over clean accuracy, in percent. {said}.",
    )  # fmt: skip
