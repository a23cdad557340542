"""How places outdoors are painted: landscapes, streets, waters and skies.

Each painter works in coordinates from 0 to 1 (y down), reaches beyond, because the camera may tilt, and
returns the height of its horizon.
"""

from __future__ import annotations

from collections.abc import Callable

from clipsan.synthesis.dice import Dice
from clipsan.synthesis.drawing.brush import Brush
from clipsan.synthesis.drawing.colours import Colour, mix, shade

_SKY: tuple[Colour, ...] = ((132, 184, 232), (168, 208, 240), (110, 164, 222), (196, 214, 230))


def band(brush: Brush, top: float, bottom: float, high: Colour, low: Colour, steps: int = 14) -> None:
    """A gradient from `high` to `low`."""
    for n in range(steps):
        y0 = top + (bottom - top) * n / steps
        end = bottom if n == steps - 1 else y0 + (bottom - top) / steps + 0.01
        brush.poly([(-0.5, y0), (1.5, y0), (1.5, end), (-0.5, end)], mix(high, low, n / max(1, steps - 1)))


def vary(colour: Colour, dice: Dice, by: int = 16) -> Colour:
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
        high, ground = vary(dice.pick(sky), dice), vary(near, dice)
        band(brush, -0.5, horizon, shade(high, 0.9), mix(high, (244, 244, 240), 0.5))
        if dice.chance(0.6):
            _clouds(brush, dice, horizon, dice.below(3) + 1)
        if behind in ("hills", "mountains"):
            tone = mix(ground, high, 0.5) if behind == "hills" else (126, 132, 148)
            _hills(
                brush,
                dice,
                horizon,
                vary(tone, dice),
                0.13 if behind == "hills" else 0.3,
                behind == "mountains",
            )
        elif behind == "trees":
            for n in range(13):
                x, r = -0.3 + n * 0.13 + dice.uniform(-0.04, 0.04), dice.uniform(0.07, 0.17)
                brush.box(x, horizon - r * 0.3, 0.012, r * 0.6, (84, 64, 46))
                brush.disc(x, horizon - r, r * 0.75, vary((58, 104, 54), dice))
        elif behind == "houses":
            x = -0.4
            while x < 1.4:
                wide, high_up = dice.uniform(0.1, 0.24), dice.uniform(0.15, 0.5)
                front = vary(
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
            water = vary((52, 118, 170), dice)
            band(brush, horizon, horizon + 0.14, mix(water, high, 0.5), water, 4)
            for n in range(5):
                y = horizon + 0.02 + n * 0.025
                brush.line(dice.uniform(-0.2, 1), y, dice.uniform(0, 1.2), y, 0.003, (196, 220, 236))
            band(brush, horizon + 0.14, 1.5, shade(ground, 1.1), shade(ground, 0.82))
            return horizon + 0.14
        band(brush, horizon, 1.5, mix(ground, high, 0.25), shade(ground, 0.8))
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
    road = vary((92, 94, 100), dice, 10)
    kerb = horizon + dice.uniform(0.04, 0.12)
    band(brush, kerb, 1.5, road, shade(road, 0.85))
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
        vary((104, 104, 108), dice, 10),
    )
    for n in range(5):
        y = horizon + 0.04 + n * n * 0.035
        brush.box(at, y, 0.004 + n * 0.003, 0.012 + n * 0.006, (238, 236, 224))
    return horizon + 0.05


def sea(brush: Brush, dice: Dice) -> float:
    horizon, water, high = dice.uniform(0.3, 0.5), vary((40, 104, 160), dice), vary(dice.pick(_SKY), dice)
    band(brush, -0.5, horizon, shade(high, 0.9), mix(high, (250, 246, 236), 0.5))
    _clouds(brush, dice, horizon, dice.below(4))
    band(brush, horizon, 1.5, mix(water, high, 0.35), shade(water, 0.75))
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
    water = vary(dice.pick(((40, 120, 160), (30, 96, 130), (60, 140, 150), (24, 70, 110))), dice)
    band(brush, -0.5, 1.5, shade(water, 1.3), shade(water, 0.55), 16)
    if dice.chance(0.7):
        sand = vary((176, 158, 120), dice)
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
            brush.oval(dice.uniform(0, 1), dice.uniform(0.9, 1.0), 0.04, 0.025, vary((120, 116, 110), dice))
    for _ in range(dice.below(6)):
        x, tall = dice.uniform(0, 1), dice.uniform(0.2, 0.6)
        brush.limb(
            [(x, 1.05), (x + 0.03, 1 - tall * 0.5), (x - 0.03, 1 - tall)],
            [0.012, 0.014, 0.003],
            vary((60, 130, 70), dice),
        )
    for _ in range(dice.below(14)):
        brush.disc(dice.uniform(0, 1), dice.uniform(0, 1), dice.uniform(0.004, 0.012), (206, 230, 240))
    return 0.1


def sky(dark: bool) -> Callable[[Brush, Dice], float]:
    def paint(brush: Brush, dice: Dice) -> float:
        high = vary((20, 24, 52) if dark else dice.pick(_SKY), dice, 12)
        band(
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
