"""How places are painted: landscapes, waters, skies, rooms, walls and surfaces.

Each painter works in coordinates from 0 to 1 (y down), reaches beyond, because the camera may tilt, and
returns the height of its horizon.
"""

from __future__ import annotations

from collections.abc import Callable

from clipsan.synthesis.dice import Dice
from clipsan.synthesis.drawing.brush import Brush
from clipsan.synthesis.drawing.colours import COLOURS, Colour, mix, shade

_SKY: tuple[Colour, ...] = ((132, 184, 232), (168, 208, 240), (110, 164, 222), (196, 214, 230))
WALLPAPERS: tuple[Colour, ...] = (
    (226, 214, 192),
    (206, 216, 212),
    (218, 200, 204),
    (196, 202, 216),
    (236, 232, 224),
)


def _band(brush: Brush, top: float, bottom: float, high: Colour, low: Colour, steps: int = 14) -> None:
    """A gradient from `high` to `low`."""
    for n in range(steps):
        y0 = top + (bottom - top) * n / steps
        end = bottom if n == steps - 1 else y0 + (bottom - top) / steps + 0.01
        brush.poly([(-0.5, y0), (1.5, y0), (1.5, end), (-0.5, end)], mix(high, low, n / max(1, steps - 1)))


def _vary(colour: Colour, dice: Dice, by: int = 16) -> Colour:
    """No two meadows are equally green."""
    return tuple(min(255, max(0, c + dice.below(2 * by + 1) - by)) for c in colour)  # type: ignore[return-value]


def _clouds(brush: Brush, dice: Dice, horizon: float, number: int) -> None:
    for _ in range(number):
        x, y = dice.uniform(-0.1, 1.1), dice.uniform(0, horizon * 0.8)
        for n in range(4):
            brush.oval(
                x + (n - 1.5) * 0.07, y - (n % 2) * 0.02, dice.uniform(0.05, 0.09), 0.035, (244, 247, 250)
            )


def _hills(brush: Brush, dice: Dice, horizon: float, colour: Colour, height: float, pointed: bool) -> None:
    """A row of hills on the horizon, or of pointed mountains."""
    x, ridge = -0.4, [(-0.5, horizon + 0.02)]
    while x < 1.4:
        ridge.append((x, horizon - height * dice.uniform(0.2, 1.0)))
        x += dice.uniform(0.12, 0.3)
    ridge.append((1.5, horizon + 0.02))
    (brush.poly if pointed else brush.blob)(ridge, colour)


def landscape(
    near: Colour, behind: str, specks: Colour | None = None, sky: tuple[Colour, ...] = _SKY
) -> Callable[[Brush, Dice], float]:
    """Sky over ground; `behind` stands at the horizon: "", hills, mountains, trees, houses or sea."""

    def paint(brush: Brush, dice: Dice) -> float:
        horizon = dice.uniform(0.3, 0.58)
        high, ground = _vary(dice.pick(sky), dice), _vary(near, dice)
        _band(brush, -0.5, horizon, shade(high, 0.9), mix(high, (244, 244, 240), 0.5))
        if dice.chance(0.6):
            _clouds(brush, dice, horizon, dice.below(3) + 1)
        if behind in ("hills", "mountains"):
            tone = mix(ground, high, 0.5) if behind == "hills" else (126, 132, 148)
            _hills(
                brush,
                dice,
                horizon,
                _vary(tone, dice),
                0.13 if behind == "hills" else 0.3,
                behind == "mountains",
            )
        elif behind == "trees":
            for n in range(13):
                x, r = -0.3 + n * 0.13 + dice.uniform(-0.04, 0.04), dice.uniform(0.07, 0.17)
                brush.box(x, horizon - r * 0.3, 0.012, r * 0.6, (84, 64, 46))
                brush.disc(x, horizon - r, r * 0.75, _vary((58, 104, 54), dice))
        elif behind == "houses":
            x = -0.4
            while x < 1.4:
                wide, high_up = dice.uniform(0.1, 0.24), dice.uniform(0.15, 0.5)
                front = _vary(
                    dice.pick(((170, 160, 150), (150, 110, 94), (184, 176, 160), (128, 136, 148))), dice
                )
                brush.box(x + wide / 2, horizon - high_up / 2, wide / 2, high_up / 2 + 0.01, front)
                for row in range(int(high_up / 0.08)):
                    for column in range(int(wide / 0.055)):
                        pane = (244, 224, 150) if dice.chance(0.15) else (92, 108, 126)
                        brush.box(
                            x + 0.03 + column * 0.055,
                            horizon - high_up + 0.05 + row * 0.08,
                            0.015,
                            0.022,
                            pane,
                        )
                x += wide + dice.uniform(0, 0.03)
        elif behind == "sea":
            water = _vary((52, 118, 170), dice)
            _band(brush, horizon, horizon + 0.14, mix(water, high, 0.5), water, 4)
            for n in range(5):
                y = horizon + 0.02 + n * 0.025
                brush.line(dice.uniform(-0.2, 1), y, dice.uniform(0, 1.2), y, 0.003, (196, 220, 236))
            _band(brush, horizon + 0.14, 1.5, shade(ground, 1.1), shade(ground, 0.82))
            return horizon + 0.14
        _band(brush, horizon, 1.5, mix(ground, high, 0.25), shade(ground, 0.8))
        if specks is not None:
            for _ in range(26):
                y = dice.uniform(horizon, 1.1)
                brush.oval(
                    dice.uniform(-0.1, 1.1),
                    y,
                    0.004 + 0.012 * (y - horizon),
                    0.003 + 0.006 * (y - horizon),
                    specks,
                )
        return horizon

    return paint


def street(brush: Brush, dice: Dice) -> float:
    horizon = landscape((150, 148, 146), "houses")(brush, dice)
    road = _vary((92, 94, 100), dice, 10)
    kerb = horizon + dice.uniform(0.04, 0.12)
    _band(brush, kerb, 1.5, road, shade(road, 0.85))
    brush.poly(
        [(-0.5, kerb - 0.012), (1.5, kerb - 0.012), (1.5, kerb + 0.004), (-0.5, kerb + 0.004)],
        (196, 194, 190),
    )
    y, shift = (kerb + 1.05) / 2, dice.uniform(0, 0.3)
    for n in range(6):
        brush.box(-0.4 + shift + n * 0.34, y, 0.09, 0.011, (236, 234, 222))
    return kerb


def road(brush: Brush, dice: Dice) -> float:
    horizon = landscape((104, 152, 74), "hills")(brush, dice)
    at = dice.uniform(0.35, 0.65)
    brush.poly(
        [(at - 0.02, horizon), (at + 0.02, horizon), (at + 0.6, 1.5), (at - 0.6, 1.5)],
        _vary((104, 104, 108), dice, 10),
    )
    for n in range(5):
        y = horizon + 0.04 + n * n * 0.035
        brush.box(at, y, 0.004 + n * 0.003, 0.012 + n * 0.006, (238, 236, 224))
    return horizon + 0.05


def sea(brush: Brush, dice: Dice) -> float:
    horizon, water, high = dice.uniform(0.3, 0.5), _vary((40, 104, 160), dice), _vary(dice.pick(_SKY), dice)
    _band(brush, -0.5, horizon, shade(high, 0.9), mix(high, (250, 246, 236), 0.5))
    _clouds(brush, dice, horizon, dice.below(4))
    _band(brush, horizon, 1.5, mix(water, high, 0.35), shade(water, 0.75))
    for _ in range(22):
        y = dice.uniform(horizon + 0.01, 1.1)
        wide = 0.02 + 0.1 * (y - horizon)
        x = dice.uniform(-0.1, 1.1)
        brush.limb(
            [(x - wide, y), (x, y - wide * 0.2), (x + wide, y)],
            [0.001, 0.004, 0.001],
            mix(water, (240, 246, 250), 0.5),
        )
    return horizon + 0.12


def under_water(brush: Brush, dice: Dice) -> float:
    water = _vary(dice.pick(((40, 120, 160), (30, 96, 130), (60, 140, 150), (24, 70, 110))), dice)
    _band(brush, -0.5, 1.5, shade(water, 1.3), shade(water, 0.55), 16)
    if dice.chance(0.7):
        sand = _vary((176, 158, 120), dice)
        brush.blob(
            [
                (-0.5, 0.9),
                (0.2, dice.uniform(0.8, 0.9)),
                (0.7, dice.uniform(0.82, 0.92)),
                (1.5, 0.88),
                (1.5, 1.6),
                (-0.5, 1.6),
            ],
            mix(sand, water, 0.3),
        )
        for _ in range(8):
            brush.oval(dice.uniform(0, 1), dice.uniform(0.9, 1.0), 0.04, 0.025, _vary((120, 116, 110), dice))
    for _ in range(dice.below(6)):
        x, tall = dice.uniform(0, 1), dice.uniform(0.2, 0.6)
        brush.limb(
            [(x, 1.05), (x + 0.03, 1 - tall * 0.5), (x - 0.03, 1 - tall)],
            [0.012, 0.014, 0.003],
            _vary((60, 130, 70), dice),
        )
    for _ in range(dice.below(14)):
        brush.disc(dice.uniform(0, 1), dice.uniform(0, 1), dice.uniform(0.004, 0.012), (206, 230, 240))
    return 0.1


def sky(dark: bool) -> Callable[[Brush, Dice], float]:
    def paint(brush: Brush, dice: Dice) -> float:
        high = _vary((20, 24, 52) if dark else dice.pick(_SKY), dice, 12)
        _band(
            brush, -0.5, 1.5, shade(high, 0.8), mix(high, (60, 66, 110) if dark else (246, 246, 244), 0.5), 16
        )
        if dark:
            for _ in range(60):
                brush.disc(
                    dice.uniform(-0.1, 1.1),
                    dice.uniform(-0.1, 1.1),
                    dice.uniform(0.002, 0.006),
                    (236, 236, 220),
                )
        else:
            _clouds(brush, dice, 1.1, dice.below(7))
        return 0.0

    return paint


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
        paper, ground = _vary(dice.pick(wall), dice), _vary(dice.pick(floor), dice)
        _band(brush, -0.5, edge, shade(paper, 0.95), shade(paper, 0.86), 4)
        if dice.chance(0.35):
            for n in range(16):
                brush.box(-0.4 + n * 0.12, edge / 2 - 0.25, 0.018, edge / 2 + 0.25, shade(paper, 0.9))
        if furniture:
            for _ in range(dice.below(3)):
                x, y = dice.uniform(0, 1), edge * dice.uniform(0.3, 0.6)
                wide, high = dice.uniform(0.08, 0.16), dice.uniform(0.08, 0.14)
                brush.box(x, y, wide, high, _vary((110, 84, 60), dice))
                brush.box(x, y, wide * 0.85, high * 0.82, _vary(dice.pick(tuple(COLOURS.values())), dice))
            brush.box(0.5, edge - 0.012, 1, 0.014, shade(paper, 1.2))
        _band(brush, edge, 1.5, shade(ground, 0.9), shade(ground, 1.08), 14)
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
        base, scale = _vary(dice.pick(colour), dice), dice.uniform(0.8, 1.3)
        _band(brush, -0.5, 1.5, gap, gap, 1)
        w, h = wide * scale, high * scale
        for row in range(int(-0.25 / h), int(1.25 / h) + 1):
            for column in range(int(-0.25 / w) - 1, int(1.25 / w) + 1):
                x = (column + (0.5 if bond and row % 2 else 0)) * w
                brush.box(
                    x + w / 2, row * h + h / 2, w * 0.47, h * 0.45, shade(base, dice.uniform(0.86, 1.08))
                )
        if floor < 1:
            ground = _vary(dice.pick(((168, 164, 160), (140, 120, 100), (196, 204, 208))), dice)
            _band(brush, floor, 1.5, shade(ground, 0.9), shade(ground, 1.05), 4)
        return floor if floor < 1 else 0.3

    return paint


def surface(colours: tuple[Colour, ...], marks: str) -> Callable[[Brush, Dice], float]:
    """A surface seen from above: plain, planks, checked, leaves, stones, blades, stripes or dots."""

    def paint(brush: Brush, dice: Dice) -> float:
        base = _vary(dice.pick(colours), dice)
        _band(brush, -0.5, 1.5, shade(base, 1.06), shade(base, 0.9), 14)
        if marks == "planks":
            turn = dice.chance(0.5)
            for n in range(-2, 10):
                at = n * 0.14
                tone = shade(base, dice.uniform(0.88, 1.06))
                brush.box(*((at, 0.5, 0.068, 1.0) if turn else (0.5, at, 1.0, 0.068)), tone)
        elif marks == "checked":
            other = _vary((244, 240, 232), dice)
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
                    _vary(dice.pick(tones), dice),
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
