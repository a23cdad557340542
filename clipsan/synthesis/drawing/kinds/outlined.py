"""The demo's shapes as kinds: their outlines, filled with colours of their own and lit like all others."""

from __future__ import annotations

from collections.abc import Callable

from clipsan.synthesis.drawing.brush import Brush
from clipsan.synthesis.drawing.colours import BLACK, WHITE, WOOD, Colour, colours
from clipsan.synthesis.drawing.kind import Kind, Look
from clipsan.synthesis.shapes.objects import OBJECTS


def _outline(name: str, dark: Colour = BLACK, light: Colour = WHITE) -> Callable[[Brush, Look], None]:
    """Paints the demo's shape `name`; its details in these colours."""
    layers = OBJECTS[name]

    def paint(brush: Brush, look: Look) -> None:
        x, y = brush.grid()
        paints = {"body": look.body, "dark": dark, "light": light}
        for figure, colour in layers(x, y):
            brush.cover(figure, paints[colour], look.second if colour == "body" else None, look.pattern)

    return paint


_BRIGHT = colours("red", "blue", "yellow", "green", "purple", "orange", "pink", "turquoise")
_METALS = {"grey": (164, 168, 176), "yellow": (220, 180, 70), "black": (66, 66, 72), "brown": (146, 92, 56)}
_FLAT = ("studio", "wall", "table")
_BARK: Colour = (104, 72, 46)

OUTLINED: dict[str, Kind] = {
    "anchor": Kind(_outline("anchor"), _METALS, ("coast", "ground", "wall"), "metal", upright=False),
    "arrow": Kind(
        _outline("arrow"), {**_BRIGHT, **colours("black", "white")}, _FLAT, upright=False, patterned=True
    ),
    "ball": Kind(
        _outline("ball"), _BRIGHT, ("floor", "ground", "land"), "rubber", upright=False, patterned=True
    ),
    "boat": Kind(
        _outline("boat", _BARK), _BRIGHT, ("sea",), "wood", aliases=("sailboat",), patterned=True, foot=0.7
    ),
    "cross": Kind(
        _outline("cross"), {**_BRIGHT, **colours("black", "white")}, _FLAT, upright=False, patterned=True
    ),
    "crown": Kind(
        _outline("crown", (150, 40, 60), (230, 60, 80)),
        {"yellow": (232, 188, 62), "grey": (196, 200, 208)},
        ("table", "studio"),
        "metal",
        foot=0.68,
    ),
    "cup": Kind(
        _outline("cup", (80, 52, 34)),
        {**_BRIGHT, **colours("white")},
        ("table",),
        "gloss",
        patterned=True,
        foot=0.7,
    ),
    "fish": Kind(
        _outline("fish"),
        {
            "blue": (70, 120, 190),
            "grey": (140, 154, 166),
            "green": (80, 150, 130),
            "red": (210, 70, 60),
            "purple": (130, 80, 170),
        },
        ("water",),
        "scales",
        upright=False,
        patterned=True,
    ),
    "flag": Kind(
        _outline("flag", _BARK),
        {**_BRIGHT, **colours("white")},
        ("land", "snow", "coast"),
        "cloth",
        patterned=True,
        foot=0.9,
    ),
    "flower": Kind(
        _outline("flower", (70, 130, 56), (250, 214, 80)),
        _BRIGHT,
        ("land", "ground"),
        aliases=("daisy",),
        foot=0.92,
    ),
    "hammer": Kind(_outline("hammer", WOOD), _METALS, ("table", "ground", "floor"), "metal", upright=False),
    "heart": Kind(
        _outline("heart"),
        colours("red", "pink", "purple", "blue", "white", "black"),
        _FLAT,
        upright=False,
        patterned=True,
    ),
    "house": Kind(
        _outline("house", (140, 62, 48), (250, 232, 150)),
        {
            "white": (236, 230, 216),
            "yellow": (230, 204, 130),
            "red": (190, 90, 74),
            "blue": (140, 170, 200),
            "grey": (170, 168, 164),
        },
        ("land", "snow", "coast"),
        "plaster",
        foot=0.83,
    ),
    "key": Kind(_outline("key"), _METALS, ("table", "ground", "wall"), "metal", upright=False),
    "kite": Kind(_outline("kite"), _BRIGHT, ("sky",), "cloth", upright=False, patterned=True),
    "ladder": Kind(
        _outline("ladder"),
        {"brown": (170, 122, 76), "grey": (174, 178, 186), "red": (190, 60, 54)},
        ("wall", "floor"),
        "wood",
        foot=0.9,
    ),
    "moon": Kind(
        _outline("moon"),
        {"yellow": (246, 230, 150), "white": (236, 236, 230)},
        ("night",),
        "rough",
        aliases=("crescent",),
        upright=False,
    ),
    "mushroom": Kind(
        _outline("mushroom"),
        {"red": (206, 50, 44), "brown": (160, 106, 64)},
        ("ground", "land"),
        "wax",
        foot=0.85,
    ),
    "rocket": Kind(
        _outline("rocket", (190, 50, 46), (250, 190, 70)),
        colours("white", "red", "blue", "grey"),
        ("night", "sky"),
        "gloss",
        aliases=("spaceship",),
        upright=False,
    ),
    "snowman": Kind(_outline("snowman"), {"white": (242, 246, 250)}, ("snow",), "plaster", foot=0.9),
    "star": Kind(
        _outline("star"),
        colours("yellow", "red", "blue", "white", "orange"),
        ("studio", "night", "wall"),
        upright=False,
        patterned=True,
    ),
    "tree": Kind(
        _outline("tree", _BARK),
        {"green": (66, 136, 58), "orange": (210, 130, 50), "red": (184, 70, 50), "yellow": (220, 186, 70)},
        ("land", "street"),
        "leaves",
        foot=0.9,
    ),
    "umbrella": Kind(
        _outline("umbrella", _BARK),
        {**_BRIGHT, **colours("black")},
        ("land", "street", "coast"),
        "cloth",
        patterned=True,
        foot=0.85,
    ),
}
