"""What stands in a house: furniture and the like."""

from __future__ import annotations

from clipsan.synthesis.drawing.brush import Brush
from clipsan.synthesis.drawing.colours import (
    BLACK,
    GOLD,
    LEAF,
    STEEL,
    WHITE,
    WOOD,
    Colour,
    colours,
    mix,
    shade,
)
from clipsan.synthesis.drawing.kind import Kind, Look


def _bathtub(brush: Brush, look: Look) -> None:
    dice = look.dice
    inner = mix(look.body, (150, 170, 190), 0.35)
    feet: Colour = dice.pick((GOLD, STEEL, (90, 90, 96)))
    for x in (-0.56, 0.56):
        brush.limb([(x, 0.55), (x * 1.08, 0.74), (x * 1.02, 0.86)], [0.1, 0.07, 0.08], feet)
    brush.blob(
        [
            (-0.96, -0.1),
            (-0.84, 0.36),
            (-0.5, 0.66),
            (0, 0.7),
            (0.5, 0.66),
            (0.84, 0.36),
            (0.96, -0.1),
            (0, -0.02),
        ],
        look.body,
    )
    brush.oval(0, -0.1, 0.98, 0.2, shade(look.body, 0.82))
    brush.oval(0, -0.12, 0.97, 0.19, mix(look.body, WHITE, 0.5))
    brush.oval(0, -0.1, 0.86, 0.135, inner)
    if dice.chance(0.6):
        brush.oval(0, -0.07, 0.8, 0.1, (120, 190, 216))
        if dice.chance(0.6):
            for n in range(12):
                brush.disc(
                    -0.66 + n * 0.12,
                    -0.12 + dice.uniform(-0.08, 0.03),
                    dice.uniform(0.06, 0.12),
                    (246, 248, 250),
                )
    brush.limb([(0.78, -0.2), (0.78, -0.5), (0.6, -0.56), (0.56, -0.4)], 0.04, STEEL)
    for x in (0.7, 0.86):
        brush.disc(x, -0.32, 0.045, STEEL)


def _chair(brush: Brush, look: Look) -> None:
    for x in (-0.34, 0.5):
        brush.line(x, 0.2, x, 0.8, 0.045, look.dark)
    for x in (-0.4, 0.36):
        brush.line(x, -0.9, x, 0.2, 0.05, look.body)
    for y in (-0.82, -0.5, -0.2):
        brush.box(-0.02, y, 0.4, 0.07, look.body)
    brush.poly([(-0.45, 0.12), (0.4, 0.12), (0.62, 0.34), (-0.56, 0.34)], look.light)
    brush.poly([(-0.56, 0.34), (0.62, 0.34), (0.62, 0.42), (-0.56, 0.42)], look.dark)
    for x in (-0.52, 0.58):
        brush.line(x, 0.4, x, 0.95, 0.05, look.body)


def _table(brush: Brush, look: Look) -> None:
    for x in (-0.66, 0.66):
        brush.line(x, 0.0, x, 0.6, 0.055, look.dark)
    brush.poly([(-0.72, -0.36), (0.72, -0.36), (0.98, 0.0), (-0.98, 0.0)], look.body)
    brush.poly([(-0.98, 0.0), (0.98, 0.0), (0.98, 0.1), (-0.98, 0.1)], look.dark)
    for x in (-0.88, 0.88):
        brush.line(x, 0.1, x, 0.86, 0.065, look.body)


def _book(brush: Brush, look: Look) -> None:
    if look.dice.chance(0.5):  # open
        for side in (-1, 1):
            brush.blob(
                [
                    (0, -0.44),
                    (side * 0.5, -0.58),
                    (side * 0.97, -0.44),
                    (side * 0.97, 0.5),
                    (side * 0.5, 0.4),
                    (0, 0.56),
                ],
                look.body,
            )
            brush.blob(
                [
                    (0, -0.42),
                    (side * 0.48, -0.54),
                    (side * 0.9, -0.42),
                    (side * 0.9, 0.42),
                    (side * 0.48, 0.34),
                    (0, 0.5),
                ],
                (248, 244, 232),
            )
            for n in range(7):
                brush.line(side * 0.14, -0.3 + n * 0.1, side * 0.78, -0.34 + n * 0.1, 0.014, (130, 128, 124))
        brush.line(0, -0.42, 0, 0.52, 0.016, (170, 164, 150))
        return
    brush.slab(0.04, 0.06, 0.64, 0.86, 0.03, shade(look.body, 0.6))
    brush.box(0.08, 0.1, 0.58, 0.82, (244, 238, 222))
    brush.slab(-0.02, -0.02, 0.62, 0.84, 0.03, look.body)
    brush.box(-0.56, -0.02, 0.05, 0.84, look.dark)
    brush.slab(0.06, -0.36, 0.38, 0.2, 0.02, look.second)
    for y in (-0.42, -0.3):
        brush.line(-0.16, y, 0.28, y, 0.025, WHITE)
    brush.disc(0.06, 0.3, 0.2, look.light)


def _candle(brush: Brush, look: Look) -> None:
    brush.oval(0, 0.84, 0.5, 0.12, GOLD)
    brush.slab(0, 0.76, 0.3, 0.1, 0.05, shade(GOLD, 0.8))
    brush.slab(0, 0.2, 0.2, 0.58, 0.04, look.body)
    brush.limb([(0.12, -0.36), (0.14, -0.1), (0.13, 0.0)], 0.05, look.light)
    brush.oval(0, -0.37, 0.2, 0.06, look.light)
    brush.line(0, -0.38, 0.02, -0.52, 0.02, BLACK)
    brush.blob([(0, -0.44), (0.14, -0.6), (0.02, -0.98), (-0.13, -0.6)], (252, 170, 50))
    brush.blob([(0, -0.46), (0.07, -0.58), (0.01, -0.78), (-0.06, -0.58)], (255, 244, 180))


def _potted_plant(brush: Brush, look: Look) -> None:
    for x, y in (
        (-0.7, -0.3),
        (0.7, -0.36),
        (-0.42, -0.78),
        (0.42, -0.82),
        (0.0, -0.96),
        (-0.2, -0.5),
        (0.24, -0.5),
    ):
        tone = shade(LEAF, look.dice.uniform(0.7, 1.15))
        brush.limb([(0, 0.3), (x * 0.6, y * 0.4), (x, y)], [0.03, 0.14, 0.02], tone)
    brush.poly([(-0.44, 0.3), (0.44, 0.3), (0.32, 0.94), (-0.32, 0.94)], look.body)
    brush.box(0, 0.3, 0.5, 0.09, look.dark)


def _sofa(brush: Brush, look: Look) -> None:
    for x in (-0.8, 0.8):
        brush.line(x, 0.5, x, 0.68, 0.05, shade(WOOD, 0.6))
    brush.slab(0, -0.05, 0.84, 0.42, 0.16, look.dark)
    for x in (-0.38, 0.38):
        brush.slab(x, -0.1, 0.36, 0.3, 0.1, look.body)
        brush.slab(x, 0.26, 0.39, 0.14, 0.08, look.light)
    brush.slab(0, 0.46, 0.86, 0.12, 0.05, look.body)
    for x in (-0.86, 0.86):
        brush.slab(x, 0.2, 0.14, 0.38, 0.12, look.body)
    brush.slab(-0.5, 0.02, 0.17, 0.15, 0.05, look.second)


_WOODS = {"brown": (150, 100, 58), **colours("white", "black", "red", "green")}

HOUSEHOLD: dict[str, Kind] = {
    "bathtub": Kind(
        _bathtub,
        {
            "white": (242, 242, 240),
            "pink": (236, 190, 196),
            "blue": (160, 196, 220),
            "green": (176, 206, 180),
        },
        ("bath",),
        "gloss",
        aliases=("tub", "bathing tub", "bath"),
        foot=0.88,
    ),
    "chair": Kind(_chair, _WOODS, ("floor",), "wood", foot=0.97),
    "table": Kind(_table, _WOODS, ("floor",), "wood", aliases=("dining table",), foot=0.9),
    "book": Kind(
        _book,
        colours("red", "blue", "green", "brown", "purple", "black"),
        ("table", "floor"),
        "cloth",
        upright=False,
    ),
    "candle": Kind(_candle, colours("white", "red", "blue", "green", "purple"), ("table",), "wax", foot=0.94),
    "potted plant": Kind(
        _potted_plant,
        {"brown": (178, 100, 64), **colours("white", "blue", "yellow")},
        ("floor", "table"),
        "leaves",
        aliases=("houseplant", "pot plant"),
        foot=0.94,
    ),
    "sofa": Kind(
        _sofa,
        colours("red", "blue", "green", "grey", "brown", "purple"),
        ("floor",),
        "cloth",
        aliases=("couch", "studio couch"),
        foot=0.7,
    ),
}
