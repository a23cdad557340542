"""Pictures of measurements, drawn with Pillow: points with a fitted line, and bars beside each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

SIZE = 18
INK, GREY, RULE = (30, 34, 42), (100, 106, 118), (222, 225, 231)
COLOURS = ((31, 94, 168), (214, 122, 28), (92, 140, 70), (140, 86, 150))
PANEL, MARGIN = (620, 440), (86, 104, 30, 66)
"""Of a panel: (width, height), and what lies left of, above, right of and below its axes."""
BAR, GAP, LABEL, REST = 24, 16, 410, 110


@dataclass(frozen=True)
class Line:
    """Measured points and the line fitted to them by least squares.

    Attributes:
        title: above the panel.
        across: what x is.
        up: what y is.
        x, y: n >= 2 points.
    """

    title: str
    across: str
    up: str
    x: Sequence[float]
    y: Sequence[float]

    @property
    def slope(self) -> float:
        """Of the fitted line, y per x."""
        mean_x, mean_y = sum(self.x) / len(self.x), sum(self.y) / len(self.y)
        shared = sum((x - mean_x) * (y - mean_y) for x, y in zip(self.x, self.y, strict=True))
        return shared / sum((x - mean_x) ** 2 for x in self.x)

    @property
    def intercept(self) -> float:
        """Of the fitted line, where x is 0."""
        return sum(self.y) / len(self.y) - self.slope * sum(self.x) / len(self.x)

    @property
    def r_squared(self) -> float:
        """The share of y's variance that the line explains."""
        mean = sum(self.y) / len(self.y)
        whole = sum((y - mean) ** 2 for y in self.y)
        left = sum((y - self.intercept - self.slope * x) ** 2 for x, y in zip(self.x, self.y, strict=True))
        return 1 - left / whole if whole else 1.0


def draw_lines(lines: Sequence[Line], path: Path) -> None:
    """Panels side by side; both axes start at 0."""
    picture = Image.new("RGB", (PANEL[0] * len(lines), PANEL[1]), "white")
    draw = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        _panel(draw, line, PANEL[0] * number)
    picture.save(path, optimize=True)


def draw_bars(
    title: str, names: Sequence[str], rows: Sequence[tuple[str, Sequence[float | None]]], path: Path
) -> None:
    """A group of bars for each row.

    Args:
        title: above all.
        names: of the bars in a group.
        rows: a label, and a value for each name; None: no bar.
        path: of the PNG.
    """
    group = BAR * len(names) + GAP
    width = LABEL + PANEL[0] + REST
    picture = Image.new("RGB", (width, 80 + group * len(rows)), "white")
    draw = ImageDraw.Draw(picture)
    draw.text((16, 12), title, INK, _font(SIZE + 2))
    left = 16
    for number, name in enumerate(names):
        draw.rectangle((left, 46, left + 14, 60), COLOURS[number])
        draw.text((left + 20, 43), name, GREY, _font(SIZE - 2))
        left += 44 + int(draw.textlength(name, _font(SIZE - 2)))
    most = max((value for _, values in rows for value in values if value), default=1.0)
    for at, (label, values) in enumerate(rows):
        top = 76 + at * group
        draw.text((LABEL - 12, top + len(names) * BAR / 2), label, INK, _font(SIZE - 2), anchor="rm")
        for number, value in enumerate(values):
            if value is not None:
                end = LABEL + max(2, round((width - LABEL - REST) * value / most))
                draw.rectangle((LABEL, top + 2, end, top + BAR - 2), COLOURS[number])
                draw.text((end + 8, top + BAR / 2), f"{value:.4g}", GREY, _font(SIZE - 3), anchor="lm")
            top += BAR
    picture.save(path, optimize=True)


def _panel(draw: ImageDraw.ImageDraw, line: Line, left: int) -> None:
    start, top = left + MARGIN[0], MARGIN[1]
    end, bottom = left + PANEL[0] - MARGIN[2], PANEL[1] - MARGIN[3]
    step_x, step_y = _step(max(line.x)), _step(max(line.y))
    most_x, most_y = (step * math.ceil(max(of) / step) for step, of in ((step_x, line.x), (step_y, line.y)))

    def at(x: float, y: float) -> tuple[float, float]:
        return start + (end - start) * x / most_x, bottom - (bottom - top) * y / most_y

    draw.text((start, 12), line.title, INK, _font(SIZE + 1))
    words = f"{line.slope:.3g} each, {line.intercept:.3g} at 0, R squared {line.r_squared:.4f}"
    draw.text((start, 42), words, GREY, _font(SIZE - 2))
    for part in range(round(most_y / step_y) + 1):
        y = part * step_y
        draw.line((*at(0, y), *at(most_x, y)), RULE)
        draw.text((start - 8, at(0, y)[1]), f"{y:g}", GREY, _font(SIZE - 4), anchor="rm")
    for part in range(round(most_x / step_x) + 1):
        draw.text(
            (at(part * step_x, 0)[0], bottom + 8), f"{part * step_x:g}", GREY, _font(SIZE - 4), anchor="mt"
        )
    draw.text(((start + end) / 2, PANEL[1] - 14), line.across, GREY, _font(SIZE - 2), anchor="mb")
    draw.text((start, top - 14), line.up, GREY, _font(SIZE - 4), anchor="ls")
    # as far as it runs within the axes
    first = max(0.0, -line.intercept / line.slope) if line.slope > 0 else 0.0
    last = min(most_x, (most_y - line.intercept) / line.slope) if line.slope > 0 else most_x
    ends = (at(x, line.intercept + line.slope * x) for x in (first, last))
    draw.line([*ends], COLOURS[0], 2)
    for x, y in zip(line.x, line.y, strict=True):
        across, up = at(x, y)
        draw.ellipse((across - 5, up - 5, across + 5, up + 5), COLOURS[1])


def _step(most: float) -> float:
    """1, 2 or 5 times a power of ten, of which 4 to 8 reach `most`."""
    power = 10.0 ** math.floor(math.log10(most / 4))
    return max(step * power for step in (1, 2, 5) if step * power <= most / 4)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
