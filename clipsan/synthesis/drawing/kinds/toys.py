"""Toys, sports gear and instruments."""

from __future__ import annotations

import math

from clipsan.synthesis.drawing.brush import Brush, ring
from clipsan.synthesis.drawing.colours import BLACK, GOLD, STEEL, WHITE, WOOD, Colour, colours, mix, shade
from clipsan.synthesis.drawing.curves import smooth
from clipsan.synthesis.drawing.kind import Kind, Look

_CHAIN: Colour = (120, 122, 128)


def _teddy(brush: Brush, look: Look) -> None:
    fur, pad = look.body, mix(look.body, (255, 240, 214), 0.55)
    for side in (-1, 1):
        brush.limb([(side * 0.3, 0.6), (side * 0.62, 0.78)], [0.24, 0.2], look.dark)
        brush.disc(side * 0.68, 0.76, 0.22, fur)
        brush.oval(side * 0.7, 0.77, 0.13, 0.14, pad)
        brush.limb(
            [(side * 0.35, 0.1), (side * 0.62, 0.28), (side * 0.7, 0.42)], [0.17, 0.17, 0.16], look.dark
        )
        brush.disc(side * 0.42, -0.78, 0.2, fur)
        brush.disc(side * 0.42, -0.77, 0.11, pad)
    brush.oval(0, 0.38, 0.48, 0.5, fur)
    brush.oval(0, 0.44, 0.29, 0.32, pad)
    brush.disc(0, -0.42, 0.5, fur)
    brush.oval(0, -0.26, 0.23, 0.19, pad)
    brush.oval(0, -0.34, 0.09, 0.065, BLACK)
    brush.line(0, -0.3, 0, -0.2, 0.014, BLACK)
    brush.limb([(-0.1, -0.2), (0, -0.15), (0.1, -0.2)], 0.014, BLACK)
    for side in (-1, 1):
        brush.disc(side * 0.19, -0.5, 0.065, BLACK)
        brush.disc(side * 0.19 + 0.02, -0.52, 0.02, WHITE)
    if look.dice.chance(0.6):
        ribbon = look.second
        for side in (-1, 1):
            brush.blob([(0, 0.05), (side * 0.26, -0.08), (side * 0.3, 0.06), (side * 0.24, 0.2)], ribbon)
        brush.disc(0, 0.06, 0.07, shade(ribbon, 0.7))


def _basketball(brush: Brush, look: Look) -> None:
    brush.disc(0, 0, 0.86, look.body)
    turn = look.dice.uniform(-40, 40)
    c, s = math.cos(math.radians(turn)), math.sin(math.radians(turn))

    def turned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
        return [(x * c - y * s, x * s + y * c) for x, y in points]

    with brush.inside(ring(0, 0, 0.86, 0.86)):
        for n in range(90):
            t, r = n * 2.4, 0.09 * math.sqrt(n)
            brush.disc(r * math.cos(t), r * math.sin(t), 0.014, look.dark)
        for line in (
            [(-0.9, 0.04), (0, 0.14), (0.9, 0.04)],
            [(0.05, -0.9), (-0.06, 0), (0.05, 0.9)],
            [(-0.62, -0.75), (-0.3, -0.3), (-0.28, 0.3), (-0.62, 0.75)],
            [(0.66, -0.7), (0.36, -0.3), (0.34, 0.3), (0.66, 0.7)],
        ):
            brush.limb(turned(line), 0.03, BLACK)
    brush.oval(-0.32, -0.42, 0.17, 0.1, look.light, -40)


def _punching_bag(brush: Brush, look: Look) -> None:
    if look.dice.chance(0.25):  # a speed ball under its platform
        brush.slab(0, -0.88, 0.8, 0.09, 0.05, WOOD)
        brush.line(0, -0.8, 0, -0.6, 0.03, STEEL)
        body = [
            (0, -0.62),
            (0.28, -0.4),
            (0.5, 0.15),
            (0.36, 0.62),
            (0, 0.78),
            (-0.36, 0.62),
            (-0.5, 0.15),
            (-0.28, -0.4),
        ]
        brush.blob(body, look.body)
        with brush.inside(smooth(body)):
            brush.oval(0, 0.1, 0.2, 0.8, look.second)
            brush.oval(0.42, 0.1, 0.14, 0.6, look.dark)
        return
    swing = look.dice.uniform(-0.12, 0.12)
    brush.disc(0, -1.0, 0.05, STEEL)
    for side in (-1, 1):
        for n in range(5):
            t = n / 5
            brush.line(
                t * (side * 0.24 + swing * 0.4),
                -1.0 + 0.36 * t,
                (t + 0.12) * (side * 0.24 + swing * 0.4),
                -1.0 + 0.36 * (t + 0.12),
                0.018,
                _CHAIN,
            )
    body = [
        (-0.3 + swing * 0.4, -0.62),
        (0.3 + swing * 0.4, -0.62),
        (0.32 + swing, 0.82),
        (0.2 + swing, 0.96),
        (-0.2 + swing, 0.96),
        (-0.32 + swing, 0.82),
    ]
    brush.poly(body, look.body)
    with brush.inside(body):
        brush.box(0.26 + swing, 0.2, 0.14, 0.9, look.dark)
        brush.box(-0.14 + swing, 0.2, 0.05, 0.9, look.light)
        for y in (-0.5, 0.02, 0.86):
            brush.box(0, y, 0.6, 0.07, mix(look.body, BLACK, 0.55))
    brush.oval(swing * 0.4, -0.62, 0.3, 0.07, shade(look.body, 0.55))
    brush.word(look.dice.pick(("BOX", "PUNCH", "PRO")), swing * 0.7, -0.24, 0.1, look.second, 0.03)


def _drumstick(brush: Brush, look: Look) -> None:
    dice = look.dice

    def stick(x0: float, y0: float, x1: float, y1: float) -> None:
        at = [(x0 + (x1 - x0) * t, y0 + (y1 - y0) * t) for t in (0, 0.55, 0.84, 0.93)]
        brush.limb(at, [0.062, 0.062, 0.034, 0.026], look.dark)
        brush.limb([(x - 0.006, y - 0.012) for x, y in at], [0.05, 0.05, 0.026, 0.018], look.body)
        brush.oval(x1, y1, 0.075, 0.052, look.light, math.degrees(math.atan2(y1 - y0, x1 - x0)))

    if not look.group:
        stick(-0.92, 0.22, 0.94, -0.16)
    elif dice.chance(0.45):  # on a drum
        brush.slab(0, 0.48, 0.72, 0.36, 0.06, look.second)
        for n in range(7):
            brush.line(-0.7 + n * 0.2, 0.2, -0.6 + n * 0.2, 0.78, 0.012, GOLD)
        brush.oval(0, 0.14, 0.74, 0.25, STEEL)
        brush.oval(0, 0.13, 0.68, 0.21, (244, 242, 234))
        stick(0.95, -0.72, -0.2, 0.1)
        stick(-0.95, -0.6, 0.22, 0.12)
    elif dice.chance(0.6):  # a crossed pair
        stick(-0.82, 0.75, 0.8, -0.78)
        stick(0.85, 0.7, -0.76, -0.8)
    else:
        stick(-0.92, 0.22, 0.94, -0.16)
        stick(-0.88, -0.2, 0.96, 0.2)


def _guitar(brush: Brush, look: Look) -> None:
    body = [(0, -0.06), (0.36, -0.02), (0.42, 0.2), (0.32, 0.36), (0.5, 0.6), (0.4, 0.92), (0, 0.98)]
    body += [(-x, y) for x, y in body[-2:0:-1]]
    brush.blob([(x * 1.06, y * 1.02) for x, y in body], look.dark)
    brush.blob(body, look.body)
    brush.disc(0, 0.36, 0.15, GOLD)
    brush.disc(0, 0.36, 0.12, (40, 30, 26))
    brush.box(0, -0.3, 0.065, 0.52, (70, 48, 34))
    for n in range(9):
        brush.line(-0.065, -0.72 + n * 0.1, 0.065, -0.72 + n * 0.1, 0.008, STEEL)
    brush.poly([(-0.09, -0.78), (-0.11, -1.02), (0.11, -1.02), (0.09, -0.78)], look.dark)
    for y in (-0.96, -0.89, -0.82):
        for x in (-0.14, 0.14):
            brush.disc(x, y, 0.03, STEEL)
    brush.box(0, 0.74, 0.17, 0.035, (60, 40, 30))
    for x in (-0.036, -0.012, 0.012, 0.036):
        brush.line(x, -0.8, x, 0.74, 0.005, (226, 226, 220))


def _soccer_ball(brush: Brush, look: Look) -> None:
    brush.disc(0, 0, 0.86, WHITE)
    with brush.inside(ring(0, 0, 0.86, 0.86)):
        brush.disc(0.3, 0.35, 0.9, (222, 222, 218))
        brush.disc(-0.12, -0.12, 0.86, WHITE)
        centre = [
            (0.28 * math.sin(2 * math.pi * n / 5), -0.28 * math.cos(2 * math.pi * n / 5)) for n in range(5)
        ]
        for n, (x, y) in enumerate(centre):
            brush.line(x, y, x * 2.1, y * 2.1, 0.016, BLACK)
            t = 2 * math.pi * n / 5
            ox, oy = 0.82 * math.sin(t), -0.82 * math.cos(t)
            brush.poly(
                [
                    (
                        ox + 0.27 * math.sin(t + math.pi + 2 * math.pi * k / 5),
                        oy - 0.27 * math.cos(t + math.pi + 2 * math.pi * k / 5),
                    )
                    for k in range(5)
                ],
                look.body,
            )
            u = t + math.pi / 5
            for v in (-0.24, 0.24):
                brush.line(
                    0.62 * math.sin(t),
                    -0.62 * math.cos(t),
                    0.66 * math.sin(u + v * 0.2),
                    -0.66 * math.cos(u + v * 0.2),
                    0.014,
                    BLACK,
                )
        brush.poly(centre, look.body)


def _dice_cube(brush: Brush, look: Look) -> None:
    brush.poly([(0, -0.86), (0.78, -0.46), (0, -0.06), (-0.78, -0.46)], look.light)
    brush.poly([(-0.78, -0.46), (0, -0.06), (0, 0.86), (-0.78, 0.44)], look.body)
    brush.poly([(0.78, -0.46), (0, -0.06), (0, 0.86), (0.78, 0.44)], look.dark)
    pip = WHITE if sum(look.body) < 400 else BLACK
    brush.oval(0, -0.46, 0.13, 0.08, pip)
    for u, v in ((0.25, 0.25), (0.5, 0.5), (0.75, 0.75)):
        brush.oval(-0.78 + 0.78 * u, -0.46 + 0.4 * u + 0.92 * v, 0.08, 0.1, pip)
    for u in (0.27, 0.73):
        for v in (0.25, 0.75):
            brush.oval(0.78 * u, -0.06 - 0.4 * u + 0.92 * v, 0.08, 0.1, pip)


def _drum(brush: Brush, look: Look) -> None:
    brush.box(0, 0.2, 0.75, 0.5, look.body)
    brush.oval(0, 0.7, 0.75, 0.22, look.body)
    for n in range(8):
        x = -0.75 + n * 0.215
        brush.line(
            x,
            -0.26 + 0.1 * math.sin(math.pi * n / 7),
            x + 0.1,
            0.72 + 0.16 * math.sin(math.pi * (n + 0.5) / 7),
            0.018,
            WHITE,
        )
        brush.line(
            x + 0.2,
            -0.26 + 0.1 * math.sin(math.pi * n / 7),
            x + 0.1,
            0.72 + 0.16 * math.sin(math.pi * (n + 0.5) / 7),
            0.018,
            WHITE,
        )
    brush.oval(0, -0.3, 0.8, 0.27, GOLD)
    brush.oval(0, -0.32, 0.73, 0.22, (246, 242, 230))


_FUR = {
    "brown": (158, 108, 62),
    "white": (236, 230, 218),
    "blue": (110, 150, 200),
    "pink": (232, 160, 180),
    "black": (60, 56, 60),
}

TOYS: dict[str, Kind] = {
    "teddy bear": Kind(_teddy, _FUR, ("floor", "table", "studio"), "fur", aliases=("teddy",), foot=0.97),
    "basketball": Kind(
        _basketball, {"orange": (222, 116, 48)}, ("gym", "floor", "studio"), "rubber", upright=False
    ),
    "punching bag": Kind(
        _punching_bag,
        colours("red", "black", "blue", "brown"),
        ("gym", "wall"),
        "leather",
        aliases=("punchbag", "punching ball", "punch bag"),
        foot=0.6,
    ),
    "drumstick": Kind(
        _drumstick,
        {"brown": (206, 160, 104), "white": (238, 226, 200), "black": (74, 66, 62)},
        ("floor", "table", "studio"),
        "wood",
        group="pair",
        upright=False,
    ),
    "guitar": Kind(
        _guitar,
        {"orange": (214, 136, 66), "brown": (140, 86, 48), **colours("red", "black", "blue")},
        ("floor", "wall"),
        "wood",
        aliases=("acoustic guitar",),
        foot=0.98,
    ),
    "soccer ball": Kind(
        _soccer_ball,
        colours("black", "blue", "red"),
        ("land", "ground", "gym"),
        "rubber",
        aliases=("football",),
        upright=False,
    ),
    "die": Kind(
        _dice_cube, colours("red", "white", "blue", "green", "black"), ("table",), "gloss", foot=0.86
    ),
    "drum": Kind(_drum, colours("red", "blue", "green", "black"), ("floor",), "gloss", foot=0.9),
}
