"""What report.html draws of varied triggers: a small chart for each trigger and axis, a curve for each model.

Geometry only, in percent of the chart; `page/variations.html` draws it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from clipsan.report.durability import Variation
from clipsan.report.measures import Role
from clipsan.report.schema import Report, TriggerResult
from clipsan.report.wording import printable, with_interval

_SIDE = 1000
_AS_GIVEN = {
    "size": (1.0, "x 1"),
    "strength": (1.0, "x 1"),
    "resolution": (1.0, "x 1"),
    "JPEG quality": (100.0, "none"),
}
"""Where the trigger as given lies on an axis of numbers, and what is written there."""


@dataclass(frozen=True)
class Point:
    """One rate and its interval, in percent from the left and from the top."""

    x: float
    y: float
    low: float
    high: float
    words: str


@dataclass(frozen=True)
class VariationCurve:
    """The rates of one model; `path` and `base_path` lie in the square of 1000 by 1000."""

    role: Role
    path: str
    base_path: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Place:
    """A value of the axis, in percent from the left."""

    x: float
    words: str


@dataclass(frozen=True)
class VariationChart:
    title: str
    curves: tuple[VariationCurve, ...]
    places: tuple[Place, ...]
    joined: bool  # on an axis of numbers, whose points a line joins
    limit: float  # percent from the top
    description: str


def variation_charts(report: Report) -> list[VariationChart]:
    """A chart for each trigger and axis; [] if nothing was varied."""
    charts = []
    for trigger in report.evaluation.triggers if report.evaluation else ():
        if trigger.varied is None:
            continue
        given, *others = trigger.varied.variations
        for axis, along in groupby(others, key=lambda each: each.axis):
            charts.append(_chart(report, trigger, axis, [given, *along]))
    return charts


def _chart(report: Report, trigger: TriggerResult, axis: str, along: list[Variation]) -> VariationChart:
    joined = axis in _AS_GIVEN
    if joined:
        along = sorted(along, key=lambda each: _AS_GIVEN[axis][0] if each.at is None else each.at)
    places = [round(100 * (number + 0.5) / len(along), 2) for number in range(len(along))]
    curves = []
    for role in report.roles:
        points, bases = [], []
        for x, each in zip(places, along, strict=True):
            asr, base = each.asr.of(role), each.base_rate.of(role)
            if asr is None or asr.rate is None:
                continue
            low, high = (round(100 * (1 - share), 2) for share in (asr.low, asr.high))
            words = f"{role}, {each.value}: {with_interval(asr)}, without the trigger {with_interval(base)}"
            points.append(Point(x, round(100 * (1 - asr.rate), 2), low, high, words))
            if base is not None and base.rate is not None:
                bases.append((x, 100 * (1 - base.rate)))
        if points:
            path = _path([(point.x, point.y) for point in points])
            curves.append(VariationCurve(role, path, _path(bases), tuple(points)))
    title = f"{printable(trigger.name, 80)}: {axis}"
    said = "; ".join(point.words for curve in curves for point in curve.points)
    return VariationChart(
        title,
        tuple(curves),
        tuple(Place(x, _label(axis, each)) for x, each in zip(places, along, strict=True)),
        joined,
        round(100 - 100 * report.thresholds.max_asr, 2),
        f"Attack success rate of {title}, with 95 % intervals. {said}.",
    )


def _label(axis: str, each: Variation) -> str:
    return _AS_GIVEN[axis][1] if axis in _AS_GIVEN and each.at is None else each.value


def _path(places: list[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{_SIDE * x / 100:.0f} {_SIDE * y / 100:.0f}" for x, y in places) if places else ""
