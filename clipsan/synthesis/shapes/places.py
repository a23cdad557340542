"""Backgrounds: where a scene takes place. One row in `PLACES` a place.

Every place is a far half and a near half with a random horizon, shaded towards it, and a grain; all
places are drawn equally often for every class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clipsan.synthesis.shapes.outlines import Grid


@dataclass(frozen=True)
class Place:
    """How one background is painted; colours are RGB, 0 to 255."""

    words: str
    far: tuple[int, int, int]
    near: tuple[int, int, int]
    horizon: tuple[float, float]  # the range of the horizon's height, as a share of the image (0 is the top)
    grain: float  # strength of the near half's random grain
    specks: int = 0  # stars, flakes: single bright points in the far half
    waves: bool = False  # light rows in the near half
    dark: bool = False  # objects get a light outline


PLACES: tuple[Place, ...] = (
    Place("on grass", (150, 200, 240), (86, 160, 66), (0.25, 0.6), 26),
    Place("on sand", (170, 212, 240), (226, 200, 140), (0.25, 0.6), 16),
    Place("at sea", (190, 220, 245), (40, 110, 175), (0.3, 0.6), 8, waves=True),
    Place("at night", (18, 22, 56), (30, 38, 44), (0.6, 0.85), 8, specks=18, dark=True),
    Place("indoors", (224, 210, 184), (146, 100, 62), (0.6, 0.85), 6),
    Place("in the snow", (176, 190, 208), (240, 244, 250), (0.25, 0.6), 6, specks=24),
    Place("on a road", (200, 196, 204), (104, 104, 110), (0.3, 0.6), 14),
    Place("in the desert", (250, 190, 120), (206, 130, 70), (0.3, 0.65), 14),
)


def paint_place(place: Place, size: int, random: np.random.RandomState) -> Grid:
    """The empty background, float32 `[h, w, 3]`, 0 to 255."""
    horizon = np.float32(random.uniform(*place.horizon) * size)
    shift = random.randint(-14, 15, size=(2, 1, 1, 3)).astype(np.float32)  # no two meadows are equally green
    rows = np.arange(size, dtype=np.float32)[:, None]
    depth = np.abs(rows - horizon) / np.float32(size)  # [h, 1]: 0 at the horizon
    grain = random.randint(-128, 128, size=(size, size, 1)).astype(np.float32) / np.float32(128)
    far = np.array(place.far, dtype=np.float32) + shift[0] - (depth * np.float32(40))[..., None]
    near = np.array(place.near, dtype=np.float32) + shift[1] - (depth * np.float32(30))[..., None]
    near = near + grain * np.float32(place.grain)
    if place.waves:
        crests = ((rows.astype(np.int32) + random.randint(6)) % max(4, size // 9) == 0).astype(np.float32)
        near = near + (crests * np.float32(34))[..., None]
    below = np.clip(rows - horizon + np.float32(0.5), np.float32(0), np.float32(1))[..., None]
    picture: Grid = far + (near - far) * below
    if place.specks:
        at = random.randint(0, size, size=(2, place.specks))
        seen = at[0] < horizon
        picture[at[0][seen], at[1][seen]] = 235
    return picture
