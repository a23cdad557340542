"""Signed distances of simple figures, from which every object is built.

Each function takes the grid of points (`x` to the right, `y` down, float32 `[h, w]`, the object spans
about -1 to 1) and returns float32 `[h, w]`: the distance to the figure's edge, positive inside. Only
operations that IEEE 754 rounds exactly are used (no sine, no matrix product), so a scene has the same
bytes on every platform.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Grid: TypeAlias = NDArray[np.float32]


def disc(x: Grid, y: Grid, cx: float, cy: float, radius: float) -> Grid:
    """A disc around (cx, cy)."""
    dx, dy = x - np.float32(cx), y - np.float32(cy)
    inside: Grid = np.float32(radius) - np.sqrt(dx * dx + dy * dy)
    return inside


def ellipse(x: Grid, y: Grid, cx: float, cy: float, rx: float, ry: float) -> Grid:
    """An ellipse with half axes rx and ry; the distance is exact only on its edge."""
    dx, dy = (x - np.float32(cx)) / np.float32(rx), (y - np.float32(cy)) / np.float32(ry)
    inside: Grid = (np.float32(1) - np.sqrt(dx * dx + dy * dy)) * np.float32(min(rx, ry))
    return inside


def box(x: Grid, y: Grid, cx: float, cy: float, hx: float, hy: float) -> Grid:
    """A rectangle around (cx, cy), 2 hx wide and 2 hy high."""
    across, down = np.abs(x - np.float32(cx)), np.abs(y - np.float32(cy))
    inside: Grid = np.minimum(np.float32(hx) - across, np.float32(hy) - down)
    return inside


def stroke(x: Grid, y: Grid, x0: float, y0: float, x1: float, y1: float, half: float) -> Grid:
    """A line from (x0, y0) to (x1, y1) with round ends, 2 half thick."""
    px, py = x - np.float32(x0), y - np.float32(y0)
    vx, vy = np.float32(x1 - x0), np.float32(y1 - y0)
    along = np.clip((px * vx + py * vy) / (vx * vx + vy * vy), np.float32(0), np.float32(1))
    dx, dy = px - along * vx, py - along * vy
    return np.float32(half) - np.sqrt(dx * dx + dy * dy)


def convex(x: Grid, y: Grid, corners: Sequence[tuple[float, float]]) -> Grid:
    """A convex polygon; corners clockwise as seen on the screen (y down)."""
    inside: Grid | None = None
    for (x0, y0), (x1, y1) in zip(corners, (*corners[1:], corners[0]), strict=True):
        ex, ey = x1 - x0, y1 - y0
        length = math.sqrt(ex * ex + ey * ey)
        edge = (x - np.float32(x0)) * np.float32(-ey / length) + (y - np.float32(y0)) * np.float32(
            ex / length
        )
        inside = edge if inside is None else np.minimum(inside, edge)
    if inside is None:
        raise ValueError("a polygon has corners")
    return inside


def pentagram(x: Grid, y: Grid, radius: float) -> Grid:
    """A five-pointed star: the points outside at most one side of its inner pentagon; tips at `radius`."""
    normals = (
        (0.0, -1.0),
        (0.951057, -0.309017),
        (0.587785, 0.809017),
        (-0.587785, 0.809017),
        (-0.951057, -0.309017),
    )
    inner = np.float32(0.381966 * 0.809017 * radius)
    sides = np.stack([inner - x * np.float32(nx) - y * np.float32(ny) for nx, ny in normals])
    second: Grid = np.partition(sides, 1, axis=0)[1]
    return second


def joined(*figures: Grid) -> Grid:
    """The union of figures."""
    whole = figures[0]
    for figure in figures[1:]:
        whole = np.maximum(whole, figure)
    return whole


def without(figure: Grid, hole: Grid) -> Grid:
    """The figure where the hole is not."""
    return np.minimum(figure, -hole)


def rim(figure: Grid, half: float) -> Grid:
    """A line 2 half thick along the figure's edge."""
    return np.float32(half) - np.abs(figure)
