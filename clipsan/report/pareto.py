"""The Pareto picture of a closed loop, as numbers: attack success against accuracy lost, a dot a model.

Places are in percent of the frame, from the left and from the top; `page/pareto.html` makes SVG of it. Dots
of rounds carry their number. The small dots are points of a line to the suspect, which were measured but not
scanned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from clipsan.report.charts import Tick, path, round_ticks
from clipsan.report.rounds import ClosedLoop, LinePoint, Round

_PERCENTS = (0, 1, 5, 10, 25, 50, 100)  # on an axis of square roots: what matters is below 10
_MARGIN = 1.0  # points of accuracy left and right of the outermost dots


@dataclass(frozen=True)
class Dot:
    """One model: where it lies, the number beside it, how it looks, and what it is in words."""

    x: float
    y: float
    label: str
    style: str  # suspect, round, line
    chosen: bool
    words: str


@dataclass(frozen=True)
class ParetoPicture:
    """Lower left is better. `frontier`: an SVG path in a square of 1000 by 1000, "" where one dot is best."""

    dots: tuple[Dot, ...]
    frontier: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    limit_x: float
    limit_y: float
    description: str


def pareto_picture(loop: ClosedLoop) -> ParetoPicture | None:
    """All models of a loop, with the budget; None: it has no round."""
    if not loop.rounds:
        return None
    models: list[Round | LinePoint] = [*loop.rounds, *_line_points(loop)]
    drops = [each.drop for each in models]
    x_ticks = round_ticks(min(*drops, 0.0) - _MARGIN, max(*drops, loop.budget_drop) + _MARGIN)
    highest = max(loop.budget_asr, *(each.asr for each in models))
    top = next(tick for tick in _PERCENTS[1:] if tick >= 100 * highest)

    def at_x(drop: float) -> float:
        return round(100 * (drop - x_ticks[0]) / (x_ticks[-1] - x_ticks[0]), 2)

    def at_y(share: float) -> float:
        return round(100 * (1 - math.sqrt(100 * share / top)), 2)

    dots = [
        Dot(
            at_x(p.drop),
            at_y(p.asr),
            "",
            "line",
            False,
            f"{100 * p.share:g} % of the suspect: {_at(p)}",
        )
        for p in _line_points(loop)
    ]
    for each in loop.rounds:
        style = "suspect" if each.step == "suspect" else "round"
        name = "suspect" if style == "suspect" else f"round {each.number} ({each.step})"
        dots.append(
            Dot(
                at_x(each.drop), at_y(each.asr), "suspect" if style == "suspect" else str(each.number), style,
                each.number == loop.chosen, f"{name}: {_at(each)}",
            )
        )  # fmt: skip
    best = sorted((at_x(each.drop), at_y(each.asr)) for each in _frontier(loop.rounds))
    steps: list[tuple[float, float]] = []
    for place in best:  # from the left: down only at the next dot
        if steps:
            steps.append((place[0], steps[-1][1]))
        steps.append(place)
    said = "; ".join(dot.words for dot in dots if dot.style != "line")
    return ParetoPicture(
        tuple(dots),
        path([(x / 100, y / 100) for x, y in steps]) if len(best) > 1 else "",
        tuple(Tick(at_x(tick), f"{tick:g}") for tick in x_ticks),
        tuple(Tick(at_y(tick / 100), f"{tick} %") for tick in _PERCENTS if tick <= top),
        at_x(loop.budget_drop),
        at_y(loop.budget_asr),
        f"Attack success of inverted triggers against points of accuracy lost. {said}.",
    )


def _frontier(rounds: tuple[Round, ...]) -> list[Round]:
    """Rounds that no other one beats in both measures."""
    return [
        each
        for each in rounds
        if not any(
            (other.asr, other.drop) != (each.asr, each.drop)
            and other.asr <= each.asr
            and other.drop <= each.drop
            for other in rounds
        )
    ]


def _line_points(loop: ClosedLoop) -> list[LinePoint]:
    return [point for each in loop.rounds for point in each.line]


def _at(each: Round | LinePoint) -> str:
    return f"attack success {100 * each.asr:.1f} %, {each.drop:.1f} points lost"
