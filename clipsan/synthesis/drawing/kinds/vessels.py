"""What holds a liquid."""

from __future__ import annotations

from clipsan.synthesis.drawing.brush import Brush, ring
from clipsan.synthesis.drawing.colours import (
    BLACK,
    GLASS,
    WHITE,
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
_DRINKS = {
    "blue": (60, 130, 220),
    "red": (214, 50, 60),
    "green": (70, 180, 90),
    "yellow": (240, 210, 70),
    "orange": (240, 140, 50),
    "pink": (236, 120, 170),
    "purple": (140, 80, 190),
}

VESSELS: dict[str, Kind] = {
    "beaker": Kind(_beaker, _DRINKS, ("table", "studio"), "glass", foot=0.88),
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
    "teapot": Kind(_teapot, _GLAZES, ("table",), "gloss", patterned=True, foot=0.8),
}
