"""Fish, birds, insects and other small animals."""

from __future__ import annotations

from clipsan.synthesis.drawing.brush import Brush
from clipsan.synthesis.drawing.colours import BLACK, WHITE, Colour, colours, mix, shade
from clipsan.synthesis.drawing.curves import smooth
from clipsan.synthesis.drawing.kind import Kind, Look

_BEAK: Colour = (240, 160, 40)


def _goldfish(brush: Brush, look: Look) -> None:
    fin, dice = mix(look.body, WHITE, 0.32), look.dice
    lift = dice.uniform(-0.12, 0.12)
    tail = [(0.3, 0.0), (0.62, -0.5 + lift), (0.98, -0.62 + lift), (0.82, -0.2), (0.72, 0.02), (0.84, 0.25)]
    tail += [(0.96, 0.62 + lift), (0.6, 0.48)]
    brush.blob(tail, fin)
    with brush.inside(smooth(tail)):
        for y in (-0.55, -0.36, -0.16, 0.16, 0.36, 0.55):
            brush.line(0.36, y * 0.15, 0.96, y, 0.014, look.dark)
    brush.blob([(-0.4, -0.3), (-0.15, -0.72), (0.25, -0.58), (0.36, -0.18), (0, -0.2)], fin)
    brush.blob([(-0.2, 0.3), (-0.05, 0.72), (0.2, 0.52), (0.12, 0.28)], fin)
    body = [
        (-0.9, 0.02),
        (-0.66, -0.28),
        (-0.2, -0.46),
        (0.3, -0.2),
        (0.46, 0.0),
        (0.3, 0.2),
        (-0.2, 0.44),
        (-0.66, 0.3),
    ]
    brush.blob(body, look.body)
    with brush.inside(smooth(body)):
        brush.oval(-0.2, 0.4, 0.6, 0.2, mix(look.body, (255, 236, 190), 0.6))
        if dice.chance(0.25):
            brush.oval(dice.uniform(-0.2, 0.2), -0.2, 0.3, 0.25, WHITE)
        for row in range(5):
            for column in range(7):
                x, y = -0.42 + column * 0.14, -0.3 + row * 0.15 + (column % 2) * 0.07
                brush.arc(x, y, 0.07, 0.07, -70, 70, 0.012, look.dark)
        brush.oval(-0.3, -0.3, 0.3, 0.05, shade(look.body, 1.5), -12)
    brush.arc(-0.6, 0.02, 0.16, 0.3, -75, 75, 0.018, look.dark)
    brush.blob([(-0.36, 0.08), (-0.1, 0.16), (-0.06, 0.36), (-0.28, 0.3)], fin)
    brush.disc(-0.68, -0.08, 0.1, WHITE)
    brush.disc(-0.69, -0.08, 0.06, BLACK)
    brush.line(-0.9, 0.06, -0.8, 0.1, 0.02, look.dark)


def _stick_insect(brush: Brush, look: Look) -> None:
    body, dice = look.body, look.dice
    if dice.chance(0.4):
        brush.limb([(-1.0, 0.72), (-0.2, 0.66), (0.95, 0.74)], [0.07, 0.06, 0.05], (92, 74, 60))  # a twig
        brush.blob([(0.5, 0.68), (0.7, 0.46), (0.98, 0.42), (0.8, 0.64)], (96, 150, 70))
        brush.blob([(-0.5, 0.72), (-0.6, 0.88), (-0.85, 0.96), (-0.75, 0.8)], (80, 134, 60))
    bend = dice.uniform(-0.12, 0.12)
    spine = [(-0.82, -0.06), (-0.4, bend), (0.1, bend), (0.5, bend * 0.6), (0.88, 0.04)]
    for at, reach in ((-0.52, -0.3), (-0.3, 0.05), (-0.08, 0.34)):
        for side in (-1, 1):
            knee = (at + reach * 0.5 + dice.uniform(-0.06, 0.06), bend + side * dice.uniform(0.3, 0.42))
            foot = (at + reach + dice.uniform(-0.06, 0.06), bend + side * dice.uniform(0.6, 0.8))
            brush.line(at, bend, *knee, 0.024, look.dark)
            brush.line(*knee, *foot, 0.02, look.dark)
    for side in (-1, 1):
        brush.limb([(-0.84, -0.06), (-0.92, side * 0.1), (-1.08, side * 0.2)], 0.012, look.dark)
    brush.limb(spine, [0.045, 0.058, 0.052, 0.045, 0.02], body)
    for x in (-0.62, -0.3, -0.08, 0.12, 0.3, 0.46, 0.62):
        brush.line(x, bend - 0.05, x, bend + 0.05, 0.009, look.dark)
    brush.oval(-0.84, -0.06, 0.07, 0.055, body)
    brush.disc(-0.87, -0.09, 0.018, BLACK)


def _duck(brush: Brush, look: Look) -> None:
    brush.blob(
        [(-0.6, 0.3), (-0.2, 0.18), (0.5, 0.15), (0.96, -0.08), (0.85, 0.45), (0.3, 0.78), (-0.4, 0.7)],
        look.body,
    )
    brush.limb([(-0.4, 0.4), (-0.46, 0.0), (-0.48, -0.3)], [0.24, 0.18, 0.2], look.body)
    brush.disc(-0.5, -0.42, 0.3, look.body)
    brush.blob([(-0.72, -0.42), (-0.98, -0.4), (-1.0, -0.28), (-0.72, -0.26)], _BEAK)
    brush.blob([(-0.15, 0.34), (0.3, 0.28), (0.66, 0.24), (0.4, 0.56), (0.0, 0.56)], look.dark)
    brush.disc(-0.58, -0.5, 0.055, BLACK)
    brush.disc(-0.6, -0.52, 0.018, WHITE)


def _penguin(brush: Brush, look: Look) -> None:
    for side in (-1, 1):
        brush.oval(side * 0.22, 0.92, 0.2, 0.07, _BEAK)
        brush.limb(
            [(side * 0.4, -0.1), (side * 0.62, 0.25), (side * 0.58, 0.5)], [0.12, 0.11, 0.04], look.dark
        )
    brush.blob(
        [(0, -0.4), (0.42, -0.1), (0.52, 0.5), (0.3, 0.9), (-0.3, 0.9), (-0.52, 0.5), (-0.42, -0.1)],
        look.body,
    )
    brush.blob([(0, -0.25), (0.3, 0.1), (0.34, 0.6), (0, 0.86), (-0.34, 0.6), (-0.3, 0.1)], WHITE)
    brush.oval(0, -0.55, 0.36, 0.34, look.body)
    for side in (-1, 1):
        brush.oval(side * 0.14, -0.55, 0.14, 0.17, WHITE)
        brush.disc(side * 0.12, -0.56, 0.055, BLACK)
    brush.poly([(-0.12, -0.44), (0.12, -0.44), (0, -0.26)], _BEAK)


def _owl(brush: Brush, look: Look) -> None:
    for side in (-1, 1):
        brush.poly([(side * 0.2, -0.6), (side * 0.5, -0.95), (side * 0.55, -0.4)], look.body)
    brush.blob(
        [(0, -0.75), (0.55, -0.5), (0.62, 0.3), (0.3, 0.86), (-0.3, 0.86), (-0.62, 0.3), (-0.55, -0.5)],
        look.body,
    )
    brush.oval(0, 0.35, 0.38, 0.48, mix(look.body, WHITE, 0.45))
    for row in range(4):
        for column in range(-2, 3):
            brush.arc(
                column * 0.15 + (row % 2) * 0.07, 0.08 + row * 0.17, 0.06, 0.06, 20, 160, 0.016, look.dark
            )
    for side in (-1, 1):
        brush.limb(
            [(side * 0.56, -0.1), (side * 0.62, 0.3), (side * 0.44, 0.66)], [0.1, 0.15, 0.04], look.dark
        )
        brush.disc(side * 0.25, -0.35, 0.25, mix(look.body, WHITE, 0.6))
        brush.disc(side * 0.25, -0.35, 0.16, (246, 196, 50))
        brush.disc(side * 0.25, -0.35, 0.09, BLACK)
        brush.oval(side * 0.2, 0.9, 0.13, 0.05, _BEAK)
    brush.poly([(-0.08, -0.25), (0.08, -0.25), (0, -0.02)], _BEAK)


def _butterfly(brush: Brush, look: Look) -> None:
    for side in (-1, 1):
        top = [
            (side * x, y) for x, y in ((0.05, -0.1), (0.3, -0.75), (0.85, -0.85), (0.92, -0.4), (0.5, 0.02))
        ]
        low = [(side * x, y) for x, y in ((0.05, 0.05), (0.5, 0.05), (0.75, 0.35), (0.5, 0.85), (0.2, 0.6))]
        for wing in (low, top):
            brush.blob(wing, BLACK)
            cx, cy = sum(x for x, _ in wing) / 5, sum(y for _, y in wing) / 5
            brush.blob([(cx + (x - cx) * 0.82, cy + (y - cy) * 0.82) for x, y in wing], look.body)
        brush.disc(side * 0.62, -0.52, 0.13, look.second)
        brush.disc(side * 0.48, 0.45, 0.11, look.second)
        brush.limb([(side * 0.03, -0.5), (side * 0.12, -0.75), (side * 0.26, -0.92)], 0.016, BLACK)
    brush.limb([(0, -0.45), (0, 0.0), (0, 0.55)], [0.07, 0.08, 0.03], (50, 40, 40))


def _snail(brush: Brush, look: Look) -> None:
    skin: Colour = (206, 176, 130)
    brush.limb([(0.95, 0.82), (0.3, 0.7), (-0.5, 0.72), (-0.82, 0.3)], [0.03, 0.14, 0.15, 0.13], skin)
    for x, y in ((-0.98, -0.2), (-0.7, -0.22)):
        brush.limb([(-0.82, 0.25), (x * 0.98, 0.0), (x, y)], [0.05, 0.03, 0.03], skin)
        brush.disc(x, y, 0.055, BLACK)
    brush.disc(0.15, 0.1, 0.6, look.body)
    brush.arc(0.15, 0.1, 0.44, 0.44, -40, 230, 0.05, look.dark)
    brush.arc(0.1, 0.1, 0.26, 0.26, 60, 330, 0.05, look.dark)
    brush.disc(0.12, 0.1, 0.09, look.dark)


def _ladybird(brush: Brush, look: Look) -> None:
    for side in (-1, 1):
        for y in (-0.2, 0.15, 0.5):
            brush.limb([(side * 0.5, y), (side * 0.82, y - 0.05), (side * 0.95, y + 0.16)], 0.035, BLACK)
        brush.limb([(side * 0.15, -0.7), (side * 0.3, -0.95)], 0.025, BLACK)
    brush.oval(0, -0.52, 0.4, 0.32, BLACK)
    brush.oval(0, 0.14, 0.72, 0.74, look.body)
    brush.line(0, -0.55, 0, 0.88, 0.025, BLACK)
    for side in (-1, 1):
        for x, y in ((0.28, -0.2), (0.46, 0.18), (0.24, 0.5)):
            brush.disc(side * x, y, 0.12, BLACK)
        brush.disc(side * 0.2, -0.62, 0.07, WHITE)


def _turtle(brush: Brush, look: Look) -> None:
    skin: Colour = (146, 160, 90)
    for x in (-0.5, 0.45):
        brush.limb([(x, 0.35), (x - 0.05, 0.72)], [0.15, 0.13], skin)
    brush.limb([(0.7, 0.4), (0.95, 0.5)], [0.07, 0.02], skin)
    brush.limb([(-0.55, 0.25), (-0.8, 0.05), (-0.85, -0.05)], [0.14, 0.13, 0.17], skin)
    shell = [(-0.75, 0.4), (-0.6, -0.15), (-0.1, -0.5), (0.45, -0.3), (0.8, 0.4)]
    brush.blob([*shell, (0, 0.5)], look.body)
    with brush.inside(smooth([*shell, (0, 0.5)])):
        for cx, cy in ((-0.42, 0.05), (0.0, -0.12), (0.42, 0.08), (-0.2, 0.36), (0.22, 0.36)):
            hexagon = [
                (cx + 0.19 * a, cy + 0.19 * b)
                for a, b in ((1, 0), (0.5, 0.87), (-0.5, 0.87), (-1, 0), (-0.5, -0.87), (0.5, -0.87))
            ]
            brush.poly(hexagon, look.dark)
            brush.poly([(cx + (x - cx) * 0.75, cy + (y - cy) * 0.75) for x, y in hexagon], look.light)
    brush.disc(-0.92, -0.1, 0.04, BLACK)
    brush.line(-1.0, 0.02, -0.86, 0.05, 0.014, shade(skin, 0.5))


WILDLIFE: dict[str, Kind] = {
    "goldfish": Kind(
        _goldfish,
        {"orange": (244, 122, 34), "red": (222, 66, 40), "yellow": (246, 186, 66)},
        ("water", "water", "studio"),
        "scales",
        upright=False,
    ),
    "walking stick": Kind(
        _stick_insect,
        {"brown": (134, 104, 64), "green": (104, 144, 62)},
        ("ground", "land"),
        "rough",
        aliases=("stick insect", "walkingstick"),
        upright=False,
    ),
    "duck": Kind(
        _duck,
        {"yellow": (248, 210, 70), "white": (242, 240, 234), "brown": (140, 104, 70)},
        ("sea", "land"),
        "feathers",
        foot=0.72,
    ),
    "penguin": Kind(
        _penguin, {"black": (48, 50, 58), "blue": (60, 84, 130)}, ("snow", "land"), "feathers", foot=0.94
    ),
    "owl": Kind(
        _owl,
        {"brown": (146, 104, 66), "white": (232, 228, 220), "grey": (140, 136, 132)},
        ("land",),
        "feathers",
    ),
    "butterfly": Kind(
        _butterfly, colours("orange", "blue", "yellow", "purple", "red"), ("sky", "ground"), upright=False
    ),
    "snail": Kind(
        _snail, {"brown": (176, 122, 70), **colours("orange", "pink")}, ("ground", "land"), "wax", foot=0.86
    ),
    "ladybug": Kind(
        _ladybird,
        colours("red", "orange", "yellow"),
        ("ground",),
        "gloss",
        aliases=("ladybird",),
        upright=False,
    ),
    "turtle": Kind(
        _turtle, {"green": (96, 130, 66), "brown": (140, 106, 66)}, ("land", "ground"), "hide", foot=0.84
    ),
}
