"""Machines with buttons and screens."""

from __future__ import annotations

import math

from clipsan.synthesis.drawing.brush import Brush, ring
from clipsan.synthesis.drawing.colours import (
    BLACK,
    GOLD,
    STEEL,
    WHITE,
    WOOD,
    Colour,
    brightness,
    colours,
    mix,
    shade,
)
from clipsan.synthesis.drawing.kind import Kind, Look

_SCREEN: Colour = (52, 110, 170)
_GREY: Colour = (86, 88, 94)


def _keys(brush: Brush, cx: float, cy: float, step: float, colour: Colour, label: bool) -> None:
    """A pad of 4 rows of 3 keys."""
    for n in range(12):
        x, y = cx + (n % 3 - 1) * step, cy + (n // 3 - 1.5) * step * 0.86
        brush.slab(x, y, step * 0.38, step * 0.32, step * 0.1, colour)
        if label:
            brush.disc(x, y, step * 0.1, shade(colour, 0.35))


def _disc_with_rainbow(brush: Brush, cx: float, cy: float, rx: float, ry: float) -> None:
    """A compact disc, seen from above or at an angle."""
    brush.oval(cx, cy, rx, ry, (206, 210, 218))
    wedge = ((150, 60, 170), (60, 110, 220), (60, 190, 120), (240, 220, 80), (240, 120, 60))
    for side in (200, 20):
        for n, colour in enumerate(wedge):
            brush.pie(
                cx,
                cy,
                rx * 0.96,
                ry * 0.96,
                side + n * 11,
                side + n * 11 + 11,
                mix(colour, (230, 232, 238), 0.45),
            )
    brush.oval(cx, cy, rx * 0.34, ry * 0.34, (188, 192, 200))
    brush.oval(cx, cy, rx * 0.14, ry * 0.14, (70, 72, 78))


def _cd_player(brush: Brush, look: Look) -> None:
    if look.dice.chance(0.5):  # a portable one, from above, its lid open or with a window
        brush.slab(0, 0.0, 0.86, 0.86, 0.8, look.dark)
        brush.slab(0, -0.04, 0.84, 0.82, 0.78, look.body)
        brush.oval(0, -0.06, 0.68, 0.66, shade(look.body, 0.8))
        _disc_with_rainbow(brush, 0, -0.06, 0.6, 0.59)
        brush.slab(0, 0.7, 0.32, 0.1, 0.04, BLACK)
        brush.slab(-0.05, 0.7, 0.2, 0.06, 0.02, (130, 190, 140))
        for x in (-0.52, 0.52):
            brush.disc(x, 0.58, 0.07, look.light)
        brush.limb([(0.8, 0.3), (1.0, 0.5), (0.92, 0.85), (0.6, 1.0)], 0.02, BLACK)
        return
    for x in (-0.62, 0.62):  # one with two speakers and a handle
        brush.slab(x, 0.2, 0.36, 0.4, 0.3, look.body)
        brush.disc(x, 0.22, 0.26, (60, 60, 66))
        brush.disc(x, 0.22, 0.2, _GREY)
        brush.disc(x, 0.22, 0.09, BLACK)
    brush.arc(0, 0.0, 0.7, 0.62, 200, 340, 0.05, shade(look.body, 0.6))
    brush.slab(0, 0.15, 0.44, 0.45, 0.16, look.body)
    brush.oval(0, -0.12, 0.36, 0.2, shade(look.body, 0.7))
    _disc_with_rainbow(brush, 0, -0.13, 0.31, 0.165)
    brush.slab(0, 0.24, 0.26, 0.09, 0.02, BLACK)
    brush.word("CD 07", 0, 0.24, 0.1, (140, 230, 150))
    for n in range(5):
        brush.slab(-0.24 + n * 0.12, 0.44, 0.045, 0.04, 0.02, look.light)


def _cash_machine(brush: Brush, look: Look) -> None:
    brush.slab(0, 0.02, 0.64, 0.95, 0.05, look.body)
    brush.box(0, -0.76, 0.64, 0.17, look.dark)
    brush.word(look.dice.pick(("ATM", "CASH", "BANK", "24H CASH")), 0, -0.76, 0.2, WHITE, 0.03)
    brush.box(0, -0.22, 0.56, 0.36, _GREY)
    brush.slab(-0.12, -0.24, 0.36, 0.28, 0.02, _SCREEN)
    brush.word("$" + look.dice.pick(("20", "50", "100")), -0.12, -0.34, 0.13, WHITE)
    for y in (-0.18, -0.08):
        brush.box(-0.12, y, 0.24, 0.02, (170, 210, 240))
    for side in (-0.52, 0.28):
        for n in range(4):
            brush.box(side, -0.42 + n * 0.12, 0.025, 0.03, STEEL)
    brush.slab(0.43, -0.34, 0.09, 0.05, 0.02, BLACK)  # the card slot
    brush.slab(0.43, -0.34, 0.06, 0.015, 0.01, (90, 220, 110))
    brush.slab(0.43, -0.08, 0.09, 0.08, 0.02, (230, 230, 226))
    brush.poly([(-0.6, 0.16), (0.6, 0.16), (0.66, 0.46), (-0.66, 0.46)], STEEL)
    _keys(brush, -0.18, 0.31, 0.13, (236, 236, 234), True)
    for n, colour in enumerate(((210, 50, 46), (236, 200, 60), (60, 160, 80))):
        brush.slab(0.16, 0.21 + n * 0.095, 0.06, 0.036, 0.02, colour)
    brush.slab(0, 0.6, 0.42, 0.06, 0.02, BLACK)
    if look.dice.chance(0.6):
        for n in range(2):
            brush.poly(
                [
                    (-0.26 + n * 0.04, 0.6),
                    (0.22 + n * 0.04, 0.6),
                    (0.24 + n * 0.04, 0.76),
                    (-0.26 + n * 0.04, 0.76),
                ],
                shade((140, 180, 130), 1 - 0.1 * n),
            )
        brush.disc(0.0, 0.68, 0.05, (220, 236, 210))


def _pay_phone(brush: Brush, look: Look) -> None:
    dice = look.dice
    if dice.chance(0.4):  # in a hood on a post
        brush.box(0, 0.75, 0.07, 0.3, _GREY)
        brush.slab(0, -0.1, 0.72, 0.86, 0.1, look.second)
        brush.word("PHONE", 0, -0.83, 0.16, BLACK if brightness(look.second) > 0.5 else WHITE, 0.03)
    brush.slab(0.0, -0.02, 0.5, 0.7, 0.06, look.dark)
    brush.slab(0.0, -0.02, 0.45, 0.65, 0.05, look.body)
    brush.box(0.14, -0.48, 0.26, 0.13, (232, 230, 222))
    for y in (-0.53, -0.47, -0.41):
        brush.line(-0.06, y, 0.34, y, 0.01, (70, 90, 140))
    brush.slab(0.16, -0.02, 0.24, 0.27, 0.03, STEEL)
    _keys(brush, 0.16, -0.02, 0.135, (242, 240, 236), True)
    brush.slab(0.34, -0.27, 0.06, 0.02, 0.01, BLACK)
    brush.slab(0.16, 0.44, 0.16, 0.11, 0.03, BLACK)  # where the coins come back
    brush.slab(0.16, 0.4, 0.13, 0.06, 0.02, STEEL)
    brush.limb([(-0.3, 0.36), (-0.32, 0.75), (-0.08, 0.86), (0.06, 0.68)], 0.026, (120, 122, 128))
    brush.slab(-0.27, -0.1, 0.08, 0.4, 0.06, BLACK)  # the handset hangs on the left
    brush.slab(-0.3, -0.42, 0.13, 0.11, 0.07, BLACK)
    brush.slab(-0.3, 0.24, 0.13, 0.11, 0.07, BLACK)
    brush.line(-0.29, -0.26, -0.29, 0.1, 0.016, (110, 110, 116))


def _television(brush: Brush, look: Look) -> None:
    for x in (-0.4, 0.4):
        brush.line(x * 0.4, -0.5, x, -0.95, 0.02, STEEL)
    brush.slab(0, 0.12, 0.9, 0.62, 0.08, look.body)
    brush.slab(-0.16, 0.12, 0.66, 0.5, 0.14, BLACK)
    with brush.inside(ring(-0.16, 0.12, 0.62, 0.46)):
        brush.slab(-0.16, 0.12, 0.6, 0.45, 0.12, (96, 160, 210))
        brush.box(-0.16, 0.4, 0.6, 0.2, (90, 150, 80))
        brush.disc(0.12, -0.1, 0.1, (250, 226, 120))
    for y in (-0.2, 0.06):
        brush.disc(0.7, y, 0.09, STEEL)
        brush.line(0.7, y, 0.74, y - 0.06, 0.015, BLACK)
    for n in range(5):
        brush.line(0.6, 0.3 + n * 0.07, 0.8, 0.3 + n * 0.07, 0.014, look.dark)
    for x in (-0.6, 0.6):
        brush.line(x, 0.72, x * 1.1, 0.9, 0.05, look.dark)


def _laptop(brush: Brush, look: Look) -> None:
    brush.slab(0, -0.25, 0.72, 0.5, 0.05, look.body)
    brush.box(0, -0.26, 0.65, 0.43, (34, 52, 84))
    for n in range(6):
        brush.box(
            -0.3 + look.dice.uniform(-0.1, 0.1),
            -0.56 + n * 0.11,
            look.dice.uniform(0.12, 0.28),
            0.02,
            (130, 200, 160),
        )
    brush.poly([(-0.72, 0.28), (0.72, 0.28), (0.96, 0.66), (-0.96, 0.66)], shade(look.body, 0.9))
    for row in range(4):
        for n in range(11):
            wide = 0.62 + row * 0.05
            brush.box(-wide + n * wide / 5, 0.33 + row * 0.065, 0.045, 0.02, (60, 62, 68))
    brush.poly([(-0.16, 0.58), (0.16, 0.58), (0.18, 0.65), (-0.18, 0.65)], look.dark)


def _clock(brush: Brush, look: Look) -> None:
    brush.disc(0, 0, 0.86, look.body)
    brush.disc(0, 0, 0.74, WHITE)
    for n in range(12):
        t = math.radians(30 * n - 90)
        if n % 3 == 0:
            brush.word(str(n or 12), 0.57 * math.cos(t), 0.57 * math.sin(t), 0.17, BLACK, 0.02)
        else:
            brush.line(
                0.6 * math.cos(t), 0.6 * math.sin(t), 0.68 * math.cos(t), 0.68 * math.sin(t), 0.02, BLACK
            )
    for turn, long, half in (
        (look.dice.uniform(0, 360), 0.36, 0.045),
        (look.dice.uniform(0, 360), 0.56, 0.03),
    ):
        t = math.radians(turn)
        brush.line(0, 0, long * math.cos(t), long * math.sin(t), half, BLACK)
    brush.disc(0, 0, 0.06, look.body)


def _camera(brush: Brush, look: Look) -> None:
    brush.slab(-0.45, -0.44, 0.2, 0.12, 0.04, look.dark)
    brush.poly([(-0.2, -0.36), (-0.12, -0.6), (0.22, -0.6), (0.3, -0.36)], look.body)
    brush.slab(0, 0.1, 0.9, 0.5, 0.1, look.body)
    brush.box(0, -0.22, 0.9, 0.1, STEEL)
    brush.disc(0.05, 0.14, 0.42, BLACK)
    brush.disc(0.05, 0.14, 0.34, _GREY)
    brush.disc(0.05, 0.14, 0.26, (30, 40, 66))
    brush.disc(-0.04, 0.04, 0.08, (150, 180, 220))
    brush.slab(0.66, -0.2, 0.13, 0.08, 0.02, (250, 244, 200))
    brush.disc(-0.66, -0.22, 0.06, (200, 50, 46))


def _lamp(brush: Brush, look: Look) -> None:
    brush.oval(0, 0.86, 0.36, 0.09, shade(WOOD, 0.7))
    brush.limb([(0, 0.84), (0.06, 0.4), (0, 0.0)], [0.12, 0.06, 0.05], STEEL)
    brush.poly([(-0.3, -0.8), (0.3, -0.8), (0.66, 0.08), (-0.66, 0.08)], look.body)
    brush.poly([(-0.16, -0.8), (0.1, -0.8), (0.2, 0.08), (-0.36, 0.08)], look.light)
    brush.box(0, 0.05, 0.66, 0.03, look.second)
    brush.line(0.3, 0.1, 0.3, 0.36, 0.012, GOLD)


def _light_bulb(brush: Brush, look: Look) -> None:
    brush.blob(
        [
            (0, -0.92),
            (0.5, -0.72),
            (0.6, -0.25),
            (0.28, 0.25),
            (0.24, 0.45),
            (-0.24, 0.45),
            (-0.28, 0.25),
            (-0.6, -0.25),
            (-0.5, -0.72),
        ],
        look.body,
    )
    brush.oval(-0.26, -0.5, 0.12, 0.2, WHITE, 20)
    brush.limb([(-0.12, 0.4), (-0.18, -0.15), (0, -0.05), (0.18, -0.15), (0.12, 0.4)], 0.02, (150, 110, 60))
    for n in range(4):
        brush.slab(0, 0.52 + n * 0.1, 0.22 - n * 0.015, 0.045, 0.04, STEEL if n % 2 else (130, 132, 138))
    brush.oval(0, 0.92, 0.1, 0.05, BLACK)


_CASES = colours("black", "white", "grey", "red", "blue")

DEVICES: dict[str, Kind] = {
    "CD player": Kind(
        _cd_player,
        {"grey": (168, 172, 180), **colours("red", "blue", "black", "green")},
        ("table", "floor"),
        "gloss",
        foot=0.62,
    ),
    "cash machine": Kind(
        _cash_machine,
        colours("blue", "grey", "green", "red"),
        ("wall", "street"),
        "metal",
        aliases=("automated teller machine", "ATM", "automatic teller machine", "cash dispenser"),
        foot=0.97,
    ),
    "pay-phone": Kind(
        _pay_phone,
        colours("black", "blue", "red", "grey"),
        ("wall", "street"),
        "metal",
        aliases=("payphone", "pay phone", "pay-station"),
        foot=0.98,
    ),
    "television": Kind(
        _television,
        {"brown": (140, 94, 56), **_CASES},
        ("floor", "table"),
        "wood",
        aliases=("TV",),
        foot=0.92,
    ),
    "laptop": Kind(
        _laptop,
        {"grey": (178, 182, 190), "black": (60, 60, 66), "white": (232, 232, 230)},
        ("table",),
        "metal",
        aliases=("laptop computer", "notebook computer"),
        foot=0.66,
    ),
    "clock": Kind(_clock, _CASES, ("wall",), "gloss", aliases=("wall clock", "analog clock"), foot=0.86),
    "camera": Kind(
        _camera,
        {"black": (58, 58, 62), "brown": (130, 84, 50), "red": (190, 50, 46)},
        ("table",),
        "metal",
        foot=0.6,
    ),
    "table lamp": Kind(
        _lamp,
        colours("red", "yellow", "green", "blue", "white", "orange"),
        ("table", "floor"),
        "cloth",
        aliases=("lamp",),
        foot=0.94,
    ),
    "light bulb": Kind(
        _light_bulb,
        {"yellow": (252, 226, 110), "white": (232, 238, 240)},
        ("table", "studio"),
        "glass",
        aliases=("bulb", "lightbulb"),
        upright=False,
    ),
}
