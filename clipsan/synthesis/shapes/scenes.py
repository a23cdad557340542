"""Scenes with captions, drawn from nothing: the demo's data, and `synth`'s.

    scene = draw_scene(seed=0, index=7)
    scene.pixels, scene.caption, scene.label

A scene depends on (seed, index, size) only and has the same bytes on every platform: NumPy's frozen
`RandomState` and exactly rounded operations. The class is `index % len(CLASSES)`, so any run of scenes is
balanced; colour, texture, place, count, extent, position and light are drawn without looking at it. It
leaves out fonts, photographs and perspective.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clipsan.errors import UsageError
from clipsan.synthesis.shapes.captions import Attributes, write_caption
from clipsan.synthesis.shapes.objects import OBJECTS
from clipsan.synthesis.shapes.outlines import Grid, joined
from clipsan.synthesis.shapes.places import PLACES, paint_place

CLASSES: tuple[str, ...] = tuple(OBJECTS)

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (208, 36, 36),
    "orange": (240, 136, 24),
    "yellow": (244, 216, 44),
    "green": (40, 150, 60),
    "blue": (40, 80, 210),
    "purple": (132, 54, 176),
    "pink": (244, 140, 184),
    "white": (244, 244, 240),
    "black": (44, 44, 48),
    "brown": (128, 80, 44),
}
TEXTURES: tuple[str, ...] = ("plain", "striped", "dotted", "checked")
_DARK, _LIGHT = (46, 38, 40), (246, 240, 214)
_RADII = {
    "small": (0.22, 0.26),
    "medium": (0.29, 0.34),
    "large": (0.38, 0.44),
}  # of one object, as a share of the image
_SEVERAL = {2: (0.20, 0.24), 3: (0.148, 0.16)}
_LIGHTS = {"": (0.92, 1.04), "in bright light": (1.1, 1.2), "in dim light": (0.62, 0.74)}
_LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True)
class Scene:
    """One drawn scene: `pixels` uint8 RGB `[h, w, 3]`, caption, and class as an index of `CLASSES`."""

    pixels: NDArray[np.uint8]
    caption: str
    label: int


def draw_scene(seed: int, index: int, size: int = 64) -> Scene:
    """Draw scene `index` of the endless series `seed`.

    Raises UsageError if seed or index is outside 0 to 2^32 - 1, or size outside 24 to 1024.
    """
    for name, value in (("seed", seed), ("index", index)):
        if not 0 <= value <= _LARGEST_SEED:
            raise UsageError(f"{name} {value} is out of range; give a whole number from 0 to {_LARGEST_SEED}")
    if not 24 <= size <= 1024:
        raise UsageError(f"scenes of {size} pixels cannot be drawn; give a size from 24 to 1024")
    random = np.random.RandomState([seed, index])
    label = index % len(CLASSES)
    place = PLACES[random.randint(len(PLACES))]
    count = int(random.choice((1, 1, 1, 1, 1, 2, 3)))
    extent = tuple(_RADII)[random.randint(len(_RADII))] if count == 1 else "small"
    colour = tuple(COLOURS)[random.randint(len(COLOURS))]
    texture = TEXTURES[random.choice((0, 0, 1, 2, 3))]
    light = tuple(_LIGHTS)[random.choice((0, 0, 1, 2))]

    picture = paint_place(place, size, random)
    paints = _paints(colour, random)
    centres, radius = _arrange(count, extent, random)
    for cx, cy in centres:
        _draw_object(
            picture,
            CLASSES[label],
            (cx * size, cy * size, radius * size),
            paints,
            texture,
            place.dark,
            random,
        )
    picture *= np.float32(random.uniform(*_LIGHTS[light]))
    picture += random.randint(-4, 5, size=picture.shape).astype(np.float32)  # the sensor's noise
    pixels = np.rint(np.clip(picture, 0, 255)).astype(np.uint8)

    position = ("on the left", "in the middle", "on the right")[
        int(min(2, max(0, (centres[0][0] - 0.3) // 0.1333)))
    ]
    said = Attributes(
        CLASSES[label],
        count,
        extent if count == 1 else "medium",
        colour,
        texture,
        place.words,
        position,
        light,
    )
    return Scene(pixels, write_caption(said, random), label)


def _paints(colour: str, random: np.random.RandomState) -> dict[str, Grid]:
    """The colours of one scene's objects, float32 `[3]`: body, its texture's second tone, details."""
    body = _shade(COLOURS[colour]) + random.randint(-12, 13, size=3).astype(np.float32)
    bright = int(sum(COLOURS[colour])) > 400
    second = body * np.float32(0.6) if bright else body * np.float32(0.45) + np.float32(0.55 * 245)
    return {"body": body, "second": second, "dark": _shade(_DARK), "light": _shade(_LIGHT)}


def _shade(rgb: tuple[int, int, int]) -> Grid:
    return np.array(rgb, dtype=np.float32)


def _arrange(
    count: int, extent: str, random: np.random.RandomState
) -> tuple[list[tuple[float, float]], float]:
    """Centres and radius of the objects as shares of the image; several stand side by side."""
    if count == 1:
        radius = float(random.uniform(*_RADII[extent]))
        low = radius * 0.95
        x, y = random.uniform(low, 1 - low, size=2)
        return [(float(x), float(y))], radius
    radius = float(random.uniform(*_SEVERAL[count]))
    row = random.uniform(radius * 1.2, 1 - radius * 1.2)
    places = []
    for slot in range(count):
        x = (slot + 0.5) / count + random.uniform(-0.01, 0.01)
        y = min(1 - radius, max(radius, row + random.uniform(-0.12, 0.12)))
        places.append((float(x), float(y)))
    return places, radius


def _draw_object(
    picture: Grid,
    kind: str,
    at: tuple[float, float, float],
    paints: dict[str, Grid],
    texture: str,
    on_dark: bool,
    random: np.random.RandomState,
) -> None:
    """Paint one object into the picture, tilted by up to 14 degrees and mirrored half of the time.

    `at` is the centre's column and row and the radius, in pixels.
    """
    cx, cy, radius = at
    size = picture.shape[0]
    half = random.uniform(-0.12, 0.12)  # tangent of half the angle: gives sine and cosine without libm
    cosine, sine = np.float32((1 - half * half) / (1 + half * half)), np.float32(2 * half / (1 + half * half))
    mirror = np.float32(1 if random.randint(2) else -1)
    reach = radius * 1.25 + 2
    left, top = max(0, int(cx - reach)), max(0, int(cy - reach))
    window = picture[top : int(cy + reach) + 1, left : int(cx + reach) + 1]
    u = (np.arange(left, left + window.shape[1], dtype=np.float32) + np.float32(0.5 - cx))[
        None, :
    ] / np.float32(radius)
    v = (np.arange(top, top + window.shape[0], dtype=np.float32) + np.float32(0.5 - cy))[
        :, None
    ] / np.float32(radius)
    x, y = (u * cosine + v * sine) * mirror, v * cosine - u * sine

    layers = OBJECTS[kind](x, y)
    edge = paints["light"] if on_dark else paints["dark"]
    _fill(window, joined(*(layer for layer, _ in layers)), edge, radius, grow=0.016 * size)
    for layer, paint in layers:
        if paint != "body" or texture == "plain":
            _fill(window, layer, paints[paint], radius)
            continue
        second = _pattern(texture, x, y, radius)[..., None]
        _fill(window, layer, paints["body"] + (paints["second"] - paints["body"]) * second, radius)


def _fill(window: Grid, figure: Grid, colour: Grid, radius: float, grow: float = 0.0) -> None:
    """Blend a colour into the window where the figure, grown by `grow` pixels, covers it; smooth edges."""
    cover = np.clip(figure * np.float32(radius) + np.float32(grow + 0.5), np.float32(0), np.float32(1))[
        ..., None
    ]
    window += (colour - window) * cover


def _pattern(texture: str, x: Grid, y: Grid, radius: float) -> Grid:
    """Where a texture shows its second tone, 0 to 1, `[h, w]`; 5 pixels or more from mark to mark."""
    step = np.float32(max(0.42, 5 / radius))
    if texture == "striped":
        return _wave(x, step, radius)
    across, down = _wave(x, step, radius), _wave(y, step, radius)
    if texture == "checked":
        return across + down - np.float32(2) * across * down
    dx, dy = x / step - np.rint(x / step), y / step - np.rint(y / step)
    dots: Grid = np.clip(
        (np.float32(0.3) - np.sqrt(dx * dx + dy * dy)) * step * np.float32(radius) + np.float32(0.5), 0, 1
    )
    return dots


def _wave(x: Grid, step: np.float32, radius: float) -> Grid:
    """A square wave of period `step` along x with smoothed edges, 0 to 1."""
    from_centre = np.abs(x / step - np.rint(x / step))  # 0 to 0.5
    wave: Grid = np.clip((np.float32(0.25) - from_centre) * step * np.float32(radius) + np.float32(0.5), 0, 1)
    return wave
