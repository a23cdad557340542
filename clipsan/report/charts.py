"""What the charts of report.html draw, as numbers; `page/charts.html` makes SVG of it.

Places are shares of the width in percent, so that text keeps its size at every width; curves live in a
square of 1000 by 1000 that is stretched to its frame. No colours here: the style sheet gives them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from clipsan.evaluation.statistics import Rate
from clipsan.report.measures import Role
from clipsan.report.schema import CurvePoint, Report, Training
from clipsan.report.verdict import judged_role
from clipsan.report.wording import printable, with_interval

_LANE = 18
_LABEL = 24
_ROW_GAP = 14
_TOP = 22
_MOST_POINTS = 600
_SIDE = 1000


@dataclass(frozen=True)
class Lane:
    """One rate: its dot and its interval, in percent of the width, at a height in pixels."""

    role: Role
    y: int
    at: float
    low: float
    high: float
    base: float | None  # the rate without the trigger, where the judged model has one
    words: str


@dataclass(frozen=True)
class Row:
    label: str
    y: int
    lanes: tuple[Lane, ...]


@dataclass(frozen=True)
class IntervalChart:
    """Rates with their 95 % intervals, a row for each trigger and a lane for each model."""

    rows: tuple[Row, ...]
    height: int
    limit: float  # percent
    description: str


@dataclass(frozen=True)
class Series:
    """A curve as an SVG path in the square of 1000 by 1000; `style` names its look."""

    name: str
    style: str
    path: str


@dataclass(frozen=True)
class Tick:
    """A place on an axis, in percent of it from the left or the top, and what is written there."""

    at: float
    words: str


@dataclass(frozen=True)
class LineChart:
    title: str
    series: tuple[Series, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    description: str
    thinned: bool  # drawn from the extremes of stretches of updates, as there are too many


def attack_chart(report: Report) -> IntervalChart | None:
    """The attack success rate of every trigger, before and after; None: none was measured."""
    triggers = report.evaluation.attacks if report.evaluation else ()
    judged, rows, y = judged_role(report), [], _TOP
    for trigger in triggers:
        lanes: list[Lane] = []
        for role in report.roles:
            rate = trigger.asr.of(role)
            if rate is not None and rate.rate is not None:
                base = trigger.base_rate.of(role) if role == judged else None
                lanes.append(_lane(role, rate, base, y + _LABEL + _LANE * len(lanes)))
        if lanes:
            target = "no target found" if trigger.target is None else printable(trigger.target, 80)
            rows.append(Row(f"{printable(trigger.name, 80)} → {target}", y, tuple(lanes)))
            y += _LABEL + _LANE * len(lanes) + _ROW_GAP
    if not rows:
        return None
    said = "; ".join(f"{row.label}: {', '.join(lane.words for lane in row.lanes)}" for row in rows)
    return IntervalChart(
        tuple(rows),
        y,
        round(100 * report.thresholds.max_asr, 2),
        f"Attack success rate with 95 % intervals. {said}.",
    )


def training_charts(training: Training) -> list[LineChart]:
    """Contrastive loss, S of both encoders with tau, and learning rate, over the updates."""
    curves = training.curves
    if not curves:
        return []
    losses = [("L_CLIP, contrastive loss", "one", [(p.step, p.clip) for p in curves])]
    charts = [_linear("Contrastive loss L_CLIP", losses)]
    if any(p.s_image is not None or p.s_text is not None for p in curves):
        distances = [
            ("S_img, image encoder", "one", [(p.step, p.s_image) for p in curves if p.s_image is not None]),
            ("S_txt, text encoder", "two", [(p.step, p.s_text) for p in curves if p.s_text is not None]),
        ]
        if training.tau is not None:
            ends = [(curves[0].step, training.tau), (curves[-1].step, training.tau)]
            distances.append((f"tau = {training.tau:g}", "limit", ends))
        charts.append(_linear("Distance S from the suspect", distances))
    charts.append(_learning_rate(curves))
    return charts


def _lane(role: Role, rate: Rate, base: Rate | None, y: int) -> Lane:
    words = f"{role} {with_interval(rate)}"
    without = None
    if base is not None and base.rate is not None:
        without = round(100 * base.rate, 2)
        words += f", without the trigger {with_interval(base)}"
    at, low, high = (round(100 * share, 2) for share in (rate.rate or 0.0, rate.low, rate.high))
    return Lane(role, y, at, low, high, without, words)


_Points = Sequence[tuple[float, float]]


def _linear(title: str, lines: Sequence[tuple[str, str, _Points]]) -> LineChart:
    values = [y for _, _, line in lines for _, y in line]
    ticks = round_ticks(min(0.0, *values), max(values))
    return _chart(title, lines, ticks, [f"{tick:g}" for tick in ticks], lambda y: y)


def _learning_rate(curves: Sequence[CurvePoint]) -> LineChart:
    """On a logarithmic axis: it falls over many powers of ten."""
    line = [(p.step, p.lr) for p in curves if p.lr > 0]
    lines = [("learning rate", "one", line)] if line else []
    exponents = [math.log10(y) for _, y in line] or [0.0]
    low, high = math.floor(min(exponents)), math.ceil(max(exponents))
    high = high if high > low else low + 1
    every = math.ceil((high - low) / 4)
    powers = list(range(low, high + every, every))
    words = [f"1e{power}" for power in powers]
    return _chart("Learning rate", lines, powers, words, math.log10)


def _chart(
    title: str,
    lines: Sequence[tuple[str, str, _Points]],
    ticks: Sequence[float],
    words: Sequence[str],
    scale: Callable[[float], float],
) -> LineChart:
    """Fit every line into the frame that the ticks of the y axis span; `scale` maps y onto that axis."""
    low, high = ticks[0], ticks[-1]
    steps = [x for _, _, line in lines for x, _ in line]
    first, last = (min(steps), max(steps)) if steps else (0.0, 0.0)
    width = (last - first) or 1.0
    series, said, thinned = [], [], False
    for name, style, line in lines:
        if not line:
            continue
        kept = _thinned(line)
        thinned = thinned or len(kept) < len(line)
        places = [((x - first) / width, 1 - (scale(y) - low) / (high - low)) for x, y in kept]
        series.append(Series(name, style, path(places)))
        said.append(f"{name}: {line[0][1]:.3g} at update {line[0][0]}, {line[-1][1]:.3g} at {line[-1][0]}")
    return LineChart(
        title=title,
        series=tuple(series),
        x_ticks=(Tick(0, f"{first:g}"), Tick(100, f"{last:g}")) if last > first else (Tick(0, f"{first:g}"),),
        y_ticks=tuple(
            Tick(round(100 * (1 - (tick - low) / (high - low)), 2), word)
            for tick, word in zip(ticks, words, strict=True)
        ),
        description=f"{title} over the updates. {'; '.join(said)}.",
        thinned=thinned,
    )


def round_ticks(low: float, high: float) -> list[float]:
    """Three to six multiples of 1, 2 or 5 times a power of ten, which span low to high."""
    span = high - low if high > low else abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(span / 4))
    step = next(power * m for m in (1, 2, 5, 10) if span / (power * m) <= 5)
    first, last = math.floor(low / step), math.ceil(max(high, low + span) / step)
    return [float(f"{number * step:.12g}") for number in range(first, last + 1)]


def _thinned(line: _Points) -> _Points:
    """The lowest and highest point of each of 300 stretches, so that no spike is lost."""
    if len(line) <= _MOST_POINTS:
        return line
    stretch = math.ceil(len(line) / (_MOST_POINTS // 2))
    kept: list[tuple[float, float]] = []
    for start in range(0, len(line), stretch):
        part = line[start : start + stretch]
        lowest, highest = min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])
        kept += sorted({lowest, highest})
    return kept


def path(places: _Points) -> str:
    """An SVG path; a single point is a line of no length, which round caps show as a dot."""
    drawn = [f"{_SIDE * x:.0f} {_SIDE * y:.0f}" for x, y in places]
    return "M" + "L".join(drawn if len(drawn) > 1 else drawn * 2)
