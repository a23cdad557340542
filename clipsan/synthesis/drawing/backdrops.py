"""Where a scene takes place. One row in `BACKDROPS` a place; `surroundings` and `interiors` paint them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from clipsan.synthesis.dice import Dice
from clipsan.synthesis.drawing.brush import Brush
from clipsan.synthesis.drawing.colours import COLOURS, Colour, mix
from clipsan.synthesis.drawing.interiors import WALLPAPERS, room, surface, tiles
from clipsan.synthesis.drawing.surroundings import landscape, road, sea, sky, street, under_water


@dataclass(frozen=True)
class Backdrop:
    """A place.

    Attributes:
        sorts: the sorts of place that it is: `Kind.at_home` names them.
        words: how a caption says it.
        paint: paints it; returns the height of the horizon, below which things stand.
        tile: the texture of its ground, and how strong it is.
        outdoors: which lights fit it.
        flat: seen from above, without a horizon; things lie on it.
        bottomless: nothing casts a shadow on it: air, water.
    """

    sorts: tuple[str, ...]
    words: str
    paint: Callable[[Brush, Dice], float]
    tile: tuple[str, float]
    outdoors: bool = True
    flat: bool = False
    bottomless: bool = False


def _studio(name: str) -> Backdrop:
    return Backdrop(
        ("studio",),
        f"on a {name} background",
        surface((mix(COLOURS[name], (236, 234, 230), 0.25),), "plain"),
        ("fine", 0.015),
        False,
        True,
    )


_WOODEN: tuple[Colour, ...] = ((168, 120, 76), (136, 92, 56), (196, 154, 106))
_BRICK: tuple[Colour, ...] = ((164, 84, 64), (150, 100, 80), (178, 110, 84))

BACKDROPS: tuple[Backdrop, ...] = (
    *(_studio(name) for name in COLOURS),
    Backdrop(
        ("studio", "wall"),
        "in front of striped wallpaper",
        surface(WALLPAPERS, "stripes"),
        ("fine", 0.04),
        False,
        True,
    ),
    Backdrop(
        ("studio", "wall"),
        "in front of dotted wallpaper",
        surface(WALLPAPERS, "dots"),
        ("fine", 0.04),
        False,
        True,
    ),
    Backdrop(
        ("wall",),
        "in front of a brick wall",
        tiles(_BRICK, (206, 200, 190), 0.19, 0.075, True, 0.88),
        ("blotches", 0.12),
    ),
    Backdrop(
        ("wall",),
        "in front of a concrete wall",
        tiles(((164, 164, 162),), (130, 130, 128), 0.62, 0.4, False, 0.86),
        ("blotches", 0.14),
    ),
    Backdrop(
        ("wall",),
        "in front of a wooden fence",
        tiles(_WOODEN, (70, 52, 38), 0.13, 1.4, False, 0.9),
        ("grain", 0.14),
    ),
    Backdrop(
        ("table",),
        "on a wooden table",
        room(_WOODEN, WALLPAPERS, (0.25, 0.5), True, False),
        ("grain", 0.08),
        False,
    ),
    Backdrop(
        ("table",),
        "on a white desk",
        room(((226, 226, 222),), WALLPAPERS, (0.25, 0.5), False, False),
        ("fine", 0.03),
        False,
    ),
    Backdrop(
        ("table",),
        "on a kitchen counter",
        room(((196, 192, 186), (110, 112, 118)), ((210, 226, 222), (236, 232, 220)), (0.3, 0.5), False, True),
        ("blotches", 0.08),
        False,
    ),
    Backdrop(
        ("table",),
        "on a checked tablecloth",
        surface(((200, 60, 56), (70, 110, 180), (90, 150, 90)), "checked"),
        ("weave", 0.08),
        False,
        True,
    ),
    Backdrop(
        ("table", "ground"), "on wooden planks", surface(_WOODEN, "planks"), ("grain", 0.14), False, True
    ),
    Backdrop(
        ("ground",),
        "on the grass",
        surface(((92, 148, 62), (110, 160, 74)), "blades"),
        ("leaves", 0.2),
        True,
        True,
    ),
    Backdrop(
        ("ground", "desert"),
        "on the sand",
        surface(((222, 196, 144), (206, 178, 130)), "plain"),
        ("blotches", 0.14),
        True,
        True,
    ),
    Backdrop(
        ("ground",),
        "among fallen leaves",
        surface(((130, 94, 58), (104, 84, 52)), "leaves"),
        ("blotches", 0.16),
        True,
        True,
    ),
    Backdrop(("ground",), "on gravel", surface(((158, 154, 148),), "stones"), ("blotches", 0.2), True, True),
    Backdrop(
        ("floor",),
        "in a living room",
        room(_WOODEN, WALLPAPERS, (0.5, 0.72), True, True),
        ("grain", 0.06),
        False,
    ),
    Backdrop(
        ("floor",),
        "on a carpet",
        room(((150, 70, 70), (90, 110, 150), (130, 130, 110)), WALLPAPERS, (0.4, 0.65), False, True),
        ("weave", 0.16),
        False,
    ),
    Backdrop(
        ("floor",),
        "in an empty room",
        room(((190, 186, 180), (168, 150, 130)), WALLPAPERS, (0.5, 0.75), False, False),
        ("fine", 0.04),
        False,
    ),
    Backdrop(
        ("gym",),
        "in a gym",
        room(((206, 152, 92), (190, 140, 84)), ((180, 196, 214), (214, 206, 190)), (0.45, 0.7), True, False),
        ("grain", 0.06),
        False,
    ),
    Backdrop(
        ("bath",),
        "in a tiled bathroom",
        tiles(((206, 226, 232), (232, 232, 226), (170, 206, 210)), (246, 246, 244), 0.11, 0.11, False, 0.7),
        ("fine", 0.03),
        False,
    ),
    Backdrop(("land",), "in a meadow", landscape((104, 158, 70), "hills", (240, 226, 110)), ("leaves", 0.14)),
    Backdrop(("land",), "in a forest", landscape((92, 112, 58), "trees"), ("leaves", 0.18)),
    Backdrop(("land",), "in a park", landscape((112, 168, 80), "trees", (246, 240, 236)), ("leaves", 0.1)),
    Backdrop(
        ("land",),
        "in the mountains",
        landscape((126, 148, 92), "mountains", (150, 146, 140)),
        ("blotches", 0.14),
    ),
    Backdrop(
        ("land", "desert"),
        "on a dry plain",
        landscape((204, 176, 106), "hills", (150, 130, 70)),
        ("blotches", 0.14),
    ),
    Backdrop(
        ("desert",),
        "in the desert",
        landscape((222, 174, 108), "hills", None, ((236, 196, 140), (150, 190, 230))),
        ("blotches", 0.1),
    ),
    Backdrop(
        ("snow",),
        "in the snow",
        landscape((236, 240, 246), "mountains", (255, 255, 255), ((176, 192, 214), (150, 180, 216))),
        ("blotches", 0.04),
    ),
    Backdrop(
        ("snow",),
        "in a snowy forest",
        landscape((232, 238, 244), "trees", (250, 250, 252), ((190, 200, 214),)),
        ("blotches", 0.05),
    ),
    Backdrop(("coast",), "on a beach", landscape((226, 200, 150), "sea", (190, 160, 120)), ("blotches", 0.1)),
    Backdrop(("coast",), "by the sea", landscape((112, 142, 78), "sea", (160, 156, 150)), ("leaves", 0.14)),
    Backdrop(
        ("coast",), "on a rocky shore", landscape((136, 128, 118), "sea", (96, 92, 86)), ("blotches", 0.24)
    ),
    Backdrop(("sea",), "at sea", sea, ("blotches", 0.06)),
    Backdrop(("water",), "under water", under_water, ("blotches", 0.05), False, False, True),
    Backdrop(("sky",), "in the sky", sky(False), ("blotches", 0.03), True, True, True),
    Backdrop(("night",), "under the stars", sky(True), ("blotches", 0.06), False, True, True),
    Backdrop(("street",), "on a city street", street, ("blotches", 0.08)),
    Backdrop(("street",), "on a country road", road, ("blotches", 0.08)),
    Backdrop(("street",), "in a city square", landscape((176, 168, 160), "houses"), ("blotches", 0.1)),
)

BY_SORT: dict[str, tuple[Backdrop, ...]] = {
    sort: tuple(place for place in BACKDROPS if sort in place.sorts)
    for sort in dict.fromkeys(sort for place in BACKDROPS for sort in place.sorts)
}
