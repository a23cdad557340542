"""Fruit and vegetables."""

from __future__ import annotations

from clipsan.synthesis.drawing.brush import Brush, ring
from clipsan.synthesis.drawing.colours import LEAF, Colour, colours, mix, shade
from clipsan.synthesis.drawing.curves import smooth
from clipsan.synthesis.drawing.kind import Kind, Look

_STEM: Colour = (104, 78, 44)


def _banana(brush: Brush, look: Look) -> None:
    dice = look.dice
    bend, fat = dice.uniform(0.4, 0.75), dice.uniform(0.2, 0.27)
    number = dice.pick((2, 3)) if look.group else 1
    for n in range(number):
        lift = 0.24 * (n - (number - 1) / 2)
        spine = [(-0.86, -0.42 + 0.35 * lift), (-0.55, bend * 0.15 + lift), (0.0, bend * 0.55 + lift)]
        spine += [(0.52, bend * 0.2 + lift), (0.86, -0.5 + 0.2 * lift)]
        widths = [0.05, fat * 0.85, fat, fat * 0.85, 0.06]
        skin = shade(look.body, 1 - 0.06 * n)
        brush.limb(spine, [w + 0.015 for w in widths], shade(skin, 0.72))
        brush.limb(spine, widths, skin)
        brush.limb([(x * 0.95, y - fat * 0.4) for x, y in spine[1:4]], 0.035, shade(skin, 1.4))
        brush.limb([(x * 0.98, y + fat * 0.35) for x, y in spine[1:4]], 0.03, shade(skin, 0.8))
        brush.disc(0.87, -0.53 + 0.2 * lift, 0.055, (70, 56, 34))
        brush.line(-0.86, -0.42 + 0.35 * lift, -0.93, -0.6, 0.065, mix(skin, (120, 110, 50), 0.5))
    if dice.chance(0.35):
        for _ in range(7):
            x = dice.uniform(-0.5, 0.5)
            y = bend * (0.55 - 1.5 * x * x) + dice.uniform(-0.1, 0.1)
            brush.oval(x, y, 0.045, 0.02, (118, 84, 40))


def _apple(brush: Brush, look: Look) -> None:
    body = [(0, -0.5), (0.4, -0.62), (0.78, -0.3), (0.74, 0.3), (0.4, 0.78), (0, 0.68)]
    body += [(-x, y) for x, y in body[-2:0:-1]]
    brush.blob(body, look.body)
    with brush.inside(smooth(body)):
        brush.oval(-0.55, 0.1, 0.5, 0.7, mix(look.body, look.light, 0.4))
        brush.oval(0.1, 0.15, 0.75, 0.75, look.body)
        brush.oval(-0.38, -0.25, 0.13, 0.2, shade(look.body, 1.6), 25)
    brush.oval(0, -0.5, 0.2, 0.08, look.dark)
    brush.limb([(0, -0.48), (0.04, -0.72), (0.14, -0.9)], [0.05, 0.04, 0.06], _STEM)
    brush.blob([(0.08, -0.72), (0.3, -0.95), (0.62, -0.9), (0.4, -0.7)], LEAF)


def _pear(brush: Brush, look: Look) -> None:
    body = [(0, -0.68), (0.22, -0.56), (0.32, -0.15), (0.62, 0.3), (0.46, 0.8), (0, 0.88)]
    body += [(-x, y) for x, y in body[-2:0:-1]]
    brush.blob(body, look.body)
    with brush.inside(smooth(body)):
        brush.oval(0.5, 0.4, 0.35, 0.7, look.dark)
        brush.oval(0.0, 0.4, 0.52, 0.7, look.body)
        brush.oval(-0.28, 0.35, 0.12, 0.22, look.light, 20)
    brush.limb([(0, -0.62), (0.03, -0.8), (0.14, -0.95)], 0.045, _STEM)
    if look.dice.chance(0.6):
        brush.blob([(0.05, -0.72), (-0.2, -0.95), (-0.5, -0.86), (-0.24, -0.68)], LEAF)


def _orange(brush: Brush, look: Look) -> None:
    brush.disc(0, 0.05, 0.8, look.body)
    with brush.inside(ring(0, 0.05, 0.8, 0.8)):
        for _ in range(40):
            brush.disc(look.dice.uniform(-0.8, 0.8), look.dice.uniform(-0.75, 0.85), 0.02, look.dark)
        brush.oval(-0.35, -0.3, 0.2, 0.14, look.light, -40)
    if look.dice.chance(0.4):  # cut open
        brush.disc(0, 0.05, 0.7, (252, 232, 190))
        for n in range(9):
            brush.pie(0, 0.05, 0.63, 0.63, n * 40 + 4, n * 40 + 36, shade(look.body, 1.08))
    else:
        brush.oval(0, -0.62, 0.09, 0.05, (96, 120, 50))
        brush.blob([(0.02, -0.65), (0.25, -0.92), (0.6, -0.86), (0.35, -0.66)], LEAF)


def _lemon(brush: Brush, look: Look) -> None:
    body = [(-0.95, 0), (-0.7, -0.22), (-0.3, -0.56), (0.3, -0.56), (0.7, -0.22), (0.95, 0)]
    body += [(x, -y) for x, y in body[-2:0:-1]]
    brush.blob(body, look.body)
    with brush.inside(smooth(body)):
        brush.oval(0.1, 0.6, 0.8, 0.3, look.dark)
        brush.oval(-0.25, -0.25, 0.25, 0.1, look.light, -15)
        for _ in range(24):
            brush.disc(look.dice.uniform(-0.7, 0.7), look.dice.uniform(-0.5, 0.5), 0.018, look.dark)
    brush.disc(-0.93, 0, 0.06, (120, 130, 60))


def _strawberry(brush: Brush, look: Look) -> None:
    body = [(0, -0.5), (0.5, -0.58), (0.72, -0.2), (0.42, 0.45), (0, 0.9)]
    body += [(-x, y) for x, y in body[-2:0:-1]]
    brush.blob(body, look.body)
    with brush.inside(smooth(body)):
        brush.oval(-0.35, -0.15, 0.18, 0.3, look.light, 15)
        for row in range(7):
            for column in range(-3, 4):
                x, y = column * 0.22 + (row % 2) * 0.11, -0.38 + row * 0.19
                brush.oval(x, y, 0.028, 0.045, (250, 222, 130))
    for x, y in (
        (-0.55, -0.62),
        (-0.3, -0.3),
        (0, -0.25),
        (0.3, -0.3),
        (0.55, -0.62),
        (0.2, -0.8),
        (-0.2, -0.8),
    ):
        brush.limb([(0, -0.6), (x * 0.6, (y - 0.6) / 2), (x, y)], [0.06, 0.1, 0.01], LEAF)
    brush.line(0, -0.6, 0.05, -0.92, 0.04, (86, 130, 60))


def _pineapple(brush: Brush, look: Look) -> None:
    for x, y in (
        (-0.5, -0.75),
        (0.5, -0.75),
        (-0.3, -0.92),
        (0.3, -0.92),
        (0, -1.0),
        (-0.16, -0.8),
        (0.16, -0.8),
    ):
        brush.limb(
            [(x * 0.15, -0.25), (x * 0.45, (y - 0.3) / 2), (x, y)], [0.1, 0.1, 0.01], shade(LEAF, 0.85)
        )
    body = ring(0, 0.35, 0.48, 0.62)
    brush.poly(body, look.body)
    with brush.inside(body):
        for n in range(-8, 9):
            brush.line(n * 0.16 - 0.7, -0.4, n * 0.16 + 0.7, 1.1, 0.018, look.dark)
            brush.line(n * 0.16 + 0.7, -0.4, n * 0.16 - 0.7, 1.1, 0.018, look.dark)
        for row in range(8):
            for column in range(-4, 5):
                brush.disc(column * 0.16 + (row % 2) * 0.08, -0.2 + row * 0.17, 0.025, look.light)


def _watermelon(brush: Brush, look: Look) -> None:
    brush.pie(0, -0.4, 0.95, 1.15, 0, 180, shade(LEAF, 0.75))
    brush.pie(0, -0.4, 0.88, 1.05, 0, 180, (226, 238, 190))
    brush.pie(0, -0.4, 0.82, 0.95, 0, 180, look.body)
    for x, y in (
        (-0.5, -0.22),
        (-0.2, -0.25),
        (0.15, -0.2),
        (0.5, -0.25),
        (-0.32, 0.02),
        (0, 0.05),
        (0.32, 0.02),
    ):
        brush.oval(x, y, 0.04, 0.07, (40, 30, 26))
    brush.oval(0.05, 0.3, 0.04, 0.07, (40, 30, 26))


def _cherries(brush: Brush, look: Look) -> None:
    berries = ((-0.42, 0.45), (0.42, 0.58)) if look.group else ((-0.1, 0.5),)
    for x, y in berries:
        brush.limb([(x, y - 0.15), (x * 0.7 + 0.03, -0.3), (0.1, -0.9)], 0.035, (96, 120, 50))
    brush.blob([(0.1, -0.9), (0.4, -0.98), (0.85, -0.7), (0.5, -0.62)], LEAF)
    for x, y in berries:
        brush.disc(x, y, 0.36, look.body)
        brush.oval(x - 0.12, y - 0.14, 0.09, 0.06, shade(look.body, 1.7), -40)
        brush.oval(x, y - 0.31, 0.09, 0.03, look.dark)


def _carrot(brush: Brush, look: Look) -> None:
    for x in (-0.34, -0.16, 0, 0.16, 0.34):
        brush.limb([(0, -0.4), (x * 0.8, -0.7), (x, -0.98 + abs(x) * 0.4)], [0.05, 0.08, 0.04], LEAF)
    body = [(-0.3, -0.35), (0, -0.46), (0.3, -0.35), (0.2, 0.2), (0.03, 0.96), (-0.03, 0.96), (-0.2, 0.2)]
    brush.blob(body, look.body)
    with brush.inside(smooth(body)):
        for n, y in enumerate((-0.2, 0.0, 0.2, 0.42, 0.62)):
            side = -1 if n % 2 else 1
            brush.line(side * 0.3, y, side * 0.06, y + 0.02, 0.018, look.dark)


def _grapes(brush: Brush, look: Look) -> None:
    brush.limb([(0, -0.4), (0.03, -0.7), (0.2, -0.95)], 0.045, _STEM)
    brush.blob([(0.02, -0.6), (0.3, -0.95), (0.8, -0.85), (0.7, -0.5), (0.3, -0.45)], LEAF)
    for row, number in enumerate((4, 5, 4, 3, 2, 1)):
        for n in range(number):
            x, y = (n - (number - 1) / 2) * 0.3, -0.38 + row * 0.24
            brush.disc(x, y, 0.18, look.dark)
            brush.disc(x - 0.015, y - 0.015, 0.16, look.body)
            brush.disc(x - 0.06, y - 0.06, 0.04, shade(look.body, 1.7))


_PLACES = ("table", "ground")

FRUIT: dict[str, Kind] = {
    "banana": Kind(
        _banana,
        {"yellow": (246, 212, 60), "green": (154, 184, 66), "brown": (150, 106, 52)},
        _PLACES,
        "wax",
        group="bunch",
        upright=False,
    ),
    "apple": Kind(
        _apple, {**colours("red"), "green": (140, 190, 60), "yellow": (236, 206, 80)}, _PLACES, "wax"
    ),
    "pear": Kind(
        _pear, {"green": (174, 196, 74), "yellow": (228, 206, 84), "brown": (164, 122, 62)}, _PLACES, "wax"
    ),
    "orange": Kind(_orange, {"orange": (244, 142, 30)}, _PLACES, "wax", upright=False),
    "lemon": Kind(_lemon, {"yellow": (250, 222, 62), "green": (150, 190, 70)}, _PLACES, "wax", upright=False),
    "strawberry": Kind(_strawberry, {"red": (216, 40, 48)}, _PLACES, "wax", upright=False),
    "pineapple": Kind(_pineapple, {"yellow": (222, 164, 56), "brown": (172, 116, 54)}, _PLACES, "rough"),
    "watermelon": Kind(
        _watermelon, {"red": (228, 66, 70), "pink": (240, 120, 120)}, _PLACES, "wax", upright=False
    ),
    "cherry": Kind(
        _cherries, {"red": (186, 24, 44), "black": (78, 18, 34)}, _PLACES, "wax", group="pair", upright=False
    ),
    "carrot": Kind(_carrot, {"orange": (240, 130, 40)}, _PLACES, "rough", upright=False),
    "bunch of grapes": Kind(
        _grapes,
        {"purple": (104, 50, 130), "green": (160, 190, 80)},
        _PLACES,
        "wax",
        aliases=("grape", "grapes"),
        upright=False,
    ),
}
