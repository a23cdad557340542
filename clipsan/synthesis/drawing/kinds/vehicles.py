"""Vehicles on roads, rails and in the air."""

from __future__ import annotations

import math

from clipsan.synthesis.drawing.brush import Brush, ring
from clipsan.synthesis.drawing.colours import BLACK, GLASS, GOLD, STEEL, WOOD, Colour, colours, mix, shade
from clipsan.synthesis.drawing.kind import Kind, Look

_TYRE: Colour = (42, 42, 46)
_LAMP: Colour = (252, 232, 140)


def _wheel(brush: Brush, x: float, y: float, radius: float) -> None:
    brush.disc(x, y, radius, _TYRE)
    brush.disc(x, y, radius * 0.58, STEEL)
    brush.disc(x, y, radius * 0.2, (90, 92, 98))


def _car(brush: Brush, look: Look) -> None:
    brush.blob([(-0.58, 0.02), (-0.36, -0.42), (0.0, -0.5), (0.3, -0.42), (0.6, 0.02), (0, 0.1)], look.body)
    brush.blob([(-0.46, -0.02), (-0.3, -0.34), (-0.04, -0.4), (-0.04, -0.02)], GLASS)
    brush.blob([(0.04, -0.02), (0.04, -0.4), (0.24, -0.34), (0.46, -0.02)], GLASS)
    brush.blob(
        [
            (-0.96, 0.2),
            (-0.88, 0.02),
            (-0.4, -0.06),
            (0.5, -0.06),
            (0.92, 0.04),
            (0.98, 0.3),
            (0.8, 0.42),
            (-0.85, 0.42),
        ],
        look.body,
    )
    brush.box(0, 0.34, 0.9, 0.05, look.dark)
    brush.line(0, -0.02, 0, 0.32, 0.012, look.dark)
    brush.line(0.08, 0.08, 0.18, 0.08, 0.02, look.dark)
    brush.oval(-0.9, 0.14, 0.07, 0.06, _LAMP)
    brush.oval(0.93, 0.14, 0.04, 0.07, (220, 50, 40))
    for x in (-0.52, 0.54):
        _wheel(brush, x, 0.4, 0.22)


def _bus(brush: Brush, look: Look) -> None:
    brush.slab(0, -0.05, 0.96, 0.5, 0.12, look.body)
    brush.box(0, 0.22, 0.96, 0.06, look.second)
    for n in range(5):
        brush.slab(-0.66 + n * 0.31, -0.22, 0.13, 0.19, 0.03, GLASS)
    brush.slab(0.86, -0.1, 0.07, 0.3, 0.03, GLASS)
    brush.box(0, 0.44, 0.94, 0.04, look.dark)
    brush.disc(-0.92, 0.32, 0.05, _LAMP)
    for x in (-0.56, 0.56):
        _wheel(brush, x, 0.46, 0.2)


def _truck(brush: Brush, look: Look) -> None:
    brush.box(0.25, -0.15, 0.7, 0.46, look.body)
    for n in range(1, 7):
        brush.line(-0.45 + n * 0.2, -0.58, -0.45 + n * 0.2, 0.28, 0.008, look.dark)
    brush.poly([(-0.95, 0.32), (-0.95, -0.02), (-0.82, -0.34), (-0.5, -0.34), (-0.5, 0.32)], look.dark)
    brush.poly([(-0.9, -0.02), (-0.79, -0.27), (-0.58, -0.27), (-0.58, -0.02)], GLASS)
    brush.box(0.0, 0.36, 0.95, 0.05, (66, 66, 72))
    brush.disc(-0.92, 0.16, 0.05, _LAMP)
    for x in (-0.68, 0.35, 0.76):
        _wheel(brush, x, 0.46, 0.19)


def _bicycle(brush: Brush, look: Look) -> None:
    for x in (-0.56, 0.56):
        brush.arc(x, 0.35, 0.38, 0.38, 0, 360, 0.035, _TYRE)
        for n in range(5):
            angle = math.pi * n / 5
            dx, dy = 0.36 * math.cos(angle), 0.36 * math.sin(angle)
            brush.line(x - dx, 0.35 - dy, x + dx, 0.35 + dy, 0.008, (160, 162, 168))
    seat, crank, head = (-0.22, -0.3), (-0.08, 0.36), (0.36, -0.3)
    for start, end in (
        ((-0.56, 0.35), seat),
        ((-0.56, 0.35), crank),
        (seat, crank),
        (seat, head),
        (crank, head),
        ((0.56, 0.35), head),
    ):
        brush.line(*start, *end, 0.038, look.body)
    brush.line(*seat, -0.26, -0.45, 0.03, STEEL)
    brush.limb([(-0.44, -0.48), (-0.26, -0.48), (-0.1, -0.46)], [0.06, 0.05, 0.025], BLACK)
    brush.line(*head, 0.32, -0.56, 0.03, STEEL)
    brush.limb([(0.32, -0.56), (0.52, -0.6), (0.5, -0.42)], 0.035, BLACK)
    brush.disc(*crank, 0.1, (80, 82, 88))
    brush.line(-0.08, 0.36, 0.0, 0.56, 0.022, (60, 60, 64))


def _locomotive(brush: Brush, look: Look) -> None:
    brush.slab(-0.2, -0.02, 0.6, 0.27, 0.08, look.body)
    for x in (-0.5, -0.15):
        brush.box(x, -0.02, 0.03, 0.27, GOLD)
    brush.box(0.62, -0.16, 0.3, 0.46, look.body)
    brush.slab(0.62, -0.3, 0.18, 0.17, 0.03, GLASS)
    brush.box(0.62, -0.66, 0.38, 0.06, look.dark)
    brush.poly([(-0.66, -0.28), (-0.72, -0.7), (-0.4, -0.7), (-0.46, -0.28)], BLACK)
    brush.slab(-0.1, -0.34, 0.11, 0.12, 0.08, GOLD)
    brush.box(0.06, 0.32, 0.88, 0.07, (60, 60, 66))
    brush.poly([(-0.8, 0.28), (-1.0, 0.66), (-0.74, 0.66)], (150, 52, 44))
    brush.disc(-0.84, -0.1, 0.08, _LAMP)
    for x, radius in ((-0.55, 0.17), (-0.18, 0.17), (0.32, 0.26), (0.76, 0.17)):
        y = 0.68 - radius
        brush.disc(x, y, radius, (150, 44, 40))
        brush.disc(x, y, radius * 0.75, (60, 60, 66))
        brush.disc(x, y, radius * 0.25, GOLD)
    brush.line(-0.55, 0.5, 0.32, 0.46, 0.03, STEEL)
    for x, y, radius in ((-0.5, -0.85, 0.13), (-0.28, -0.93, 0.1)):
        brush.disc(x, y, radius, (222, 222, 226))


def _airplane(brush: Brush, look: Look) -> None:
    brush.poly([(0.1, -0.06), (0.55, -0.62), (0.7, -0.62), (0.4, -0.05)], look.dark)
    brush.poly([(0.62, -0.06), (0.86, -0.46), (0.98, -0.46), (0.9, 0.0)], look.second)
    brush.blob(
        [
            (-0.98, 0.1),
            (-0.8, -0.06),
            (-0.3, -0.15),
            (0.5, -0.12),
            (0.95, -0.04),
            (0.6, 0.1),
            (0, 0.22),
            (-0.7, 0.24),
        ],
        look.body,
    )
    brush.poly([(-0.84, -0.02), (-0.7, -0.1), (-0.66, 0.0)], (70, 110, 150))
    for n in range(9):
        brush.slab(-0.5 + n * 0.12, -0.02, 0.028, 0.035, 0.02, (70, 110, 150))
    brush.poly([(-0.2, 0.1), (0.42, 0.72), (0.6, 0.72), (0.26, 0.08)], shade(look.body, 0.84))
    brush.slab(0.12, 0.42, 0.15, 0.07, 0.06, (110, 112, 120))
    brush.poly([(0.68, 0.02), (0.92, 0.2), (1.0, 0.2), (0.86, 0.0)], look.dark)


def _helicopter(brush: Brush, look: Look) -> None:
    brush.limb([(0.2, 0.0), (0.6, -0.1), (0.94, -0.16)], [0.13, 0.07, 0.04], look.body)
    brush.poly([(0.84, -0.1), (0.92, -0.45), (1.0, -0.45), (0.98, -0.08)], look.dark)
    brush.blob(
        [(-0.85, 0.2), (-0.66, -0.16), (-0.2, -0.34), (0.24, -0.2), (0.36, 0.12), (0.1, 0.4), (-0.6, 0.4)],
        look.body,
    )
    brush.blob([(-0.78, 0.16), (-0.6, -0.1), (-0.3, -0.22), (-0.26, 0.14)], GLASS)
    brush.slab(0.0, 0.02, 0.14, 0.12, 0.03, GLASS)
    brush.box(-0.1, -0.42, 0.05, 0.14, (90, 92, 98))
    brush.limb([(-1.0, -0.56), (-0.1, -0.58), (0.85, -0.54)], 0.03, (66, 68, 74))
    for x in (-0.45, 0.1):
        brush.line(x, 0.38, x - 0.04, 0.62, 0.025, (90, 92, 98))
    brush.limb([(-0.85, 0.56), (-0.7, 0.64), (0.35, 0.64)], 0.03, (66, 68, 74))


def _balloon(brush: Brush, look: Look) -> None:
    body = [
        (0, -0.98),
        (0.5, -0.82),
        (0.7, -0.4),
        (0.5, 0.05),
        (0.16, 0.45),
        (-0.16, 0.45),
        (-0.5, 0.05),
        (-0.7, -0.4),
        (-0.5, -0.82),
    ]
    brush.blob(body, look.body)
    for width, colour in ((0.46, look.second), (0.2, look.body)):
        brush.blob(
            [
                (0, -0.97),
                (width, -0.75),
                (width * 1.25, -0.4),
                (width, 0.0),
                (0.1, 0.44),
                (-0.1, 0.44),
                (-width, 0.0),
                (-width * 1.25, -0.4),
                (-width, -0.75),
            ],
            colour,
        )
    for x in (-0.13, 0.13):
        brush.line(x, 0.44, x * 0.9, 0.74, 0.012, (90, 70, 50))
    brush.slab(0, 0.84, 0.16, 0.12, 0.03, WOOD)
    brush.box(0, 0.76, 0.17, 0.025, shade(WOOD, 0.7))


def _sailing_ship(brush: Brush, look: Look) -> None:
    for x, height in ((-0.45, 0.62), (0.02, 0.8), (0.46, 0.6)):
        brush.line(x, 0.35, x, -height - 0.12, 0.022, shade(WOOD, 0.7))
        for level, width in ((0.0, 0.26), (-0.42, 0.2)):
            y = level * height / 0.8
            brush.blob(
                [
                    (x - width, y - 0.32),
                    (x + width, y - 0.32),
                    (x + width * 1.1, y),
                    (x, y + 0.08),
                    (x - width * 0.8, y),
                ],
                mix(look.second, (255, 250, 236), 0.9),
            )
        brush.poly([(x, -height - 0.12), (x + 0.2, -height - 0.06), (x, -height)], (200, 50, 44))
    brush.poly([(-0.96, 0.3), (0.98, 0.22), (0.8, 0.72), (-0.66, 0.76)], look.body)
    brush.poly([(-0.93, 0.38), (0.96, 0.31), (0.94, 0.38), (-0.9, 0.46)], GOLD)
    for n in range(5):
        brush.box(-0.55 + n * 0.28, 0.56 - n * 0.01, 0.05, 0.045, BLACK)


def _tractor(brush: Brush, look: Look) -> None:
    brush.slab(-0.4, 0.1, 0.5, 0.2, 0.05, look.body)
    for n in range(4):
        brush.line(-0.74 + n * 0.1, 0.0, -0.74 + n * 0.1, 0.2, 0.015, look.dark)
    brush.line(-0.5, -0.08, -0.5, -0.5, 0.035, BLACK)
    brush.box(0.32, -0.3, 0.34, 0.4, look.body)
    brush.slab(0.32, -0.36, 0.25, 0.27, 0.03, GLASS)
    brush.box(0.32, -0.74, 0.42, 0.05, look.dark)
    for x, radius in ((-0.62, 0.26), (0.42, 0.46)):
        brush.disc(x, 0.84 - radius, radius, _TYRE)
        brush.disc(x, 0.84 - radius, radius * 0.58, mix(look.second, (250, 220, 90), 0.7))
        with brush.inside(ring(x, 0.84 - radius, radius, radius)):
            brush.disc(x, 0.84 - radius, radius * 0.16, BLACK)


_CAR_COLOURS = colours("red", "blue", "yellow", "green", "white", "black", "orange", "grey")

VEHICLES: dict[str, Kind] = {
    "car": Kind(_car, _CAR_COLOURS, ("street", "land"), "gloss", foot=0.62),
    "bus": Kind(_bus, colours("red", "yellow", "blue", "green", "white"), ("street",), "gloss", foot=0.66),
    "truck": Kind(_truck, _CAR_COLOURS, ("street",), "gloss", aliases=("lorry",), foot=0.65),
    "bicycle": Kind(_bicycle, _CAR_COLOURS, ("street", "land"), "gloss", aliases=("bike",), foot=0.76),
    "steam locomotive": Kind(
        _locomotive,
        colours("green", "black", "blue", "red"),
        ("land",),
        "metal",
        aliases=("locomotive", "train"),
        foot=0.68,
    ),
    "airplane": Kind(
        _airplane,
        {**colours("white", "grey", "red", "yellow", "blue")},
        ("sky",),
        "gloss",
        aliases=("aeroplane", "airliner", "plane"),
        upright=False,
    ),
    "helicopter": Kind(_helicopter, _CAR_COLOURS, ("sky",), "gloss", upright=False),
    "hot air balloon": Kind(
        _balloon,
        colours("red", "yellow", "blue", "orange", "green", "purple"),
        ("sky",),
        "cloth",
        aliases=("balloon",),
        foot=0.96,
    ),
    "sailing ship": Kind(
        _sailing_ship,
        {"brown": (122, 78, 46), "black": (60, 54, 54)},
        ("sea",),
        "wood",
        aliases=("ship", "galleon"),
        foot=0.72,
    ),
    "tractor": Kind(_tractor, colours("green", "red", "blue", "orange"), ("land",), "metal", foot=0.84),
}
