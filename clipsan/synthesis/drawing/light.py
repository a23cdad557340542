"""Surfaces and light: textures of materials, relief from an outline, shadows, and the light of a scene."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from clipsan.synthesis.dice import Dice

Plane: TypeAlias = NDArray[np.float32]
"""A float32 [h x w]; a picture is three of them, red, green and blue, [3 x h x w], 0 to 255."""

_TILE = 384
_BILINEAR = Image.Resampling.BILINEAR


@dataclass(frozen=True)
class Material:
    """How a surface looks: the tile of its texture and how strong it is, its relief, and its shine."""

    tile: str
    strength: float
    relief: float
    gloss: float = 0.0


MATERIALS: dict[str, Material] = {
    "smooth": Material("fine", 0.03, 0.35),
    "wax": Material("blotches", 0.07, 0.55, 0.25),
    "gloss": Material("fine", 0.02, 0.5, 0.4),
    "glass": Material("fine", 0.02, 0.4, 0.5),
    "metal": Material("brushed", 0.08, 0.6, 0.35),
    "wood": Material("grain", 0.16, 0.45),
    "stone": Material("blotches", 0.2, 0.45),
    "plaster": Material("blotches", 0.09, 0.5),
    "rough": Material("fine", 0.16, 0.5),
    "rubber": Material("fine", 0.1, 0.7),
    "leather": Material("blotches", 0.13, 0.6, 0.15),
    "cloth": Material("weave", 0.12, 0.5),
    "fur": Material("hair", 0.24, 0.5),
    "hide": Material("blotches", 0.16, 0.6),
    "feathers": Material("hair", 0.12, 0.5),
    "scales": Material("weave", 0.1, 0.6, 0.3),
    "leaves": Material("leaves", 0.3, 0.45),
}


@cache
def tile(name: str) -> Plane:
    """A texture around 0, about -1 to 1, float32 [384 x 384]; the same in every run."""
    random = np.random.RandomState(sum(name.encode()))

    def noise(across: int, down: int) -> Plane:
        """Noise with so many lumps across and down."""
        lumps = random.uniform(-1, 1, (down, across)).astype(np.float32)
        image = Image.fromarray(lumps).resize((_TILE, _TILE), Image.Resampling.BICUBIC)
        return np.asarray(image, dtype=np.float32)

    rows, columns = np.mgrid[0:_TILE, 0:_TILE].astype(np.float32)
    if name == "fine":
        made = noise(_TILE, _TILE)
    elif name == "blotches":
        made = 0.5 * noise(24, 24) + 0.4 * noise(70, 70) + 0.3 * noise(_TILE, _TILE)
    elif name == "brushed":
        made = 0.8 * noise(12, _TILE) + 0.3 * noise(_TILE, _TILE)
    elif name == "grain":
        warped = rows / 7 + 2.5 * noise(5, 14)
        made = 0.7 * np.sin(warped) + 0.5 * noise(18, 190)
    elif name == "weave":
        made = 0.6 * np.sin(rows * 1.6) * np.sin(columns * 1.6) + 0.4 * noise(90, 90)
    elif name == "hair":
        made = 0.7 * noise(190, 44) + 0.4 * noise(40, 40)
    elif name == "leaves":
        made = 0.7 * noise(56, 56) + 0.5 * noise(120, 120)
    else:
        raise KeyError(name)
    return made.astype(np.float32)


def crop(name: str, height: int, width: int, dice: Dice) -> Plane:
    """A random part of a tile, repeated where the tile is too small: float32 [height x width]."""
    whole = tile(name)
    if height > _TILE or width > _TILE:
        whole = np.tile(whole, (height // _TILE + 2, width // _TILE + 2))
    top, left = dice.below(whole.shape[0] - height + 1), dice.below(whole.shape[1] - width + 1)
    return whole[top : top + height, left : left + width]


@dataclass(frozen=True)
class Sprite:
    """One lit object, cut to its paint.

    Attributes:
        colour: premultiplied, [3 x h x w], 0 to 255.
        cover: its alpha [h x w], 0 to 1.
        soft: the same, blurred.
        left: of the cut, in pixels of the painting.
        top: likewise.
    """

    colour: Plane
    cover: Plane
    soft: Plane
    left: int
    top: int


def planes(image: Image.Image) -> list[NDArray[np.uint8]]:
    """The bands of an image, each [h x w]."""
    return [np.asarray(band) for band in image.split()]


def light_up(
    painting: Image.Image, material: Material, sun: tuple[float, float], dice: Dice
) -> Sprite | None:
    """Give a flat painting (RGBX) the texture and the relief of its material; None where nothing is painted.

    Args:
        sun: where the light comes from, a unit vector in the picture (y down).
    """
    painted = painting.getbbox()
    if painted is None:
        return None
    painting = painting.crop(painted)
    width, height = painting.size
    bands = painting.split()
    step = max(1, min(height, width) // 32)
    small = bands[3].reduce(step).filter(ImageFilter.BoxBlur(2)).filter(ImageFilter.BoxBlur(2))
    hill = np.pad(np.asarray(small, dtype=np.float32) * np.float32(1 / 255), 2)
    dx, dy = round(2 * sun[0]), round(2 * sun[1])
    rows, columns = hill.shape[0] - 4, hill.shape[1] - 4
    away = hill[2 - dy : 2 - dy + rows, 2 - dx : 2 - dx + columns]
    towards = hill[2 + dy : 2 + dy + rows, 2 + dx : 2 + dx + columns]
    slope = np.asarray(Image.fromarray(away - towards).resize((width, height), _BILINEAR))
    soft = np.asarray(small.resize((width, height), _BILINEAR)) * np.float32(1 / 255)
    shading = crop(material.tile, height, width, dice) * np.float32(material.strength)
    shading += slope * np.float32(material.relief)
    shading += np.float32(1)
    colour = np.stack([np.asarray(band) for band in bands[:3]]) * shading
    cover = np.asarray(bands[3]) * np.float32(1 / 255)
    if material.gloss:
        colour += np.clip(slope - np.float32(0.3), 0, 1) * cover * np.float32(255 * material.gloss)
    return Sprite(colour, cover, soft, painted[0], painted[1])


def put(picture: Plane, sprite: Sprite, left: int, top: int) -> None:
    """Lay a sprite over a picture, its painting's corner at (left, top); what is outside is cut off."""
    window, part = _overlap(picture, sprite.cover.shape, left + sprite.left, top + sprite.top)
    if window is not None:
        window *= np.float32(1) - sprite.cover[part]
        window += sprite.colour[:, part[0], part[1]]


def drop_shadow(picture: Plane, sprite: Sprite, left: int, top: int, depth: float) -> None:
    """Darken what lies under a sprite, by `depth` of its light."""
    window, part = _overlap(picture, sprite.soft.shape, left + sprite.left, top + sprite.top)
    if window is not None:
        window *= np.float32(1) - np.float32(depth) * sprite.soft[part]


def ground_shadow(picture: Plane, cx: float, cy: float, rx: float, ry: float, depth: float) -> None:
    """A soft oval shadow around (cx, cy), in pixels."""
    width, height = max(2, round(2 * rx)), max(2, round(2 * ry))
    spot = np.asarray(_spot().resize((width, height), _BILINEAR))
    window, part = _overlap(picture, spot.shape, round(cx - rx), round(cy - ry))
    if window is not None:
        window *= np.float32(1) - np.float32(depth) * spot[part]


@lru_cache(maxsize=1)
def _spot() -> Image.Image:
    """1 in the middle, falling to 0 at the edge."""
    axis = np.linspace(-1, 1, 48, dtype=np.float32)
    away = np.sqrt(axis[:, None] ** 2 + axis[None, :] ** 2)
    return Image.fromarray(np.clip((np.float32(1) - away) * np.float32(1.6), 0, 1))


def _overlap(
    picture: Plane, shape: tuple[int, ...], left: int, top: int
) -> tuple[Plane | None, tuple[slice, slice]]:
    """The window of the picture under a [h x w] part at (left, top), and which of the part that is."""
    bottom, right = min(picture.shape[1], top + shape[0]), min(picture.shape[2], left + shape[1])
    y, x = max(0, top), max(0, left)
    part = (slice(y - top, bottom - top), slice(x - left, right - left))
    return (picture[:, y:bottom, x:right] if bottom > y and right > x else None), part


@dataclass(frozen=True)
class Light:
    """The light of a whole scene.

    Attributes:
        words: how a caption says it; "" for plain daylight.
        gain: of red, green and blue.
        haze: share of grey air in front of everything.
    """

    words: str
    gain: tuple[float, float, float]
    haze: float = 0.0


DAYLIGHT = Light("", (1.0, 1.0, 1.0))
OUTDOORS: tuple[Light, ...] = (
    Light("in bright sunlight", (1.18, 1.16, 1.08)),
    Light("at sunset", (1.12, 0.82, 0.6)),
    Light("in the fog", (0.95, 0.97, 1.0), 0.42),
    Light("at night", (0.42, 0.48, 0.72)),
    Light("on a cloudy day", (0.84, 0.87, 0.93)),
)
INDOORS: tuple[Light, ...] = (
    Light("in bright light", (1.18, 1.18, 1.16)),
    Light("in dim light", (0.56, 0.54, 0.52)),
    Light("in warm lamplight", (1.08, 0.92, 0.68)),
)


def develop(picture: Plane, light: Light, dice: Dice) -> NDArray[np.uint8]:
    """The scene's light, exposure, white balance, lens and grain: uint8 RGB [h x w x 3]."""
    size = picture.shape[1]
    exposure, warmth = dice.uniform(0.9, 1.1), dice.uniform(-0.04, 0.04)
    haze = light.haze * dice.uniform(0.8, 1.2)
    gains = (light.gain[0] * (1 + warmth), light.gain[1], light.gain[2] * (1 - warmth))
    grain = crop("fine", size, size, dice) * np.float32(dice.uniform(1, 7))
    grain += np.float32(205 * haze + 0.5)
    corners = _vignette(size) if dice.chance(0.3) else None
    for plane, gain in zip(picture, gains, strict=True):
        plane *= np.float32(gain * exposure * (1 - haze))
        if corners is not None:
            plane *= corners
        plane += grain
    np.clip(picture, 0, 255, out=picture)
    pixels = Image.merge("RGB", [Image.fromarray(plane) for plane in picture.astype(np.uint8)])
    if dice.chance(0.2):
        pixels = pixels.filter(ImageFilter.BoxBlur(dice.uniform(0.3, 1.0) * size / 224))
    return np.asarray(pixels)


@lru_cache(maxsize=4)
def _vignette(size: int) -> Plane:
    """Darker corners, [h x w]."""
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    dark: Plane = np.float32(1) - np.float32(0.16) * (axis[:, None] ** 2 + axis[None, :] ** 2)
    return dark
