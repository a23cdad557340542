"""Tools and what one writes with."""

from __future__ import annotations

import math

from clipsan.synthesis.drawing.brush import Brush
from clipsan.synthesis.drawing.colours import BLACK, GOLD, STEEL, WHITE, WOOD, Colour, colours, mix, shade
from clipsan.synthesis.drawing.kind import Kind, Look


def _one_nail(brush: Brush, x: float, lean: float, top: float, tip: float, metal: Colour) -> None:
    """A nail, head up, from `top` to `tip`."""
    thick = 0.075
    end = x + lean
    brush.poly(
        [(x - thick, top), (x + thick, top), (end + thick, tip - 0.2), (end, tip), (end - thick, tip - 0.2)],
        metal,
    )
    brush.poly(
        [(x + thick * 0.3, top), (x + thick, top), (end + thick, tip - 0.2), (end, tip)], shade(metal, 0.6)
    )
    brush.line(x - thick * 0.4, top + 0.1, end - thick * 0.4, tip - 0.25, 0.016, shade(metal, 1.5))
    for n in range(3):
        brush.line(x - thick, top + 0.1 + n * 0.05, x + thick, top + 0.1 + n * 0.05, 0.008, shade(metal, 0.5))
    brush.oval(x, top, 0.21, 0.07, shade(metal, 0.6))
    brush.oval(x, top - 0.03, 0.21, 0.065, shade(metal, 1.15))


def _nail(brush: Brush, look: Look) -> None:
    choice = look.dice.pick((1, 2, 3)) if look.group else 0
    if choice == 0:
        _one_nail(brush, -0.06, 0.1, -0.9, 0.98, look.body)
    elif choice == 1:
        for n in range(4):
            _one_nail(
                brush,
                -0.72 + n * 0.48,
                look.dice.uniform(-0.06, 0.06),
                -0.5 - n * 0.13,
                0.5 + n * 0.13,
                look.body,
            )
    elif choice == 2:  # driven into a board
        brush.slab(0, 0.62, 1.0, 0.32, 0.03, WOOD)
        for y in (0.45, 0.6, 0.75):
            brush.limb(
                [(-0.95, y), (-0.3, y + 0.05), (0.3, y - 0.03), (0.95, y + 0.02)], 0.012, shade(WOOD, 0.75)
            )
        for x in (-0.5, 0.35):
            brush.box(x, -0.1, 0.07, 0.42, look.body)
            brush.box(x + 0.04, -0.1, 0.03, 0.42, shade(look.body, 0.6))
            brush.oval(x, 0.33, 0.1, 0.03, shade(WOOD, 0.5))
            brush.oval(x, -0.52, 0.2, 0.07, shade(look.body, 0.6))
            brush.oval(x, -0.55, 0.2, 0.065, shade(look.body, 1.2))
    else:
        _one_nail(brush, -0.42, 0.6, -0.8, 0.9, look.body)
        _one_nail(brush, 0.45, -0.62, -0.75, 0.92, shade(look.body, 0.9))


def _scissors(brush: Brush, look: Look) -> None:
    spread = look.dice.uniform(0.22, 0.42)
    for side in (-1, 1):
        brush.poly(
            [
                (side * -0.05, 0.06),
                (side * 0.07, 0.02),
                (side * spread, -0.96),
                (side * (spread - 0.14), -0.5),
            ],
            STEEL if side > 0 else shade(STEEL, 0.8),
        )
        brush.limb([(0, 0.0), (side * -0.16, 0.26), (side * -0.28, 0.4)], 0.07, look.body)
        brush.arc(side * -0.4, 0.64, 0.22, 0.27, 0, 360, 0.075, look.body)
    brush.disc(0, 0.03, 0.06, (90, 92, 98))


def _saw(brush: Brush, look: Look) -> None:
    blade = [(-0.98, -0.02), (-0.96, -0.2), (0.4, -0.36), (0.4, 0.3)]
    teeth = [(0.4 - n * 0.069, 0.3 - n * 0.016 + (0.08 if n % 2 else 0)) for n in range(20)]
    brush.poly([*blade[:3], *teeth, blade[0]], STEEL)
    brush.line(-0.9, -0.16, 0.38, -0.31, 0.014, WHITE)
    brush.slab(0.66, -0.02, 0.32, 0.4, 0.14, look.body)
    brush.slab(0.68, 0.0, 0.14, 0.2, 0.1, shade(look.body, 0.25))
    for y in (-0.26, 0.22):
        brush.disc(0.45, y, 0.04, GOLD)


def _wrench(brush: Brush, look: Look) -> None:
    brush.limb([(-0.55, 0), (0.55, 0)], 0.12, look.body)
    brush.slab(0, 0, 0.42, 0.045, 0.04, look.dark)
    for side in (-1, 1):
        brush.disc(side * 0.68, 0, 0.29, look.body)
        t = math.radians(12 * side)
        mouth = [(0.1, -0.12), (0.5, -0.12), (0.5, 0.12), (0.1, 0.12), (0.0, 0.0)]
        brush.cut([(side * (0.6 + x * math.cos(t)), y + side * x * math.sin(t)) for x, y in mouth])


def _screwdriver(brush: Brush, look: Look) -> None:
    brush.line(-0.1, 0, 0.8, 0, 0.05, STEEL)
    brush.line(-0.1, -0.02, 0.8, -0.02, 0.014, WHITE)
    brush.poly([(0.76, -0.05), (0.98, -0.09), (0.98, 0.09), (0.76, 0.05)], shade(STEEL, 0.75))
    brush.slab(-0.5, 0, 0.45, 0.2, 0.12, look.body)
    brush.poly([(-0.12, -0.16), (0.0, -0.08), (0.0, 0.08), (-0.12, 0.16)], look.dark)
    for y in (-0.11, 0, 0.11):
        brush.line(-0.86, y, -0.2, y, 0.025, look.dark)


def _paintbrush(brush: Brush, look: Look) -> None:
    brush.limb([(-0.95, 0), (-0.4, 0), (0.1, 0)], [0.05, 0.1, 0.08], WOOD)
    brush.disc(-0.88, 0, 0.025, shade(WOOD, 0.4))
    brush.box(0.25, 0, 0.17, 0.15, STEEL)
    for x in (0.16, 0.34):
        brush.line(x, -0.15, x, 0.15, 0.014, shade(STEEL, 0.7))
    brush.blob([(0.4, -0.15), (0.7, -0.2), (1.0, 0.02), (0.7, 0.2), (0.4, 0.15)], (120, 84, 54))
    brush.blob([(0.62, -0.19), (0.8, -0.16), (1.0, 0.02), (0.8, 0.17), (0.66, 0.19), (0.6, 0.0)], look.body)


def _pencil(brush: Brush, look: Look) -> None:
    brush.box(-0.05, 0, 0.65, 0.13, look.body)
    brush.box(-0.05, 0.08, 0.65, 0.05, look.dark)
    brush.box(-0.05, -0.09, 0.65, 0.04, look.light)
    brush.poly([(0.6, -0.13), (0.95, 0), (0.6, 0.13)], (230, 194, 146))
    brush.poly([(0.84, -0.042), (0.97, 0), (0.84, 0.042)], BLACK)
    brush.box(-0.76, 0, 0.08, 0.135, STEEL)
    brush.slab(-0.9, 0, 0.09, 0.125, 0.05, (236, 140, 150))


def _shovel(brush: Brush, look: Look) -> None:
    brush.line(0, -0.78, 0, 0.3, 0.05, WOOD)
    brush.line(-0.2, -0.88, 0.2, -0.88, 0.06, look.body)
    brush.line(-0.14, -0.88, 0, -0.7, 0.04, look.body)
    brush.line(0.14, -0.88, 0, -0.7, 0.04, look.body)
    brush.poly([(-0.32, 0.18), (0.32, 0.18), (0.32, 0.6), (0, 0.98), (-0.32, 0.6)], STEEL)
    brush.poly([(0, 0.18), (0.32, 0.18), (0.32, 0.6), (0, 0.98)], shade(STEEL, 0.8))
    brush.line(0, 0.16, 0, 0.5, 0.05, shade(STEEL, 0.7))


def _magnifier(brush: Brush, look: Look) -> None:
    brush.limb([(0.22, 0.22), (0.5, 0.5), (0.86, 0.86)], [0.06, 0.09, 0.1], shade(WOOD, 0.7))
    brush.disc(-0.22, -0.22, 0.62, look.body)
    brush.disc(-0.22, -0.22, 0.51, (206, 228, 236))
    brush.arc(-0.22, -0.22, 0.38, 0.38, 190, 260, 0.05, WHITE)


def _broom(brush: Brush, look: Look) -> None:
    brush.line(0, -0.98, 0, 0.25, 0.045, WOOD)
    brush.slab(0, 0.3, 0.2, 0.1, 0.05, look.body)
    straw: Colour = (222, 186, 104)
    brush.poly([(-0.2, 0.36), (0.2, 0.36), (0.44, 0.95), (-0.44, 0.95)], straw)
    for n in range(9):
        t = n / 8 - 0.5
        brush.line(t * 0.38, 0.38, t * 0.86, 0.94, 0.012, mix(straw, BLACK, 0.35))


_HANDLES = colours("red", "blue", "yellow", "green", "orange", "black")
_LIES = ("table", "ground", "floor")

TOOLS: dict[str, Kind] = {
    "nail": Kind(
        _nail,
        {"grey": (158, 162, 170), "brown": (142, 86, 54), "black": (84, 84, 90)},
        ("table", "studio", "ground"),
        "metal",
        aliases=("metal nail",),
        group="handful",
        upright=False,
    ),
    "scissors": Kind(_scissors, _HANDLES, _LIES, "metal", aliases=("pair of scissors",), upright=False),
    "saw": Kind(
        _saw,
        {"brown": (150, 98, 54), **_HANDLES},
        _LIES,
        "metal",
        aliases=("handsaw", "hand saw"),
        upright=False,
    ),
    "wrench": Kind(
        _wrench,
        {"grey": (160, 166, 174), "red": (190, 56, 50), "blue": (70, 100, 170)},
        _LIES,
        "metal",
        aliases=("spanner",),
        upright=False,
    ),
    "screwdriver": Kind(_screwdriver, _HANDLES, _LIES, "gloss", upright=False),
    "paintbrush": Kind(_paintbrush, _HANDLES, _LIES, "wood", upright=False),
    "pencil": Kind(
        _pencil, colours("yellow", "red", "blue", "green", "black"), _LIES, "smooth", upright=False
    ),
    "shovel": Kind(_shovel, _HANDLES, ("ground", "land"), "metal", aliases=("spade",), upright=False),
    "magnifying glass": Kind(
        _magnifier,
        {"grey": (120, 122, 130), **colours("black", "brown", "red")},
        _LIES,
        "gloss",
        aliases=("magnifier",),
        upright=False,
    ),
    "broom": Kind(_broom, _HANDLES, ("floor", "wall"), "smooth", foot=0.96),
}
