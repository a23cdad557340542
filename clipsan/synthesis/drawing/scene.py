"""Draw what a plan says, at any size.

Pixels depend on (plan, size) and on the versions of NumPy and Pillow: they are equal in equal environments,
and look alike in all others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from clipsan.synthesis.dice import Dice, derive_seed
from clipsan.synthesis.drawing.backdrops import Backdrop
from clipsan.synthesis.drawing.brush import Brush
from clipsan.synthesis.drawing.colours import brightness
from clipsan.synthesis.drawing.kind import PATTERNS, Look
from clipsan.synthesis.drawing.kinds import KINDS
from clipsan.synthesis.drawing.light import (
    MATERIALS,
    Plane,
    Sprite,
    crop,
    develop,
    drop_shadow,
    ground_shadow,
    light_up,
    put,
)
from clipsan.synthesis.drawing.plan import Placed, Plan, make_plan

_REACH = 1.3  # how far an object's paint may reach from its middle, in radii


def draw(concepts: Sequence[tuple[str, str]], strewn: Sequence[str], seed: int, size: int) -> tuple[Plan, NDArray[np.uint8]]:
    """The plan and the pixels, uint8 RGB [size x size x 3], of one scene.

    Args:
        concepts: (name to say, kind to draw), one to three.
        strewn: kinds that may lie about unsaid.
        seed: of everything.
        size: in pixels.
    """
    dice = Dice(seed)
    plan = make_plan(concepts, strewn, dice)
    picture = _backdrop(plan.place, plan.tilt, size, dice)
    sun = dice.pick(((-0.7, -0.7), (0.7, -0.7), (0.0, -1.0), (-1.0, -0.2), (1.0, -0.2)))
    for kind, variant in plan.clutter:
        _strew(picture, kind, variant, plan, size, dice)
    for placed in plan.objects:
        _object(picture, placed, plan, sun, dice)
    return plan, develop(picture, plan.light, dice)


def _backdrop(place: Backdrop, tilt: float, size: int, dice: Dice) -> Plane:
    """The empty place, float32 [h x w x 3]."""
    t = math.radians(tilt)
    cosine, sine = size * math.cos(t), size * math.sin(t)
    middle = size / 2
    matrix = (cosine, -sine, middle - (cosine - sine) / 2, sine, cosine, middle - (sine + cosine) / 2)
    brush = Brush(size, size, matrix, 1)
    place.paint(brush, dice)
    image = Image.fromarray(np.ascontiguousarray(brush.pixels()[..., :3]))
    image = image.filter(ImageFilter.BoxBlur(dice.uniform(0.4, 1.8) * size / 224))
    picture = np.asarray(image, dtype=np.float32)
    name, strength = place.tile
    picture = picture * (np.float32(1) + np.float32(strength) * crop(name, size, size, dice))[..., None]
    x, y = dice.uniform(-0.12, 0.12), dice.uniform(-0.12, 0.12)  # no wall is lit evenly
    ramp = np.linspace(-1, 1, size, dtype=np.float32)
    picture *= (np.float32(1) + np.float32(y) * ramp)[:, None, None]
    picture *= (np.float32(1) + np.float32(x) * ramp)[None, :, None]
    return picture


def _object(picture: Plane, placed: Placed, plan: Plan, sun: tuple[float, float], dice: Dice) -> None:
    """Paint, light and place one object with its shadow."""
    size = picture.shape[0]
    kind = KINDS[placed.kind]
    tilt = math.radians(plan.tilt)
    dx, dy = placed.at[0] - 0.5, placed.at[1] - 0.5
    cx = (0.5 + dx * math.cos(tilt) - dy * math.sin(tilt)) * size
    cy = (0.5 + dx * math.sin(tilt) + dy * math.cos(tilt)) * size
    radius = placed.radius * size
    reach = radius * _REACH + 2
    left, top = max(0, math.floor(cx - reach)), max(0, math.floor(cy - reach))
    right, bottom = min(size, math.ceil(cx + reach)), min(size, math.ceil(cy + reach))
    if right - left < 3 or bottom - top < 3:
        return
    pixels = _painted(placed.kind, placed.look, (cx - left, cy - top, radius), placed.turn + plan.tilt, placed.mirrored, (right - left, bottom - top))
    sprite = light_up(pixels, MATERIALS[kind.material], sun, dice)
    _cast_shadow(picture, sprite, (left, top), (cx, cy, radius), kind.upright, kind.foot, plan.place, sun)
    put(picture, sprite, left, top)


def _painted(
    name: str,
    look: Look,
    at: tuple[float, float, float],
    turn: float,
    mirrored: bool,
    shape: tuple[int, int],
) -> NDArray[np.uint8]:
    """An object around `at` (column, row, radius) on a canvas of `shape` (width, height): uint8 [h x w x 4]."""
    cx, cy, radius = at
    t = math.radians(turn)
    c, s = radius * math.cos(t), radius * math.sin(t)
    flip = -1 if mirrored else 1
    fine = 4 if radius < 28 else 3 if radius < 60 else 2
    brush = Brush(shape[0], shape[1], (c * flip, -s, cx, s * flip, c, cy), fine)
    KINDS[name].paint(brush, look)
    return brush.pixels()


def _cast_shadow(
    picture: Plane,
    sprite: Sprite,
    corner: tuple[int, int],
    at: tuple[float, float, float],
    upright: bool,
    foot: float,
    place: Backdrop,
    sun: tuple[float, float],
) -> None:
    cx, cy, radius = at
    if place.bottomless:
        return
    if upright and not place.flat:
        ground_shadow(picture, cx - sun[0] * radius * 0.25, cy + foot * radius, radius * 1.05, radius * 0.2 + 1, 0.5)
        return
    away = radius * 0.09
    drop_shadow(picture, sprite, corner[0] - round(sun[0] * away), corner[1] - round(sun[1] * away - 1), 0.4)


def _strew(picture: Plane, kind: str, variant: int, plan: Plan, size: int, dice: Dice) -> None:
    """Put a small object somewhere behind the main ones."""
    radius = max(4, round(size * dice.uniform(0.055, 0.12) / 4) * 4)
    sprite = _strewn(kind, variant, radius)
    x = dice.uniform(0, 1) * size
    made, place = KINDS[kind], plan.place
    if made.upright and not place.flat and not place.bottomless:
        y = dice.uniform(0.5, 0.7) * size
        ground_shadow(picture, x, y, radius * 1.0, radius * 0.2 + 1, 0.4)
        put(picture, sprite, round(x) - sprite.width // 2, round(y - made.foot * radius) - sprite.width // 2)
        return
    y = dice.uniform(0.05 if place.flat or place.bottomless else 0.55, 0.95) * size
    corner = (round(x) - sprite.width // 2, round(y) - sprite.width // 2)
    if not place.bottomless:
        drop_shadow(picture, sprite, corner[0] + 1, corner[1] + 2, 0.35)
    put(picture, sprite, *corner)


@lru_cache(maxsize=1024)
def _strewn(name: str, variant: int, radius: int) -> Sprite:
    """A small object, the same wherever it is strewn: kept, because most scenes need some."""
    dice = Dice(derive_seed("strewn", name, variant))
    kind = KINDS[name]
    body = dice.pick(tuple(kind.colours.values()))
    look = Look(
        body,
        (240, 240, 236) if brightness(body) < 0.5 else (60, 60, 70),
        dice.pick(("", *PATTERNS)) if kind.patterned else "",
        dice.pick(kind.texts) if kind.texts else "",
        dice,
    )
    side = 2 * math.ceil(radius * _REACH) + 3
    turn = dice.uniform(-4, 4) if kind.upright or kind.texts else dice.uniform(0, 360)
    pixels = _painted(name, look, (side / 2, side / 2, radius), turn, dice.chance(0.5) and not kind.texts, (side, side))
    return light_up(pixels, MATERIALS[kind.material], (-0.7, -0.7), dice)
