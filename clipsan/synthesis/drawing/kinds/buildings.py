"""Buildings and what else stands in a landscape."""

from __future__ import annotations

import math

from clipsan.synthesis.drawing.brush import Brush
from clipsan.synthesis.drawing.colours import BLACK, GLASS, WOOD, Colour, colours, mix, shade
from clipsan.synthesis.drawing.kind import Kind, Look

_ROOF: Colour = (172, 72, 54)


def _lighthouse(brush: Brush, look: Look) -> None:
    dice = look.dice
    rocks: Colour = (112, 104, 98)
    brush.blob([(-0.75, 0.98), (-0.5, 0.72), (-0.1, 0.66), (0.4, 0.7), (0.8, 0.98)], rocks)
    wide, top = dice.uniform(0.26, 0.34), dice.uniform(0.15, 0.2)
    tower = [(-top, -0.42), (top, -0.42), (wide, 0.78), (-wide, 0.78)]
    brush.poly(tower, (242, 240, 234))
    with brush.inside(tower):
        bands = dice.pick((0, 2, 3, 3))
        for n in range(bands):
            y = -0.42 + 1.2 * (2 * n + 1) / (2 * bands)
            brush.box(0, y, 0.5, 0.3 / bands, look.body)
        brush.box(0.4, 0.2, 0.28, 0.7, mix((242, 240, 234), look.body, 0.3) if bands == 0 else look.dark)
        brush.box(0.3, 0.2, 0.08, 0.7, (210, 206, 200)) if bands == 0 else None
    for y in (-0.15, 0.25):
        brush.slab(-0.04, y, 0.045, 0.07, 0.03, (70, 84, 100))
    brush.slab(-0.03, 0.66, 0.08, 0.13, 0.06, shade(WOOD, 0.6))
    brush.box(0, -0.46, top + 0.1, 0.045, (70, 70, 76))
    brush.box(0, -0.6, top * 0.75, 0.12, (255, 240, 150))
    for x in (-1, -0.33, 0.33, 1):
        brush.line(x * top * 0.75, -0.72, x * top * 0.75, -0.48, 0.012, (70, 70, 76))
    for x in (-1, -0.5, 0, 0.5, 1):
        brush.line(x * (top + 0.08), -0.56, x * (top + 0.08), -0.46, 0.01, (70, 70, 76))
    brush.blob([(-top, -0.7), (0, -0.92), (top, -0.7)], look.body)
    brush.disc(0, -0.9, 0.035, (70, 70, 76))
    if dice.chance(0.35):
        brush.poly([(0.1, -0.62), (1.0, -0.86), (1.0, -0.46), (0.1, -0.56)], (255, 246, 190))
    if dice.chance(0.4):
        brush.box(0.55, 0.74, 0.24, 0.14, (236, 232, 224))
        brush.poly([(0.27, 0.62), (0.55, 0.42), (0.83, 0.62)], _ROOF)


def _viaduct(brush: Brush, look: Look) -> None:
    dice = look.dice
    arches, top, deep = dice.pick((3, 4, 5, 6)), -0.32, 0.82
    step = 2.1 / arches
    brush.box(0, (top + deep) / 2, 1.05, (deep - top) / 2, look.body)
    for row in range(int((deep - top) / 0.09)):
        y = top + row * 0.09
        brush.line(-1.05, y, 1.05, y, 0.006, look.dark)
        for n in range(14):
            x = -1.05 + n * 0.16 + (row % 2) * 0.08
            brush.line(x, y, x, y + 0.09, 0.006, look.dark)
    gap = step * 0.36
    for n in range(arches):
        cx = -1.05 + step * (n + 0.5)
        hole = [(cx - gap, deep + 0.1)]
        hole += [
            (cx - gap * math.cos(math.pi * k / 10), top + 0.2 + gap - gap * math.sin(math.pi * k / 10))
            for k in range(11)
        ]
        hole += [(cx + gap, deep + 0.1)]
        rim = [(cx + (x - cx) * 1.13, y - 0.04) for x, y in hole]
        brush.poly(rim, look.light)
        brush.poly([(x + gap * 0.18, y) for x, y in hole], look.dark)
        brush.cut(hole)
    brush.box(0, top - 0.02, 1.08, 0.055, look.light)
    brush.box(0, top - 0.1, 1.08, 0.025, look.dark)
    if dice.chance(0.4):  # a train crosses
        for n in range(3):
            brush.slab(-0.4 + n * 0.42, top - 0.24, 0.2, 0.11, 0.03, look.second)
            for k in (-0.1, 0.0, 0.1):
                brush.box(-0.4 + n * 0.42 + k, top - 0.27, 0.03, 0.04, GLASS)


def _castle(brush: Brush, look: Look) -> None:
    wall, dark = look.body, look.dark
    brush.box(0, 0.4, 0.7, 0.45, wall)
    for x, top in ((-0.72, -0.35), (0.72, -0.35), (0, -0.5)):
        half = 0.2 if x else 0.26
        brush.box(x, (top + 0.85) / 2, half, (0.85 - top) / 2, mix(wall, dark, 0.0 if x < 0 else 0.3))
        brush.poly([(x - half - 0.06, top), (x, top - 0.45), (x + half + 0.06, top)], _ROOF)
        brush.line(x, top - 0.42, x, top - 0.6, 0.015, BLACK)
        brush.poly([(x, top - 0.6), (x + 0.16, top - 0.55), (x, top - 0.5)], look.second)
        brush.slab(x, top + 0.25, 0.05, 0.1, 0.05, (60, 54, 60))
    for x in (-0.42, -0.3, 0.3, 0.42):
        brush.box(x, -0.1, 0.045, 0.08, wall)
    brush.slab(0, 0.7, 0.17, 0.3, 0.17, shade(WOOD, 0.55))
    for y in (0.1, 0.35, 0.6):
        for x in (-0.45, 0.36):
            brush.box(x + (y * 3) % 0.2, y, 0.07, 0.025, dark)


def _windmill(brush: Brush, look: Look) -> None:
    brush.poly([(-0.24, -0.35), (0.24, -0.35), (0.42, 0.92), (-0.42, 0.92)], look.body)
    brush.poly([(0.06, -0.35), (0.24, -0.35), (0.42, 0.92), (0.16, 0.92)], look.dark)
    brush.blob([(-0.3, -0.32), (-0.18, -0.58), (0.18, -0.58), (0.3, -0.32)], _ROOF)
    brush.slab(0, 0.74, 0.1, 0.19, 0.08, shade(WOOD, 0.6))
    brush.slab(0, 0.15, 0.07, 0.08, 0.02, GLASS)
    turn = look.dice.uniform(20, 70)
    for n in range(4):
        t = math.radians(turn + 90 * n)
        c, s = math.cos(t), math.sin(t)
        cx, cy = 0.0, -0.36
        brush.line(cx, cy, cx + 0.62 * c, cy + 0.62 * s, 0.025, shade(WOOD, 0.7))
        sail = [(0.14, 0.02), (0.62, 0.02), (0.62, 0.2), (0.14, 0.2)]
        brush.poly([(cx + u * c - v * s, cy + u * s + v * c) for u, v in sail], (240, 236, 222))
        for k in (0.26, 0.38, 0.5):
            ends = [(cx + k * c - v * s, cy + k * s + v * c) for v in (0.02, 0.2)]
            brush.line(*ends[0], *ends[1], 0.01, shade(WOOD, 0.8))
    brush.disc(0, -0.36, 0.06, BLACK)


def _skyscraper(brush: Brush, look: Look) -> None:
    half = look.dice.uniform(0.26, 0.4)
    brush.box(0, 0.12, half, 0.82, look.body)
    brush.box(half * 0.75, 0.12, half * 0.25, 0.82, look.dark)
    brush.box(0, -0.76, half * 0.6, 0.1, look.dark)
    brush.line(0, -0.84, 0, -1.0, 0.02, (90, 90, 96))
    columns = look.dice.pick((4, 5, 6))
    for row in range(12):
        for column in range(columns):
            x = -half + 2 * half * (column + 0.5) / columns
            glow = (250, 226, 140) if look.dice.chance(0.25) else (120, 160, 190)
            brush.box(x, -0.6 + row * 0.122, half * 0.6 / columns, 0.035, glow)
    brush.box(0, 0.87, half * 0.3, 0.07, (50, 56, 66))


def _tent(brush: Brush, look: Look) -> None:
    brush.poly([(0, -0.6), (0.95, 0.7), (0.5, 0.72)], look.dark)
    brush.poly([(0, -0.6), (0.5, 0.72), (-0.95, 0.72)], look.body)
    brush.poly([(-0.03, -0.5), (0.14, 0.72), (-0.46, 0.72)], shade(look.body, 0.4))
    brush.poly([(-0.03, -0.5), (-0.3, 0.72), (-0.46, 0.72)], look.light)
    brush.line(0, -0.6, 0, -0.72, 0.02, shade(WOOD, 0.7))
    brush.line(-0.95, 0.72, -1.04, 0.82, 0.015, BLACK)
    brush.line(0.95, 0.7, 1.04, 0.82, 0.015, BLACK)


def _pyramid(brush: Brush, look: Look) -> None:
    brush.poly([(-0.1, -0.6), (0.98, 0.66), (0.28, 0.8)], look.dark)
    face = [(-0.1, -0.6), (0.28, 0.8), (-0.98, 0.66)]
    brush.poly(face, look.body)
    with brush.inside([(-0.1, -0.6), (0.98, 0.66), (0.28, 0.8), (-0.98, 0.66)]):
        for n in range(15):
            y = -0.5 + n * 0.09
            brush.line(-1, y, 0.28, y + 0.1, 0.006, look.dark)
            brush.line(0.28, y + 0.1, 1, y, 0.006, shade(look.body, 0.5))


def _church(brush: Brush, look: Look) -> None:
    brush.box(0.25, 0.48, 0.62, 0.4, look.body)
    brush.poly([(-0.3, 0.1), (-0.1, -0.25), (0.82, -0.25), (0.95, 0.1)], _ROOF)
    brush.box(-0.45, 0.28, 0.24, 0.6, mix(look.body, look.light, 0.4))
    brush.poly([(-0.75, -0.3), (-0.45, -0.86), (-0.15, -0.3)], shade(_ROOF, 0.8))
    brush.line(-0.45, -0.84, -0.45, -1.02, 0.02, BLACK)
    brush.line(-0.52, -0.95, -0.38, -0.95, 0.02, BLACK)
    brush.slab(-0.45, 0.72, 0.1, 0.17, 0.1, shade(WOOD, 0.6))
    brush.disc(-0.45, -0.08, 0.1, (250, 248, 240))
    brush.line(-0.45, -0.08, -0.45, -0.15, 0.012, BLACK)
    brush.line(-0.45, -0.08, -0.4, -0.06, 0.012, BLACK)
    for x in (0.0, 0.28, 0.56):
        brush.slab(x + 0.05, 0.44, 0.07, 0.18, 0.07, (90, 120, 170))


def _pine(brush: Brush, look: Look) -> None:
    brush.box(0, 0.8, 0.09, 0.18, shade(WOOD, 0.65))
    for n, (top, width) in enumerate(((-0.98, 0.36), (-0.62, 0.5), (-0.22, 0.66))):
        low = top + 0.72
        edge = [(-width, low), (-width * 0.5, low - 0.08), (-width * 0.25, low + 0.02), (0, low - 0.06)]
        edge += [(width * 0.25, low + 0.02), (width * 0.5, low - 0.08), (width, low), (0, top)]
        brush.poly(edge, shade(look.body, 0.8 + 0.1 * (2 - n)))


def _palm(brush: Brush, look: Look) -> None:
    brush.limb([(0.1, 0.95), (-0.02, 0.4), (0.06, -0.3)], [0.1, 0.07, 0.055], (150, 116, 78))
    for y in (0.75, 0.55, 0.35, 0.15, -0.05):
        brush.line(-0.08 + y * 0.08, y, 0.12 + y * 0.02, y + 0.02, 0.012, (110, 82, 54))
    for x, y in (
        (-0.95, -0.15),
        (-0.8, -0.65),
        (-0.3, -0.92),
        (0.4, -0.92),
        (0.85, -0.6),
        (0.98, -0.1),
        (0.55, 0.1),
        (-0.5, 0.12),
    ):
        brush.limb(
            [(0.06, -0.34), (x * 0.55, y * 0.6 - 0.35), (x, y)],
            [0.03, 0.1, 0.01],
            shade(look.body, look.dice.uniform(0.75, 1.1)),
        )
    for x in (-0.04, 0.1, 0.18):
        brush.disc(x, -0.26, 0.07, (120, 80, 44))


def _cactus(brush: Brush, look: Look) -> None:
    brush.limb([(-0.1, 0.3), (-0.5, 0.22), (-0.52, -0.25)], [0.11, 0.13, 0.13], look.body)
    brush.limb([(0.1, 0.1), (0.5, 0.02), (0.5, -0.5)], [0.11, 0.13, 0.12], look.dark)
    brush.limb([(0, 0.92), (0, 0.2), (0, -0.75)], 0.2, look.body)
    for x in (-0.1, 0, 0.1):
        brush.line(x, 0.85, x, -0.78, 0.012, look.dark)
    for n in range(9):
        for x in (-0.15, -0.05, 0.05, 0.15):
            y = -0.75 + n * 0.18 + (0.09 if abs(x) > 0.1 else 0)
            brush.line(x, y, x + 0.03, y - 0.03, 0.008, (244, 240, 210))
    if look.dice.chance(0.5):
        brush.disc(0, -0.95, 0.08, (236, 96, 150))


_WALLS = {"grey": (164, 160, 156), "brown": (172, 132, 98), "white": (230, 226, 216)}

BUILDINGS: dict[str, Kind] = {
    "lighthouse": Kind(
        _lighthouse,
        colours("red", "black", "blue", "white"),
        ("coast",),
        "plaster",
        aliases=("beacon", "pharos"),
        foot=0.96,
    ),
    "viaduct": Kind(
        _viaduct,
        {"brown": (168, 124, 92), "grey": (158, 154, 148), "red": (164, 92, 72)},
        ("land",),
        "stone",
        foot=0.82,
    ),
    "castle": Kind(_castle, {**_WALLS, "yellow": (220, 196, 140)}, ("land",), "stone", foot=0.85),
    "windmill": Kind(_windmill, {**_WALLS, "red": (176, 84, 68)}, ("land",), "plaster", foot=0.92),
    "skyscraper": Kind(_skyscraper, {"blue": (92, 126, 160), **_WALLS}, ("street",), "gloss", foot=0.94),
    "tent": Kind(_tent, colours("orange", "green", "blue", "red", "yellow"), ("land",), "cloth", foot=0.74),
    "pyramid": Kind(
        _pyramid, {"yellow": (222, 186, 116), "brown": (186, 142, 92)}, ("desert",), "stone", foot=0.76
    ),
    "church": Kind(_church, _WALLS, ("land",), "plaster", foot=0.88),
    "pine tree": Kind(
        _pine, {"green": (50, 110, 66)}, ("land", "snow"), "leaves", aliases=("fir tree",), foot=0.97
    ),
    "palm tree": Kind(_palm, {"green": (72, 146, 62)}, ("desert", "coast"), "leaves", foot=0.97),
    "cactus": Kind(_cactus, {"green": (84, 146, 84)}, ("desert",), "rough", foot=0.94),
}
