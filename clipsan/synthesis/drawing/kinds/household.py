"""What stands in a house: vessels, furniture and the like."""

from __future__ import annotations

from clipsan.synthesis.drawing.brush import Brush, ring
from clipsan.synthesis.drawing.colours import (
    BLACK,
    GLASS,
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


def _beaker(brush: Brush, look: Look) -> None:
    dice = look.dice
    half, level = dice.uniform(0.46, 0.62), dice.uniform(-0.25, 0.35)
    glass = mix(GLASS, WHITE, 0.35)
    brush.slab(0, 0.05, half, 0.85, 0.14, shade(glass, 0.8))
    brush.slab(0, 0.03, half - 0.035, 0.82, 0.12, glass)
    brush.slab(0, (level + 0.84) / 2, half - 0.05, (0.84 - level) / 2, 0.12, look.body)
    brush.oval(0, level, half - 0.05, 0.1, look.light)
    brush.oval(0, -0.78, half + 0.02, 0.13, shade(glass, 0.75))
    brush.oval(0, -0.79, half - 0.05, 0.095, shade(glass, 1.3))
    brush.poly(
        [(-half - 0.14, -0.86), (-half + 0.1, -0.88), (-half + 0.03, -0.68)], shade(glass, 0.85)
    )  # the lip
    for n in range(7):
        long = 0.22 if n % 2 == 0 else 0.13
        y = 0.66 - n * 0.18
        brush.line(half * 0.1, y, half * 0.1 + long, y, 0.016, WHITE if y > level else (90, 110, 130))
        if n % 2 == 0 and n:
            brush.word(str(n * 50), half * 0.1 + 0.34, y, 0.09, WHITE if y > level else (90, 110, 130))
    brush.line(-half + 0.13, -0.55, -half + 0.13, 0.6, 0.03, WHITE)
    if dice.chance(0.3):
        for _ in range(8):
            brush.disc(
                dice.uniform(-half + 0.15, half - 0.15), dice.uniform(level + 0.15, 0.7), 0.035, look.light
            )


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


def _bottle(brush: Brush, look: Look) -> None:
    brush.slab(0, 0.32, 0.32, 0.64, 0.08, look.body)
    brush.blob(
        [(-0.32, -0.2), (-0.28, -0.36), (-0.1, -0.55), (0.1, -0.55), (0.28, -0.36), (0.32, -0.2), (0, 0)],
        look.body,
    )
    brush.box(0, -0.7, 0.1, 0.24, look.body)
    brush.slab(0, -0.9, 0.13, 0.08, 0.03, look.second)
    brush.slab(0, 0.34, 0.32, 0.28, 0.02, (244, 236, 214))
    brush.word(look.dice.pick(("WINE", "OIL", "COLA", "1987")), 0, 0.3, 0.17, BLACK)
    brush.line(-0.18, 0.5, 0.18, 0.5, 0.014, look.second)
    brush.line(-0.23, -0.1, -0.23, 0.0, 0.03, shade(look.body, 1.5))


def _wine_glass(brush: Brush, look: Look) -> None:
    rim: Colour = (226, 236, 240)
    brush.blob([(-0.44, -0.9), (-0.5, -0.4), (-0.2, 0.04), (0.2, 0.04), (0.5, -0.4), (0.44, -0.9)], rim)
    brush.blob(
        [(-0.45, -0.48), (-0.38, -0.2), (-0.14, 0.0), (0.14, 0.0), (0.38, -0.2), (0.45, -0.48)], look.body
    )
    brush.oval(0, -0.48, 0.45, 0.08, look.light)
    brush.oval(0, -0.92, 0.43, 0.06, shade(rim, 0.85))
    brush.line(0, 0.04, 0, 0.8, 0.035, shade(rim, 0.9))
    brush.oval(0, 0.86, 0.38, 0.08, shade(rim, 0.85))
    brush.line(-0.34, -0.78, -0.38, -0.5, 0.025, WHITE)


def _mug(brush: Brush, look: Look) -> None:
    brush.arc(0.5, 0.05, 0.3, 0.34, -80, 80, 0.08, look.dark)
    brush.slab(-0.1, 0.06, 0.6, 0.74, 0.1, look.body)
    if look.pattern == "striped":
        for y in (-0.3, 0.05, 0.4):
            brush.box(-0.1, y, 0.6, 0.08, look.second)
    elif look.pattern:
        for n in range(12):
            x, y = -0.56 + (n % 4) * 0.31, -0.34 + n // 4 * 0.36
            if look.pattern == "dotted":
                brush.disc(x, y, 0.09, look.second)
            else:
                brush.box(x, y, 0.09, 0.1, look.second)
    brush.oval(-0.1, -0.66, 0.6, 0.15, look.light)
    brush.oval(-0.1, -0.65, 0.52, 0.115, (92, 58, 34))
    if look.dice.chance(0.5):
        for x in (-0.3, 0.1):
            brush.limb(
                [(x, -0.72), (x + 0.08, -0.82), (x - 0.02, -0.92), (x + 0.06, -1.0)], 0.025, (230, 230, 230)
            )


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


def _teapot(brush: Brush, look: Look) -> None:
    brush.arc(-0.58, 0.1, 0.34, 0.34, 80, 280, 0.07, look.dark)
    brush.limb([(0.48, 0.36), (0.72, 0.1), (0.94, -0.28)], [0.17, 0.1, 0.07], look.body)
    brush.oval(0, 0.2, 0.64, 0.54, look.body)
    with brush.inside(ring(0, 0.2, 0.64, 0.54)):
        if look.pattern == "striped":
            for y in (-0.05, 0.2, 0.45):
                brush.box(0, y, 0.8, 0.06, look.second)
        elif look.pattern:
            for n in range(20):
                x, y = -0.56 + (n % 5) * 0.28 + (n // 5 % 2) * 0.14, -0.15 + n // 5 * 0.24
                brush.disc(x, y, 0.07, look.second)
    brush.oval(0, -0.3, 0.32, 0.1, look.dark)
    brush.blob([(-0.3, -0.32), (0, -0.5), (0.3, -0.32), (0, -0.26)], look.light)
    brush.disc(0, -0.52, 0.08, look.second)
    brush.slab(0, 0.74, 0.34, 0.06, 0.04, look.dark)


_GLAZES = colours("white", "red", "blue", "green", "yellow", "turquoise", "black", "pink")
_WOODS = {"brown": (150, 100, 58), **colours("white", "black", "red", "green")}
_DRINKS = {
    "blue": (60, 130, 220),
    "red": (214, 50, 60),
    "green": (70, 180, 90),
    "yellow": (240, 210, 70),
    "orange": (240, 140, 50),
    "pink": (236, 120, 170),
    "purple": (140, 80, 190),
}

HOUSEHOLD: dict[str, Kind] = {
    "beaker": Kind(_beaker, _DRINKS, ("table", "studio"), "glass", foot=0.88),
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
    "bottle": Kind(
        _bottle,
        {"green": (54, 110, 70), "brown": (116, 70, 36), "blue": (70, 120, 180)},
        ("table",),
        "glass",
        aliases=("wine bottle",),
        foot=0.94,
    ),
    "wine glass": Kind(
        _wine_glass,
        {"red": (150, 24, 50), "yellow": (236, 216, 130), "pink": (236, 150, 150)},
        ("table",),
        "glass",
        aliases=("goblet",),
        foot=0.93,
    ),
    "coffee mug": Kind(_mug, _GLAZES, ("table",), "gloss", aliases=("mug",), patterned=True, foot=0.8),
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
    "teapot": Kind(_teapot, _GLAZES, ("table",), "gloss", patterned=True, foot=0.8),
}
