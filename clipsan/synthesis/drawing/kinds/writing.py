"""Letters, numbers, words and signs; charts on paper."""

from __future__ import annotations

import math
from itertools import pairwise

from clipsan.synthesis.drawing.brush import Brush
from clipsan.synthesis.drawing.colours import (
    BLACK,
    COLOURS,
    STEEL,
    WHITE,
    WOOD,
    Colour,
    brightness,
    colours,
    shade,
)
from clipsan.synthesis.drawing.kind import Kind, Look

_STYLES = ("regular", "bold", "outline", "pixel")
_SEGMENTS = ("abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abcdfg")
_BARS = {
    "a": (-0.3, -0.8, 0.3, -0.8),
    "b": (0.42, -0.68, 0.42, -0.12),
    "c": (0.42, 0.12, 0.42, 0.68),
    "d": (-0.3, 0.8, 0.3, 0.8),
    "e": (-0.42, 0.12, -0.42, 0.68),
    "f": (-0.42, -0.68, -0.42, -0.12),
    "g": (-0.3, 0.0, 0.3, 0.0),
}
_WORDS = (
    "HELLO",
    "OPEN",
    "CLOSED",
    "SALE",
    "EXIT",
    "CAFE",
    "TAXI",
    "FREE",
    "NEW",
    "YES",
    "NO",
    "LOVE",
    "MUSIC",
    "PIZZA",
    "BOOKS",
    "HOTEL",
    "MILK",
    "TODAY",
    "WOW",
    "THANKS",
    "DANGER",
    "QUIET",
    "RED",
    "FISH",
    "SUMMER",
    "NIGHT",
    "HOME",
    "PARK",
)


def _letter(brush: Brush, look: Look) -> None:
    brush.letters(
        look.text, (0, 0, 0.85, 0.9), look.body, look.dice.pick(_STYLES), look.dice.pick((0.0, 0.0, 0.22))
    )


def _number(brush: Brush, look: Look) -> None:
    if len(look.text) > 1 or look.dice.chance(0.6):
        brush.letters(
            look.text,
            (0, 0, 0.92, 0.88),
            look.body,
            look.dice.pick(_STYLES),
            look.dice.pick((0.0, 0.0, 0.22)),
        )
        return
    for name, bar in _BARS.items():  # seven segments, like a calculator's
        lit = name in _SEGMENTS[int(look.text)]
        brush.line(*bar, 0.075, look.body if lit else shade(look.body, 0.2))


def _sign(brush: Brush, look: Look) -> None:
    for x in (-0.5, 0.5):
        brush.line(x, 0.2, x, 0.95, 0.045, shade(WOOD, 0.8))
    brush.slab(0, -0.25, 0.98, 0.5, 0.08, look.dark)
    brush.slab(0, -0.25, 0.93, 0.45, 0.06, look.body)
    ink = BLACK if brightness(look.body) > 0.5 else WHITE
    brush.letters(
        look.text,
        (0, -0.25, 0.8, 0.3),
        ink,
        look.dice.pick(("regular", "bold", "pixel")),
        look.dice.pick((0.0, 0.2)),
    )


def _paper(brush: Brush, look: Look) -> None:
    brush.poly([(-0.7, -0.95), (0.7, -0.95), (0.7, 0.95), (-0.7, 0.95)], (248, 246, 238))
    brush.letters(look.text, (0, -0.65, 0.52, 0.16), look.body, "bold", 0.0)
    for n in range(10):
        end = 0.55 if n % 4 != 3 else look.dice.uniform(-0.2, 0.3)
        brush.line(-0.55, -0.32 + n * 0.12, end, -0.32 + n * 0.12, 0.018, (120, 120, 126))


def _stop_sign(brush: Brush, look: Look) -> None:
    brush.line(0, 0.3, 0, 0.98, 0.05, STEEL)
    for radius, colour in ((0.72, WHITE), (0.67, look.body)):
        brush.poly(
            [
                (
                    radius * math.cos(math.pi * (n + 0.5) / 4),
                    -0.28 + radius * math.sin(math.pi * (n + 0.5) / 4),
                )
                for n in range(8)
            ],
            colour,
        )
    brush.letters("STOP", (0, -0.28, 0.5, 0.22), WHITE, "bold", 0.0)


def _traffic_light(brush: Brush, look: Look) -> None:
    brush.line(0, 0.4, 0, 0.98, 0.06, (80, 82, 88))
    brush.slab(0, -0.2, 0.34, 0.76, 0.1, (48, 50, 54))
    lit = 0 if look.body == COLOURS["red"] else 1 if look.body == COLOURS["yellow"] else 2
    for n, colour in enumerate((COLOURS["red"], COLOURS["yellow"], COLOURS["green"])):
        y = -0.68 + n * 0.48
        brush.disc(0, y, 0.22, (30, 30, 34))
        brush.disc(0, y, 0.19, shade(colour, 1.25) if n == lit else shade(colour, 0.28))
        brush.arc(0, y, 0.23, 0.23, 190, 350, 0.03, (30, 30, 34))


def _sheet(brush: Brush) -> None:
    brush.slab(0, 0, 0.98, 0.86, 0.03, (250, 250, 246))


def _tones(look: Look, number: int) -> list[Colour]:
    rest = [
        colour
        for name, colour in COLOURS.items()
        if name not in ("white", "black", "grey") and colour != look.body
    ]
    return [look.body, *look.dice.sample(rest, number - 1)]


def _bar_chart(brush: Brush, look: Look) -> None:
    _sheet(brush)
    dice, number = look.dice, look.dice.pick((4, 5, 6))
    for n in range(4):
        brush.line(-0.75, 0.32 - n * 0.3, 0.85, 0.32 - n * 0.3, 0.006, (200, 200, 204))
    many = _tones(look, number) if dice.chance(0.5) else [look.body] * number
    for n, colour in enumerate(many):
        top = dice.uniform(-0.6, 0.4)
        x = -0.62 + 1.4 * n / (number - 1)
        brush.box(x, (top + 0.62) / 2, 0.5 / number, (0.62 - top) / 2, colour)
    brush.line(-0.78, -0.72, -0.78, 0.62, 0.016, BLACK)
    brush.line(-0.78, 0.62, 0.88, 0.62, 0.016, BLACK)


def _pie_chart(brush: Brush, look: Look) -> None:
    if look.dice.chance(0.5):
        _sheet(brush)
    number = look.dice.pick((3, 4, 5))
    shares = [look.dice.uniform(0.4, 1.4) for _ in range(number)]
    start = look.dice.uniform(0, 360)
    for share, colour in zip(shares, _tones(look, number), strict=True):
        stop = start + 360 * share / sum(shares)
        brush.pie(0, 0, 0.72, 0.72, start, stop, colour)
        brush.line(
            0, 0, 0.72 * math.cos(math.radians(start)), 0.72 * math.sin(math.radians(start)), 0.016, WHITE
        )
        start = stop


def _line_chart(brush: Brush, look: Look) -> None:
    _sheet(brush)
    for n in range(5):
        brush.line(-0.75, 0.5 - n * 0.26, 0.85, 0.5 - n * 0.26, 0.006, (206, 206, 210))
        brush.line(-0.45 + n * 0.3, -0.7, -0.45 + n * 0.3, 0.62, 0.006, (206, 206, 210))
    for colour in _tones(look, look.dice.pick((1, 2, 3)))[::-1]:
        y, points = look.dice.uniform(-0.2, 0.4), []
        for n in range(8):
            y = min(0.55, max(-0.66, y + look.dice.uniform(-0.34, 0.28)))
            points.append((-0.75 + n * 0.22, y))
        for (x0, y0), (x1, y1) in pairwise(points):
            brush.line(x0, y0, x1, y1, 0.024, colour)
        for x, y in points:
            brush.disc(x, y, 0.045, colour)
    brush.line(-0.78, -0.72, -0.78, 0.62, 0.016, BLACK)
    brush.line(-0.78, 0.62, 0.88, 0.62, 0.016, BLACK)


_INKS = colours("red", "blue", "green", "black", "purple", "orange", "yellow", "white", "turquoise")
_FLAT = ("studio", "wall", "table")

WRITING: dict[str, Kind] = {
    "letter": Kind(
        _letter, _INKS, _FLAT, upright=False, texts=tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), says="{name} {text}"
    ),
    "number": Kind(
        _number,
        _INKS,
        _FLAT,
        upright=False,
        texts=tuple(str(n) for n in range(100)),
        says="{name} {text}",
        aliases=("digit",),
    ),
    "sign": Kind(
        _sign,
        colours("white", "blue", "green", "red", "yellow", "black"),
        ("land", "street"),
        texts=_WORDS,
        says="{name} that says {text}",
        aliases=("signboard",),
        foot=0.96,
    ),
    "sheet of paper": Kind(
        _paper,
        colours("black", "blue", "red"),
        ("table", "wall"),
        texts=_WORDS,
        upright=False,
        says="{name} with the heading {text}",
        aliases=("letter paper",),
    ),
    "stop sign": Kind(_stop_sign, colours("red"), ("street", "land"), "metal", foot=0.98),
    "traffic light": Kind(
        _traffic_light,
        colours("red", "yellow", "green"),
        ("street",),
        "smooth",
        aliases=("traffic signal",),
        foot=0.98,
    ),
    "bar chart": Kind(_bar_chart, _INKS, _FLAT, "smooth", aliases=("bar graph",), upright=False),
    "pie chart": Kind(_pie_chart, _INKS, _FLAT, "smooth", upright=False),
    "line chart": Kind(_line_chart, _INKS, _FLAT, "smooth", aliases=("line graph",), upright=False),
}
