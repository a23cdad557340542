"""How places are painted that have no sky: rooms, walls, and surfaces seen from above. As `surroundings`."""

from __future__ import annotations

from collections.abc import Callable

from clipsan.synthesis.dice import Dice
from clipsan.synthesis.drawing.brush import Brush
from clipsan.synthesis.drawing.colours import COLOURS, Colour, shade
from clipsan.synthesis.drawing.surroundings import band, vary

WALLPAPERS: tuple[Colour, ...] = (
    (226, 214, 192),
    (206, 216, 212),
    (218, 200, 204),
    (196, 202, 216),
    (236, 232, 224),
)


def room(
    floor: tuple[Colour, ...],
    wall: tuple[Colour, ...],
    low: tuple[float, float],
    planks: bool,
    furniture: bool,
) -> Callable[[Brush, Dice], float]:
    """A wall over a floor or a table's top, whose edge lies between the two heights `low`."""

    def paint(brush: Brush, dice: Dice) -> float:
        edge = dice.uniform(*low)
        paper, ground = vary(dice.pick(wall), dice), vary(dice.pick(floor), dice)
        band(brush, -0.5, edge, shade(paper, 0.95), shade(paper, 0.86), 4)
        if dice.chance(0.35):
            for n in range(16):
                brush.box(-0.4 + n * 0.12, edge / 2 - 0.25, 0.018, edge / 2 + 0.25, shade(paper, 0.9))
        if furniture:
            for _ in range(dice.below(3)):
                x, y = dice.uniform(0, 1), edge * dice.uniform(0.3, 0.6)
                wide, high = dice.uniform(0.08, 0.16), dice.uniform(0.08, 0.14)
                brush.box(x, y, wide, high, vary((110, 84, 60), dice))
                brush.box(x, y, wide * 0.85, high * 0.82, vary(dice.pick(tuple(COLOURS.values())), dice))
            brush.box(0.5, edge - 0.012, 1, 0.014, shade(paper, 1.2))
        band(brush, edge, 1.5, shade(ground, 0.9), shade(ground, 1.08), 14)
        if planks:
            for n in range(15):
                x = (n - 7) * 0.16
                brush.line(0.5 + x, edge, 0.5 + x * 3.2, 1.4, 0.003, shade(ground, 0.72))
        return edge

    return paint


def tiles(
    colour: tuple[Colour, ...], gap: Colour, wide: float, high: float, bond: bool, floor: float
) -> Callable[[Brush, Dice], float]:
    """A wall of bricks or tiles, `bond` moving every other row; from `floor` down, the ground before it."""

    def paint(brush: Brush, dice: Dice) -> float:
        base, scale = vary(dice.pick(colour), dice), dice.uniform(0.8, 1.3)
        band(brush, -0.5, 1.5, gap, gap, 1)
        w, h = wide * scale, high * scale
        for row in range(int(-0.25 / h), int(1.25 / h) + 1):
            for column in range(int(-0.25 / w) - 1, int(1.25 / w) + 1):
                x = (column + (0.5 if bond and row % 2 else 0)) * w
                brush.box(
                    x + w / 2, row * h + h / 2, w * 0.47, h * 0.45, shade(base, dice.uniform(0.86, 1.08))
                )
        if floor < 1:
            ground = vary(dice.pick(((168, 164, 160), (140, 120, 100), (196, 204, 208))), dice)
            band(brush, floor, 1.5, shade(ground, 0.9), shade(ground, 1.05), 4)
        return floor if floor < 1 else 0.3

    return paint


def surface(colours: tuple[Colour, ...], marks: str) -> Callable[[Brush, Dice], float]:
    """A surface seen from above: plain, planks, checked, leaves, stones, blades, stripes or dots."""

    def paint(brush: Brush, dice: Dice) -> float:
        base = vary(dice.pick(colours), dice)
        band(brush, -0.5, 1.5, shade(base, 1.06), shade(base, 0.9), 14)
        if marks == "planks":
            turn = dice.chance(0.5)
            for n in range(-2, 10):
                at = n * 0.14
                tone = shade(base, dice.uniform(0.88, 1.06))
                brush.box(*((at, 0.5, 0.068, 1.0) if turn else (0.5, at, 1.0, 0.068)), tone)
        elif marks == "checked":
            other = vary((244, 240, 232), dice)
            for row in range(-3, 13):
                for column in range(-3, 13):
                    if (row + column) % 2:
                        brush.box(row * 0.11, column * 0.11, 0.055, 0.055, other)
        elif marks in ("leaves", "stones"):
            tones = (
                ((190, 110, 40), (150, 84, 40), (204, 160, 60))
                if marks == "leaves"
                else ((150, 148, 144), (118, 116, 112), (180, 176, 168))
            )
            for _ in range(46):
                r = dice.uniform(0.02, 0.05)
                brush.oval(
                    dice.uniform(-0.1, 1.1),
                    dice.uniform(-0.1, 1.1),
                    r,
                    r * dice.uniform(0.5, 0.9),
                    vary(dice.pick(tones), dice),
                    dice.uniform(0, 180),
                )
        elif marks == "blades":
            for _ in range(70):
                x, y = dice.uniform(-0.1, 1.1), dice.uniform(-0.1, 1.1)
                brush.poly(
                    [(x, y), (x + 0.012, y), (x + dice.uniform(-0.02, 0.03), y - dice.uniform(0.04, 0.09))],
                    shade(base, dice.uniform(0.75, 1.25)),
                )
        elif marks == "stripes":
            for n in range(-3, 12):
                brush.box(n * 0.13, 0.5, 0.03, 1.0, shade(base, 0.85))
        elif marks == "dots":
            for n in range(90):
                brush.disc((n % 10) * 0.12 + (n // 10 % 2) * 0.06, n // 10 * 0.13, 0.022, shade(base, 1.3))
        return 0.0

    return paint
