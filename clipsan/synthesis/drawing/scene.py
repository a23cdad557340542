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
from PIL import Image

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
    planes,
    put,
)
from clipsan.synthesis.drawing.plan import Placed, Plan, make_plan

_SHARP = 96  # below it, a backdrop at half the resolution would be mush


def draw(
    concepts: Sequence[tuple[str, str]], strewn: Sequence[str], seed: int, size: int
) -> tuple[Plan, NDArray[np.uint8]]:
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
    for kind in plan.clutter:
        _strew(picture, kind, plan, dice)
    for placed in plan.objects:
        _object(picture, placed, plan, sun, dice)
    return plan, develop(picture, plan.light, dice)


def _backdrop(place: Backdrop, tilt: float, size: int, dice: Dice) -> Plane:
    """The empty place, [3 x h x w]; painted at half the resolution, for it is out of focus."""
    half = (size + 1) // 2 if size >= _SHARP else size
    t = math.radians(tilt)
    cosine, sine = half * math.cos(t), half * math.sin(t)
    middle = half / 2
    matrix = (cosine, -sine, middle - (cosine - sine) / 2, sine, cosine, middle - (sine + cosine) / 2)
    brush = Brush(half, half, matrix, 1)
    place.paint(brush, dice)
    painted = np.stack(planes(brush.painting())[:3]).astype(np.float32)
    picture = painted if half == size else _doubled(painted)[:, :size, :size]
    name, strength = place.tile
    texture = crop(name, size, size, dice) * np.float32(strength) + np.float32(1)
    ramp = np.linspace(-1, 1, size, dtype=np.float32)  # no wall is lit evenly
    texture *= (np.float32(1) + np.float32(dice.uniform(-0.12, 0.12)) * ramp)[:, None]
    texture *= (np.float32(1) + np.float32(dice.uniform(-0.12, 0.12)) * ramp)[None, :]
    return picture * texture


def _doubled(picture: Plane) -> Plane:
    """A picture [3 x h x w] at twice the resolution, linear in between."""
    bands, height, width = picture.shape
    wide = np.empty((bands, height, 2 * width), dtype=np.float32)
    wide[..., ::2] = picture
    wide[..., 1:-1:2] = (picture[..., :-1] + picture[..., 1:]) * np.float32(0.5)
    wide[..., -1] = picture[..., -1]
    double = np.empty((bands, 2 * height, 2 * width), dtype=np.float32)
    double[:, ::2] = wide
    double[:, 1:-1:2] = (wide[:, :-1] + wide[:, 1:]) * np.float32(0.5)
    double[:, -1] = wide[:, -1]
    return double


def _object(picture: Plane, placed: Placed, plan: Plan, sun: tuple[float, float], dice: Dice) -> None:
    """Paint, light and place one object with its shadow."""
    size = picture.shape[1]
    kind = KINDS[placed.kind]
    tilt = math.radians(plan.tilt)
    dx, dy = placed.at[0] - 0.5, placed.at[1] - 0.5
    cx = (0.5 + dx * math.cos(tilt) - dy * math.sin(tilt)) * size
    cy = (0.5 + dx * math.sin(tilt) + dy * math.cos(tilt)) * size
    radius, turn = placed.radius * size, placed.turn + plan.tilt
    reach = _reach(radius, turn)
    left, top = max(0, math.floor(cx - reach)), max(0, math.floor(cy - reach))
    right, bottom = min(size, math.ceil(cx + reach)), min(size, math.ceil(cy + reach))
    if right <= left or bottom <= top:
        return
    at = (cx - left, cy - top, radius)
    painting = _painted(placed.kind, placed.look, at, turn, placed.mirrored, (right - left, bottom - top))
    sprite = light_up(painting, MATERIALS[kind.material], sun, dice)
    if sprite is not None:
        _cast_shadow(picture, sprite, (left, top), (cx, cy, radius), kind.upright, kind.foot, plan.place, sun)
        put(picture, sprite, left, top)


def _reach(radius: float, turn: float) -> float:
    """How far from its middle an object's paint may reach in either direction, in pixels."""
    t = math.radians(turn)
    return radius * 1.18 * min(1.2, abs(math.cos(t)) + abs(math.sin(t))) + 2


def _painted(
    name: str,
    look: Look,
    at: tuple[float, float, float],
    turn: float,
    mirrored: bool,
    shape: tuple[int, int],
) -> Image.Image:
    """An object around `at` (column, row, radius) on a canvas of `shape` (width, height), RGBX."""
    cx, cy, radius = at
    t = math.radians(turn)
    c, s = radius * math.cos(t), radius * math.sin(t)
    flip = -1 if mirrored else 1
    fine = 4 if radius < 24 else 3 if radius < 40 else 2
    brush = Brush(shape[0], shape[1], (c * flip, -s, cx, s * flip, c, cy), fine)
    KINDS[name].paint(brush, look)
    return brush.painting()


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
        ground_shadow(
            picture, cx - sun[0] * radius * 0.25, cy + foot * radius, radius * 1.05, radius * 0.2 + 1, 0.5
        )
        return
    away = radius * 0.09
    drop_shadow(picture, sprite, corner[0] - round(sun[0] * away), corner[1] - round(sun[1] * away - 1), 0.4)


def _strew(picture: Plane, kind: str, plan: Plan, dice: Dice) -> None:
    """Put a small object somewhere behind the main ones."""
    size = picture.shape[1]
    radius = max(4, round(size * dice.pick((0.06, 0.09, 0.12))))
    made, place = KINDS[kind], plan.place
    stands = made.upright and not place.flat and not place.bottomless
    low = 0.5 if stands else 0.05 if place.flat or place.bottomless else 0.55
    x, y = dice.uniform(0, 1) * size, dice.uniform(low, 0.72 if stands else 0.95) * size
    if stands:
        ground_shadow(picture, x, y, radius, radius * 0.2 + 1, 0.4)
        y -= made.foot * radius
    sprite, side = _strewn(kind, radius)
    left, top = round(x - side / 2), round(y - side / 2)
    if not stands and not place.bottomless:
        drop_shadow(picture, sprite, left + 1, top + 2, 0.35)
    put(picture, sprite, left, top)


def _strewn(name: str, radius: int) -> tuple[Sprite, int]:
    """A small object, and the side of the canvas it was painted on."""
    colour, cover, left, top, side = _small_object(name, radius)
    alpha = cover * np.float32(1 / 255)
    return Sprite(colour.astype(np.float32), alpha, alpha, left, top), side


@lru_cache(maxsize=512)
def _small_object(name: str, radius: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], int, int, int]:
    """Colour and cover in bytes, corner, side: the same wherever it is strewn, so it is kept."""
    dice = Dice(derive_seed("strewn", name))
    kind = KINDS[name]
    body = dice.pick(tuple(kind.colours.values()))
    look = Look(
        body,
        (240, 240, 236) if brightness(body) < 0.5 else (60, 60, 70),
        dice.pick(("", *PATTERNS)) if kind.patterned else "",
        dice.pick(kind.texts) if kind.texts else "",
        dice,
    )
    turn = dice.uniform(-4, 4) if kind.upright or kind.texts else dice.uniform(0, 360)
    side = 2 * math.ceil(_reach(radius, 45)) + 1
    at = (side / 2, side / 2, float(radius))
    painting = _painted(name, look, at, turn, dice.chance(0.5) and not kind.texts, (side, side))
    sprite = light_up(painting, MATERIALS[kind.material], (-0.7, -0.7), dice)
    if sprite is None:
        raise RuntimeError(f"{name} painted nothing")
    colour = np.clip(sprite.colour, 0, 255).astype(np.uint8)
    return colour, (sprite.cover * np.float32(255)).astype(np.uint8), sprite.left, sprite.top, side
