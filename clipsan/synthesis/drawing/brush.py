"""Figures painted on a canvas finer than the picture, in an object's own coordinates.

An object spans about -1 to 1 in both directions, y pointing down. The canvas has `fine` times the picture's
resolution and is averaged down at the end, which makes smooth edges. The matrix must keep circles
round. It leaves out light: see `light`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from clipsan.synthesis.drawing.colours import Colour
from clipsan.synthesis.drawing.curves import Points, open_basis, smooth
from clipsan.synthesis.drawing.lettering import face, lettering
from clipsan.synthesis.shapes.outlines import Grid

Matrix: TypeAlias = tuple[float, float, float, float, float, float]
"""(a, b, c, d, e, f): column = a x + b y + c, row = d x + e y + f, in pixels of the picture."""


class Brush:
    """Paints polygons, ovals, curves and words. Colours cover what is below; alpha is premultiplied."""

    def __init__(self, width: int, height: int, matrix: Matrix, fine: int) -> None:
        """A transparent canvas for `width` x `height` pixels of the picture."""
        self._image = Image.new("RGBX", (width * fine, height * fine))  # X holds alpha
        self._draw = ImageDraw.Draw(self._image)
        self._fine = fine
        self._matrix: Matrix = tuple(fine * value for value in matrix)  # type: ignore[assignment]
        a, b, _, d, e, _ = self._matrix
        self._scale = math.sqrt(abs(a * e - b * d))  # fine pixels per unit

    @property
    def fine_pixel(self) -> float:
        """The width of a pixel of the picture in the object's units."""
        return self._fine / self._scale

    def painting(self) -> Image.Image:
        """The painting at the picture's resolution, mode RGBX: premultiplied colour, and alpha."""
        return self._image if self._fine == 1 else self._image.reduce(self._fine)

    def poly(self, points: Points, colour: Colour) -> None:
        """A polygon."""
        a, b, c, d, e, f = self._matrix
        self._draw.polygon([(a * x + b * y + c, d * x + e * y + f) for x, y in points], (*colour, 255))

    def box(self, cx: float, cy: float, hx: float, hy: float, colour: Colour) -> None:
        """A rectangle around (cx, cy), 2 hx wide and 2 hy high."""
        self.poly([(cx - hx, cy - hy), (cx + hx, cy - hy), (cx + hx, cy + hy), (cx - hx, cy + hy)], colour)

    def slab(self, cx: float, cy: float, hx: float, hy: float, round_: float, colour: Colour) -> None:
        """A rectangle with round corners of radius `round_`."""
        round_ = min(round_, hx, hy)
        corners = ((1, 1), (-1, 1), (-1, -1), (1, -1))
        arcs = _QUARTER
        points = []
        for quarter, (sx, sy) in enumerate(corners):
            ox, oy = cx + sx * (hx - round_), cy + sy * (hy - round_)
            for cosine, sine in arcs:
                u, v = ((cosine, sine), (-sine, cosine), (-cosine, -sine), (sine, -cosine))[quarter]
                points.append((ox + round_ * u, oy + round_ * v))
        self.poly(points, colour)

    def oval(self, cx: float, cy: float, rx: float, ry: float, colour: Colour, turn: float = 0.0) -> None:
        """An ellipse with half axes rx and ry, turned clockwise by `turn` degrees."""
        a, b, c, d, e, f = self._matrix
        cosine, sine = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        p, q = a * cosine + b * sine, b * cosine - a * sine
        r, s = d * cosine + e * sine, e * cosine - d * sine
        p, q, r, s = p * rx, q * ry, r * rx, s * ry
        column, row = a * cx + b * cy + c, d * cx + e * cy + f
        points = _CIRCLE if max(rx, ry) * self._scale > 12 else _SMALL_CIRCLE
        self._draw.polygon([(column + p * u + q * v, row + r * u + s * v) for u, v in points], (*colour, 255))

    def disc(self, cx: float, cy: float, radius: float, colour: Colour) -> None:
        """A circle."""
        a, b, c, d, e, f = self._matrix
        x, y, r = a * cx + b * cy + c, d * cx + e * cy + f, radius * self._scale
        self._draw.ellipse((x - r, y - r, x + r, y + r), (*colour, 255))

    def blob(self, points: Points, colour: Colour) -> None:
        """A smooth closed figure through the points (Catmull-Rom)."""
        self._fill(smooth(points), colour)

    def limb(self, points: Points, widths: Sequence[float] | float, colour: Colour) -> None:
        """A smooth stroke through the points with round ends; `widths`: its half width at each of them."""
        halves = [widths] * len(points) if isinstance(widths, (int, float)) else list(widths)
        centre = np.array(points, dtype=np.float64)
        half = np.array(halves, dtype=np.float64)
        if len(points) > 2:
            basis = open_basis(len(points))
            centre, half = basis @ centre, basis @ half
        along = np.empty_like(centre)
        along[1:-1] = centre[2:] - centre[:-2]
        along[0], along[-1] = centre[1] - centre[0], centre[-1] - centre[-2]
        length = np.sqrt((along * along).sum(axis=1, keepdims=True))
        normal = along[:, ::-1] * (-1.0, 1.0) / np.maximum(length, 1e-9)
        side = normal * half[:, None]
        self._fill(np.concatenate([centre + side, (centre - side)[::-1]]), colour)
        for end in (0, -1):
            self.disc(float(centre[end, 0]), float(centre[end, 1]), float(half[end]), colour)

    def line(self, x0: float, y0: float, x1: float, y1: float, half: float, colour: Colour) -> None:
        """A straight stroke with round ends, 2 half thick."""
        a, b, c, d, e, f = self._matrix
        column0, row0 = a * x0 + b * y0 + c, d * x0 + e * y0 + f
        column1, row1 = a * x1 + b * y1 + c, d * x1 + e * y1 + f
        thick = half * self._scale
        ink = (*colour, 255)
        if thick < 2:
            self._draw.line((column0, row0, column1, row1), ink, max(1, round(2 * thick)))
            return
        long = math.hypot(column1 - column0, row1 - row0) or 1.0
        u, v = (row0 - row1) / long * thick, (column1 - column0) / long * thick
        self._draw.polygon(
            (column0 + u, row0 + v, column1 + u, row1 + v, column1 - u, row1 - v, column0 - u, row0 - v), ink
        )
        for x, y in ((column0, row0), (column1, row1)):
            self._draw.ellipse((x - thick, y - thick, x + thick, y + thick), ink)

    def arc(
        self,
        cx: float,
        cy: float,
        rx: float,
        ry: float,
        start: float,
        stop: float,
        half: float,
        colour: Colour,
    ) -> None:
        """Part of an ellipse's edge, 2 half thick, clockwise from `start` to `stop` degrees (0: right)."""
        steps = max(3, int(abs(stop - start) / 30) + 1)
        angles = [math.radians(start + (stop - start) * step / steps) for step in range(steps + 1)]
        self.limb([(cx + rx * math.cos(t), cy + ry * math.sin(t)) for t in angles], half, colour)

    def pie(
        self, cx: float, cy: float, rx: float, ry: float, start: float, stop: float, colour: Colour
    ) -> None:
        """A slice of an ellipse from `start` to `stop` degrees, clockwise, 0 being to the right."""
        steps = max(2, int(abs(stop - start) / 9) + 1)
        angles = [math.radians(start + (stop - start) * step / steps) for step in range(steps + 1)]
        edge = [(cx + rx * math.cos(t), cy + ry * math.sin(t)) for t in angles]
        self.poly([(cx, cy), *edge], colour)

    def cut(self, points: Points) -> None:
        """Make a polygon transparent again."""
        a, b, c, d, e, f = self._matrix
        self._draw.polygon([(a * x + b * y + c, d * x + e * y + f) for x, y in points], (0, 0, 0, 0))

    def grid(self) -> tuple[Grid, Grid]:
        """The object's coordinates at each pixel of the picture: two float32 [h x w]."""
        a, b, c, d, e, f = (value / self._fine for value in self._matrix)
        width, height = self._image.width // self._fine, self._image.height // self._fine
        column = (np.arange(width, dtype=np.float32) + np.float32(0.5 - c))[None, :]
        row = (np.arange(height, dtype=np.float32) + np.float32(0.5 - f))[:, None]
        det = a * e - b * d
        x = column * np.float32(e / det) - row * np.float32(b / det)
        y = row * np.float32(a / det) - column * np.float32(d / det)
        return x, y

    def cover(self, figure: Grid, colour: Colour, second: Colour | None = None, pattern: str = "") -> None:
        """Fill a figure, signed distances on `grid()`, positive inside, with a colour or a pattern."""
        scale = np.float32(self._scale / self._fine)
        self._paste(np.clip(figure * scale + np.float32(0.5), 0, 1), colour)
        if second is not None and pattern:
            x, y = self.grid()
            step = np.float32(max(0.36, 5 / float(scale)))
            u, v = np.abs(x / step - np.rint(x / step)), np.abs(y / step - np.rint(y / step))
            if pattern == "striped":
                marks = np.float32(0.25) - u
            elif pattern == "dotted":
                marks = np.float32(0.3) - np.sqrt(u * u + v * v)
            else:
                marks = np.minimum(np.abs(u - np.float32(0.25)), np.abs(v - np.float32(0.25)))
                marks = np.where((u < np.float32(0.25)) == (v < np.float32(0.25)), marks, -marks)
            self._paste(np.clip(np.minimum(figure, marks * step) * scale + np.float32(0.5), 0, 1), second)

    def _paste(self, mask: Grid, colour: Colour) -> None:
        fine = Image.fromarray((mask * np.float32(255)).astype(np.uint8))
        self._stamp(fine.resize(self._image.size, Image.Resampling.BILINEAR), colour)

    def _stamp(self, mask: Image.Image, colour: Colour) -> None:
        window = mask.getbbox()
        if window is not None:
            self._image.paste((*colour, 255), window, mask.crop(window))

    def letters(
        self, text: str, place: tuple[float, float, float, float], colour: Colour, style: str, slant: float
    ) -> None:
        """A word that fills a place (cx, cy, hx, hy), turned with the object, leaning right by `slant`.

        `style` is regular, bold, outline or pixel: Aileron (CC0), which Pillow carries, in four cuts.
        """
        mask = lettering(text, style)
        cx, cy, hx, hy = place
        unit = min(2 * hx / (mask.width + slant * mask.height), 2 * hy / mask.height)  # of the object per dot
        a, b, c, d, e, f = self._matrix
        if a * e < b * d:  # a mirrored object still reads from left to right
            mask = mask.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        # dots -> object: x = cx + unit (u - w/2 - slant (v - h/2)), y = cy + unit (v - h/2)
        p, q = a * unit, (b - a * slant) * unit
        r, s = d * unit, (e - d * slant) * unit
        t = a * cx + b * cy + c - p * mask.width / 2 - q * mask.height / 2
        w = d * cx + e * cy + f - r * mask.width / 2 - s * mask.height / 2
        det = p * s - q * r
        back = (s / det, -q / det, (q * w - s * t) / det, -r / det, p / det, (r * t - p * w) / det)
        placed = mask.transform(
            self._image.size, Image.Transform.AFFINE, back, resample=Image.Resampling.BILINEAR
        )
        self._stamp(placed, colour)

    @contextmanager
    def inside(self, points: Points | NDArray[np.float64]) -> Iterator[None]:
        """What is painted in this block shows only inside the polygon."""
        outline = self._placed(np.asarray(points, dtype=np.float64))
        left, top = max(0, int(min(outline[::2]))), max(0, int(min(outline[1::2])))
        right = min(self._image.width, int(max(outline[::2])) + 2)
        bottom = min(self._image.height, int(max(outline[1::2])) + 2)
        below, self._image = self._image, self._image.copy()
        self._draw = ImageDraw.Draw(self._image)
        try:
            yield
        finally:
            if right > left and bottom > top:
                mask = Image.new("L", (right - left, bottom - top))
                moved = [v - (top if n % 2 else left) for n, v in enumerate(outline)]
                ImageDraw.Draw(mask).polygon(moved, 255)
                window = (left, top, right, bottom)
                below.paste(self._image.crop(window), window, mask)
            self._image = below
            self._draw = ImageDraw.Draw(below)

    def word(self, text: str, cx: float, cy: float, height: float, colour: Colour, bold: float = 0.0) -> None:
        """A line of text around (cx, cy) with letters `height` high, thickened by `bold` of the height.

        The face is Aileron (CC0), which Pillow carries. It is not turned with the object.
        """
        a, b, c, d, e, f = self._matrix
        pixels = max(4, round(height * self._scale * 1.35))
        self._draw.text(
            (a * cx + b * cy + c, d * cx + e * cy + f),
            text,
            fill=(*colour, 255),
            font=face(pixels),
            anchor="mm",
            stroke_width=round(bold * pixels),
        )

    def _fill(self, points: NDArray[np.float64], colour: Colour) -> None:
        self._draw.polygon(self._placed(points), (*colour, 255))

    def _placed(self, points: NDArray[np.float64]) -> list[float]:
        a, b, c, d, e, f = self._matrix
        x, y = points[:, 0], points[:, 1]
        placed: list[float] = np.stack([a * x + b * y + c, d * x + e * y + f], axis=1).ravel().tolist()
        return placed


def ring(cx: float, cy: float, rx: float, ry: float) -> list[tuple[float, float]]:
    """An ellipse as a polygon, for `Brush.inside`."""
    return [(cx + rx * u, cy + ry * v) for u, v in _CIRCLE]


def _turns(steps: int) -> list[tuple[float, float]]:
    """Points of a quarter circle."""
    return [
        (math.cos(math.pi / 2 * step / steps), math.sin(math.pi / 2 * step / steps))
        for step in range(steps + 1)
    ]


def _circle(points: int) -> list[tuple[float, float]]:
    return [(math.cos(2 * math.pi * k / points), math.sin(2 * math.pi * k / points)) for k in range(points)]


_QUARTER = _turns(5)
_CIRCLE = _circle(40)
_SMALL_CIRCLE = _circle(14)
