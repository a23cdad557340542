"""Clothes, and what is worn with them."""

from __future__ import annotations

from clipsan.synthesis.drawing.brush import Brush
from clipsan.synthesis.drawing.colours import BLACK, GOLD, WHITE, WOOD, Colour, colours, mix, shade
from clipsan.synthesis.drawing.curves import smooth
from clipsan.synthesis.drawing.kind import Kind, Look

_SKIN: tuple[Colour, ...] = ((240, 206, 176), (214, 168, 128), (150, 104, 72), (100, 68, 48))


def _flowers(brush: Brush, look: Look, number: int) -> None:
    """Blossoms scattered over the canvas, for use inside an outline."""
    import math

    for _ in range(number):
        x, y = look.dice.uniform(-0.9, 0.9), look.dice.uniform(-0.7, 0.95)
        size = look.dice.uniform(0.05, 0.09)
        for n in range(5):
            t = 2 * math.pi * n / 5
            brush.disc(x + size * math.cos(t), y + size * math.sin(t), size * 0.7, look.second)
        brush.disc(x, y, size * 0.5, GOLD)


def _kimono(brush: Brush, look: Look) -> None:
    worn = look.dice.chance(0.6)
    skin = look.dice.pick(_SKIN)
    if worn:
        brush.oval(0, -0.8, 0.15, 0.18, skin)
        brush.blob(
            [
                (-0.17, -0.78),
                (-0.2, -1.0),
                (0, -1.1),
                (0.2, -1.0),
                (0.17, -0.78),
                (0.1, -0.93),
                (-0.1, -0.93),
            ],
            BLACK,
        )
        brush.disc(0, -1.08, 0.09, BLACK)
        for x in (-0.055, 0.055):
            brush.disc(x, -0.8, 0.018, BLACK)
        brush.line(-0.025, -0.7, 0.025, -0.7, 0.012, (190, 60, 60))
        for side in (-1, 1):
            brush.oval(side * 0.14, 0.97, 0.12, 0.035, WHITE)
    robe = [
        (-0.16, -0.6),
        (-0.98, -0.42),
        (-0.94, 0.34),
        (-0.5, 0.36),
        (-0.46, -0.08),
        (-0.34, 0.94),
        (0.34, 0.94),
    ]
    robe += [(0.46, -0.08), (0.5, 0.36), (0.94, 0.34), (0.98, -0.42), (0.16, -0.6)]
    brush.poly(robe, look.body)
    with brush.inside(robe):
        _flowers(brush, look, 16)
        brush.line(0.02, 0.1, 0.12, 0.95, 0.016, look.dark)
        for side in (-1, 1):
            brush.box(side * 0.95, -0.05, 0.05, 0.5, look.second)
            brush.line(side * 0.46, -0.1, side * 0.4, -0.45, 0.014, look.dark)
    brush.poly([(-0.2, -0.62), (-0.1, -0.62), (0.16, 0.02), (0.02, 0.02)], mix(look.second, WHITE, 0.6))
    brush.poly([(0.2, -0.62), (0.1, -0.62), (-0.2, 0.02), (-0.04, 0.02)], mix(look.second, WHITE, 0.75))
    if worn:
        brush.poly([(-0.09, -0.63), (0.09, -0.63), (0, -0.4)], skin)
        for side in (-1, 1):
            brush.oval(side * 0.7, 0.38, 0.07, 0.07, skin)
    brush.box(0, 0.08, 0.42, 0.17, mix(look.second, GOLD, 0.4))  # the obi
    brush.box(0, 0.08, 0.42, 0.025, mix(look.second, BLACK, 0.5))
    brush.poly([(-0.1, 0.0), (0.1, 0.0), (0.1, 0.17), (-0.1, 0.17)], mix(look.second, BLACK, 0.35))


def _one_sandal(brush: Brush, look: Look, dx: float, mirror: int) -> None:
    """A sandal from above."""
    sole = [
        (0.0, -0.92),
        (0.26, -0.78),
        (0.3, -0.35),
        (0.2, 0.1),
        (0.24, 0.6),
        (0.0, 0.92),
        (-0.24, 0.6),
        (-0.2, 0.1),
        (-0.27, -0.35),
        (-0.22, -0.8),
    ]
    placed = [(dx + mirror * x, y) for x, y in sole]
    brush.blob([(dx + (x - dx) * 1.1, y * 1.04) for x, y in placed], (74, 54, 40))
    brush.blob(placed, (206, 164, 116))
    with brush.inside(smooth([(dx + (x - dx) * 1.12, y) for x, y in placed])):
        brush.oval(dx, -0.55, 0.15, 0.2, (186, 142, 98))
        for start, end, half in (
            ((-0.34, -0.32), (0.3, -0.62), 0.075),
            ((-0.32, -0.6), (0.34, -0.3), 0.075),
            ((-0.34, 0.22), (0.34, 0.22), 0.06),
        ):
            brush.line(
                dx + mirror * start[0], start[1] + 0.02, dx + mirror * end[0], end[1] + 0.02, half, look.dark
            )
            brush.line(dx + mirror * start[0], start[1], dx + mirror * end[0], end[1], half, look.body)
    brush.slab(dx + mirror * 0.16, 0.22, 0.06, 0.055, 0.02, GOLD)


def _sandal(brush: Brush, look: Look) -> None:
    if look.group:
        _one_sandal(brush, look, -0.42, -1)
        _one_sandal(brush, look, 0.42, 1)
        return
    if look.dice.chance(0.4):
        _one_sandal(brush, look, 0.0, 1)
        return
    sole = [
        (-0.95, 0.42),
        (-0.6, 0.36),
        (0.0, 0.28),
        (0.5, -0.02),
        (0.95, -0.1),
        (0.96, 0.5),
        (0.6, 0.52),
        (0.2, 0.46),
        (-0.85, 0.56),
    ]
    brush.poly(sole, (120, 84, 54))  # from the side, with a wedge heel
    brush.limb([(-0.93, 0.4), (-0.4, 0.32), (0.1, 0.22), (0.5, -0.05), (0.93, -0.13)], 0.045, (214, 176, 128))
    brush.limb([(-0.72, 0.38), (-0.62, 0.05), (-0.32, -0.04), (-0.2, 0.3)], 0.085, look.body)
    brush.limb([(-0.34, 0.3), (-0.1, 0.02), (0.1, -0.1), (0.2, 0.2)], 0.07, look.dark)
    brush.limb(
        [(0.86, -0.12), (0.84, -0.52), (0.5, -0.62), (0.28, -0.42), (0.56, -0.28), (0.84, -0.42)],
        0.055,
        look.body,
    )
    brush.limb([(0.1, -0.08), (0.22, -0.3), (0.36, -0.5)], 0.045, look.body)
    brush.slab(0.36, -0.46, 0.06, 0.06, 0.02, GOLD)


def _t_shirt(brush: Brush, look: Look) -> None:
    shirt = [
        (-0.24, -0.76),
        (-0.5, -0.7),
        (-0.98, -0.3),
        (-0.76, 0.04),
        (-0.52, -0.14),
        (-0.52, 0.84),
        (0.52, 0.84),
    ]
    shirt += [(0.52, -0.14), (0.76, 0.04), (0.98, -0.3), (0.5, -0.7), (0.24, -0.76)]
    brush.poly(shirt, look.body)
    with brush.inside(shirt):
        if look.pattern == "striped":
            for n in range(6):
                brush.box(0, -0.5 + n * 0.27, 1, 0.065, look.second)
        elif look.pattern == "dotted":
            for n in range(48):
                brush.disc(
                    -0.95 + (n % 8) * 0.27 + (n // 8 % 2) * 0.13, -0.65 + n // 8 * 0.27, 0.065, look.second
                )
        elif look.pattern == "checked":
            for n in range(9):
                brush.box(-0.9 + n * 0.23, 0, 0.035, 1, look.second)
                brush.box(0, -0.7 + n * 0.2, 1, 0.03, look.second)
        brush.oval(0, -0.78, 0.26, 0.2, look.dark)
        brush.oval(0, -0.8, 0.21, 0.15, shade(look.body, 0.4))
        for side in (-1, 1):
            brush.line(side * 0.52, -0.14, side * 0.44, -0.42, 0.012, look.dark)


def _hat(brush: Brush, look: Look) -> None:
    brush.oval(0, 0.42, 0.97, 0.26, look.dark)
    brush.oval(0, 0.37, 0.96, 0.24, look.body)
    brush.blob(
        [
            (-0.52, 0.35),
            (-0.48, -0.3),
            (-0.25, -0.55),
            (0, -0.44),
            (0.25, -0.55),
            (0.48, -0.3),
            (0.52, 0.35),
            (0, 0.5),
        ],
        look.body,
    )
    brush.poly([(-0.53, 0.12), (0.53, 0.12), (0.53, 0.34), (0, 0.46), (-0.53, 0.34)], look.second)


def _glasses(brush: Brush, look: Look) -> None:
    for side in (-1, 1):
        brush.slab(side * 0.48, 0.05, 0.4, 0.32, 0.24, look.body)
        brush.slab(side * 0.48, 0.05, 0.32, 0.24, 0.2, (70, 80, 96))
        brush.line(side * 0.4 - 0.1, 0.12, side * 0.4 + 0.06, -0.08, 0.025, (160, 176, 196))
        brush.limb([(side * 0.86, -0.1), (side * 0.98, -0.2), (side * 0.9, -0.42)], 0.05, look.body)
    brush.limb([(-0.1, 0.0), (0, -0.08), (0.1, 0.0)], 0.05, look.body)


def _boot(brush: Brush, look: Look) -> None:
    boot = [
        (-0.3, -0.9),
        (0.32, -0.9),
        (0.34, 0.0),
        (0.4, 0.55),
        (0.2, 0.75),
        (-0.7, 0.76),
        (-0.9, 0.55),
        (-0.75, 0.32),
        (-0.34, 0.14),
    ]
    brush.poly(boot, look.body)
    with brush.inside(boot):
        brush.box(0.28, 0, 0.14, 1, look.dark)
        brush.oval(-0.75, 0.6, 0.26, 0.24, look.light)
    brush.poly(
        [(-0.92, 0.7), (0.38, 0.7), (0.4, 0.92), (0.06, 0.92), (0.02, 0.82), (-0.9, 0.84)], shade(WOOD, 0.4)
    )
    brush.slab(0.02, -0.84, 0.36, 0.1, 0.05, look.second)
    for n in range(5):
        brush.line(-0.32, -0.6 + n * 0.16, -0.08, -0.66 + n * 0.16, 0.022, WHITE)


def _bag(brush: Brush, look: Look) -> None:
    brush.arc(0, -0.15, 0.36, 0.66, 180, 360, 0.05, look.dark)
    brush.poly([(-0.7, -0.2), (0.7, -0.2), (0.86, 0.82), (-0.86, 0.82)], look.body)
    brush.poly([(-0.7, -0.2), (0.7, -0.2), (0.62, 0.26), (0, 0.36), (-0.62, 0.26)], look.light)
    brush.slab(0, 0.3, 0.11, 0.09, 0.03, GOLD)
    for n in range(11):
        brush.line(-0.75 + n * 0.15, 0.76, -0.69 + n * 0.15, 0.76, 0.01, look.second)


_DYES = colours("red", "blue", "green", "yellow", "black", "white", "purple", "pink", "orange")
_LEATHER = {"brown": (140, 88, 50), **colours("black", "red", "white", "blue")}

CLOTHES: dict[str, Kind] = {
    "kimono": Kind(
        _kimono,
        {k: _DYES[k] for k in ("red", "blue", "purple", "pink", "black", "green", "white")},
        ("floor", "land", "studio"),
        "cloth",
        foot=0.97,
    ),
    "sandal": Kind(_sandal, _LEATHER, ("floor", "ground", "studio"), "leather", group="pair", upright=False),
    "T-shirt": Kind(
        _t_shirt,
        _DYES,
        ("wall", "floor", "studio"),
        "cloth",
        aliases=("tee shirt", "shirt"),
        patterned=True,
        upright=False,
    ),
    "hat": Kind(
        _hat, _LEATHER, ("table", "floor", "ground"), "cloth", aliases=("fedora", "cowboy hat"), foot=0.66
    ),
    "sunglasses": Kind(
        _glasses, colours("black", "red", "blue", "pink"), ("table", "ground"), "gloss", upright=False
    ),
    "boot": Kind(_boot, _LEATHER, ("floor", "ground"), "leather", foot=0.92),
    "handbag": Kind(_bag, _LEATHER, ("floor", "table"), "leather", aliases=("purse", "bag"), foot=0.82),
}
