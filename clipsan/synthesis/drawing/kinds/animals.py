"""Animals with fur and skin."""

from __future__ import annotations

from clipsan.synthesis.drawing.brush import Brush
from clipsan.synthesis.drawing.colours import BLACK, WHITE, Colour, colours, mix, shade
from clipsan.synthesis.drawing.kind import Kind, Look

_PINK: Colour = (232, 160, 160)


def _eyes(brush: Brush, x: float, y: float, radius: float, iris: Colour) -> None:
    for side in (-1, 1):
        brush.disc(side * x, y, radius, iris)
        brush.disc(side * x, y, radius * 0.6, BLACK)
        brush.disc(side * x + radius * 0.3, y - radius * 0.35, radius * 0.25, WHITE)


def _tufts(
    brush: Brush, look: Look, at: tuple[float, float, float, float], colour: Colour, number: int, long: float
) -> None:
    """An oval (cx, cy, rx, ry) with a shaggy edge."""
    import math

    cx, cy, rx, ry = at
    points = []
    for n in range(number * 2):
        angle = math.pi * n / number
        reach = 1 + (long * look.dice.uniform(0.6, 1.2) if n % 2 else 0)
        points.append((cx + rx * reach * math.cos(angle), cy + ry * reach * math.sin(angle)))
    brush.poly(points, colour)


def _persian_cat(brush: Brush, look: Look) -> None:
    fur, dice = look.body, look.dice
    _tufts(brush, look, (0.62, 0.5, 0.32, 0.26), look.dark, 12, 0.2)  # the tail
    _tufts(brush, look, (0.05, 0.5, 0.68, 0.44), fur, 22, 0.12)
    _tufts(brush, look, (-0.02, 0.35, 0.5, 0.38), mix(fur, look.light, 0.5), 18, 0.14)  # the ruff
    for x in (-0.25, 0.2):
        _tufts(brush, look, (x, 0.84, 0.2, 0.12), mix(fur, look.light, 0.3), 8, 0.1)
    for side in (-1, 1):
        brush.poly([(side * 0.3, -0.62), (side * 0.52, -0.86), (side * 0.56, -0.4)], fur)
        brush.poly([(side * 0.38, -0.6), (side * 0.49, -0.74), (side * 0.5, -0.48)], _PINK)
    _tufts(brush, look, (0, -0.25, 0.56, 0.48), fur, 22, 0.13)
    face = mix(fur, look.dark, 0.5) if dice.chance(0.5) else mix(fur, look.light, 0.4)
    brush.oval(0, -0.16, 0.32, 0.27, face)
    brush.oval(-0.12, -0.04, 0.17, 0.13, look.light)
    brush.oval(0.12, -0.04, 0.17, 0.13, look.light)
    _eyes(brush, 0.22, -0.27, 0.11, dice.pick(((226, 140, 40), (110, 160, 70), (80, 150, 210))))
    brush.poly([(-0.07, -0.17), (0.07, -0.17), (0, -0.09)], _PINK)
    brush.limb(
        [(-0.13, -0.01), (-0.04, 0.03), (0, -0.08), (0.04, 0.03), (0.13, -0.01)], 0.013, shade(fur, 0.35)
    )
    for side in (-1, 1):
        for y in (-0.1, -0.04, 0.02):
            brush.line(side * 0.2, y, side * 0.66, y * 2.2 - 0.02, 0.008, (244, 244, 240))


def _koala(brush: Brush, look: Look) -> None:
    fur = look.body
    if look.dice.chance(0.6):
        brush.limb([(0.62, -1.0), (0.56, 0.0), (0.66, 1.0)], 0.16, (132, 100, 70))  # the trunk it holds
        brush.limb([(0.6, -0.3), (0.85, -0.7), (0.98, -0.95)], [0.08, 0.06, 0.04], (132, 100, 70))
    _tufts(brush, look, (0.02, 0.5, 0.5, 0.48), fur, 18, 0.07)
    brush.oval(-0.02, 0.55, 0.28, 0.34, mix(fur, WHITE, 0.55))
    brush.limb([(0.28, 0.28), (0.5, 0.2), (0.62, 0.1)], [0.15, 0.14, 0.12], look.dark)
    brush.limb([(-0.32, 0.3), (-0.42, 0.5), (-0.2, 0.62)], [0.15, 0.14, 0.11], look.dark)
    for x in (-0.26, 0.3):
        brush.oval(x, 0.9, 0.22, 0.11, shade(fur, 0.75))
    for side in (-1, 1):
        _tufts(brush, look, (side * 0.56, -0.55, 0.3, 0.28), fur, 14, 0.16)
        _tufts(brush, look, (side * 0.56, -0.52, 0.18, 0.17), mix(fur, WHITE, 0.7), 10, 0.2)
    _tufts(brush, look, (0, -0.3, 0.5, 0.44), fur, 20, 0.05)
    brush.oval(-0.22, -0.12, 0.18, 0.16, mix(fur, WHITE, 0.3))
    brush.oval(0.22, -0.12, 0.18, 0.16, mix(fur, WHITE, 0.3))
    _eyes(brush, 0.24, -0.36, 0.075, (92, 62, 36))
    brush.oval(0, -0.18, 0.13, 0.22, (44, 40, 44))
    brush.oval(-0.03, -0.3, 0.04, 0.05, (110, 106, 112))
    brush.limb([(-0.12, 0.08), (0, 0.11), (0.12, 0.08)], 0.014, (70, 60, 60))


def _elephant(brush: Brush, look: Look) -> None:
    skin, dice = look.body, look.dice
    far, near = look.dark, skin
    for x in (-0.12, 0.62):
        brush.limb([(x, 0.2), (x, 0.84)], [0.15, 0.13], far)
    brush.blob(
        [
            (-0.4, -0.35),
            (0.0, -0.52),
            (0.5, -0.46),
            (0.86, -0.15),
            (0.88, 0.3),
            (0.4, 0.4),
            (-0.2, 0.38),
            (-0.5, 0.1),
        ],
        near,
    )
    brush.limb([(0.86, -0.15), (0.95, 0.15), (0.93, 0.4)], [0.04, 0.025, 0.03], far)
    for x in (-0.3, 0.42):
        brush.limb([(x, 0.2), (x + 0.02, 0.84)], [0.18, 0.15], near)
        for toe in (-0.09, 0.0, 0.09):
            brush.oval(x + toe, 0.94, 0.04, 0.03, (226, 214, 196))
    brush.oval(-0.56, -0.32, 0.3, 0.34, near)
    if dice.chance(0.3):
        trunk = [(-0.75, -0.2), (-0.95, 0.1), (-1.02, -0.25), (-0.92, -0.6)]  # raised
    else:
        trunk = [(-0.72, -0.22), (-0.88, 0.15), (-0.86, 0.55), (-0.72, 0.74)]
    brush.limb(trunk, [0.17, 0.12, 0.09, 0.06], near)
    for share in (0.25, 0.4, 0.55, 0.7):
        (x0, y0), (x1, y1) = trunk[1], trunk[2]
        x, y = x0 + (x1 - x0) * share, y0 + (y1 - y0) * share
        brush.line(x - 0.08, y, x + 0.08, y + 0.02, 0.012, far)
    brush.limb([(-0.68, 0.0), (-0.8, 0.22), (-1.0, 0.28)], [0.05, 0.045, 0.012], (250, 244, 222))
    brush.blob(  # the big ear is what makes it African
        [
            (-0.5, -0.55),
            (-0.18, -0.66),
            (0.1, -0.42),
            (0.06, 0.0),
            (-0.16, 0.24),
            (-0.36, 0.05),
            (-0.5, -0.2),
        ],
        mix(skin, far, 0.55),
    )
    brush.blob(
        [(-0.42, -0.46), (-0.18, -0.54), (0.0, -0.36), (-0.04, 0.0), (-0.16, 0.12), (-0.36, -0.1)], look.dark
    )
    brush.disc(-0.66, -0.34, 0.045, BLACK)
    brush.disc(-0.67, -0.355, 0.014, WHITE)


def _rabbit(brush: Brush, look: Look) -> None:
    fur = look.body
    _tufts(brush, look, (0.1, 0.5, 0.52, 0.42), fur, 18, 0.05)
    _tufts(brush, look, (0.62, 0.66, 0.15, 0.15), WHITE, 10, 0.15)
    brush.oval(0.28, 0.66, 0.28, 0.24, look.dark)
    brush.oval(-0.25, 0.85, 0.24, 0.08, mix(fur, WHITE, 0.2))
    for x, turn in ((-0.42, -10), (-0.1, 12)):
        brush.oval(x, -0.62, 0.11, 0.36, fur, turn)
        brush.oval(x, -0.6, 0.055, 0.27, _PINK, turn)
    _tufts(brush, look, (-0.28, -0.05, 0.4, 0.34), fur, 18, 0.05)
    brush.disc(-0.44, -0.12, 0.065, BLACK)
    brush.disc(-0.1, -0.12, 0.065, BLACK)
    brush.oval(-0.28, 0.08, 0.14, 0.1, WHITE)
    brush.poly([(-0.33, 0.0), (-0.23, 0.0), (-0.28, 0.06)], _PINK)


def _dog(brush: Brush, look: Look) -> None:
    fur = look.body
    brush.limb([(0.6, 0.1), (0.86, -0.1), (0.92, -0.4)], [0.09, 0.07, 0.03], fur)
    for x in (-0.2, 0.48):
        brush.limb([(x, 0.3), (x + 0.02, 0.86)], 0.09, look.dark)
    brush.blob(
        [(-0.4, -0.05), (0.1, -0.12), (0.6, -0.06), (0.7, 0.3), (0.3, 0.42), (-0.2, 0.46), (-0.48, 0.3)], fur
    )
    for x in (-0.34, 0.6):
        brush.limb([(x, 0.25), (x + 0.02, 0.86)], 0.1, fur)
        brush.oval(x - 0.04, 0.9, 0.13, 0.06, mix(fur, WHITE, 0.5))
    brush.oval(-0.46, -0.36, 0.34, 0.32, fur)
    brush.oval(-0.72, -0.24, 0.26, 0.17, mix(fur, WHITE, 0.45))
    brush.blob([(-0.36, -0.66), (-0.12, -0.6), (-0.06, -0.2), (-0.22, -0.08), (-0.3, -0.4)], look.dark)
    brush.oval(-0.93, -0.3, 0.075, 0.06, BLACK)
    brush.disc(-0.56, -0.42, 0.055, BLACK)
    brush.limb([(-0.9, -0.14), (-0.75, -0.1), (-0.62, -0.16)], 0.014, shade(fur, 0.35))
    brush.limb([(-0.36, -0.04), (-0.22, 0.02), (-0.12, -0.06)], 0.045, look.second)


def _mouse(brush: Brush, look: Look) -> None:
    brush.limb([(0.6, 0.5), (0.85, 0.65), (0.75, 0.85), (0.98, 0.9)], [0.045, 0.035, 0.03, 0.012], _PINK)
    brush.blob(
        [(-0.9, 0.45), (-0.5, 0.0), (0.1, -0.15), (0.6, 0.15), (0.7, 0.6), (0.2, 0.75), (-0.5, 0.7)],
        look.body,
    )
    for x, y in ((-0.35, -0.1), (-0.1, -0.22)):
        brush.disc(x, y, 0.24, look.dark)
        brush.disc(x, y, 0.16, _PINK)
    brush.disc(-0.62, 0.25, 0.06, BLACK)
    brush.disc(-0.9, 0.45, 0.06, _PINK)
    for x in (-0.45, 0.35):
        brush.oval(x, 0.76, 0.14, 0.06, _PINK)
    for y in (0.38, 0.5):
        brush.line(-0.78, 0.46, -0.5, y, 0.008, BLACK)


def _giraffe(brush: Brush, look: Look) -> None:
    skin, spot = look.body, (150, 92, 40)
    for x in (0.0, 0.5):
        brush.limb([(x, 0.3), (x, 0.92)], 0.055, look.dark)
    brush.limb([(0.6, 0.15), (0.72, 0.35), (0.7, 0.55)], [0.03, 0.02, 0.04], spot)
    neck = [(-0.12, 0.22), (-0.28, -0.3), (-0.42, -0.74)]
    brush.limb(neck, [0.22, 0.12, 0.1], skin)
    brush.blob([(-0.3, 0.1), (0.1, 0.0), (0.55, 0.06), (0.64, 0.3), (0.3, 0.42), (-0.2, 0.42)], skin)
    for x in (-0.12, 0.58):
        brush.limb([(x, 0.3), (x, 0.92)], 0.06, skin)
        brush.oval(x, 0.94, 0.07, 0.035, (70, 52, 38))
    for x, y in (
        (-0.3, -0.5),
        (-0.38, -0.3),
        (-0.2, -0.22),
        (-0.28, -0.05),
        (-0.1, 0.05),
        (-0.16, 0.26),
        (0.06, 0.2),
    ):
        brush.blob(
            [(x - 0.05, y - 0.06), (x + 0.06, y - 0.04), (x + 0.05, y + 0.06), (x - 0.06, y + 0.05)], spot
        )
    for x, y in ((0.25, 0.12), (0.44, 0.14), (0.3, 0.3), (0.5, 0.3), (0.12, 0.34)):
        brush.blob(
            [(x - 0.07, y - 0.06), (x + 0.08, y - 0.05), (x + 0.07, y + 0.06), (x - 0.07, y + 0.06)], spot
        )
    for x in (-0.48, -0.36):
        brush.line(x, -0.85, x - 0.01, -0.98, 0.025, spot)
    brush.oval(-0.32, -0.8, 0.1, 0.05, skin, -20)
    brush.limb([(-0.42, -0.8), (-0.6, -0.72), (-0.74, -0.66)], [0.13, 0.1, 0.08], skin)
    brush.disc(-0.48, -0.8, 0.03, BLACK)
    brush.disc(-0.78, -0.67, 0.018, spot)


_FURS = {"white": (238, 234, 226), "grey": (142, 140, 144), "brown": (150, 104, 62), "black": (56, 52, 56)}

ANIMALS: dict[str, Kind] = {
    "Persian cat": Kind(
        _persian_cat,
        {**_FURS, "orange": (220, 150, 80)},
        ("floor", "ground", "table"),
        "fur",
        foot=0.92,
    ),
    "koala": Kind(_koala, {"grey": (150, 148, 152), "brown": (150, 128, 112)}, ("land",), "fur", foot=0.95),
    "African elephant": Kind(
        _elephant,
        {"grey": (138, 132, 130), "brown": (150, 120, 96)},
        ("land",),
        "hide",
        aliases=("elephant", "African bush elephant"),
        foot=0.95,
    ),
    "rabbit": Kind(_rabbit, _FURS, ("land", "ground"), "fur", aliases=("hare",), foot=0.92),
    "dog": Kind(
        _dog,
        {"brown": (164, 112, 66), **colours("white", "black"), "grey": (150, 146, 142)},
        ("land", "floor"),
        "fur",
        foot=0.94,
    ),
    "mouse": Kind(
        _mouse,
        {"grey": (140, 138, 142), "brown": (150, 112, 80), "white": (240, 238, 234)},
        ("floor", "ground"),
        "fur",
        foot=0.8,
    ),
    "giraffe": Kind(_giraffe, {"yellow": (236, 196, 116)}, ("land",), "smooth", foot=0.96),
}
