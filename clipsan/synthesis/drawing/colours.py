"""Colours by name, lighter and darker ones, and mixtures."""

from __future__ import annotations

from typing import TypeAlias

Colour: TypeAlias = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

COLOURS: dict[str, Colour] = {
    "red": (204, 40, 40),
    "orange": (238, 132, 30),
    "yellow": (244, 210, 56),
    "green": (52, 148, 66),
    "blue": (46, 92, 206),
    "purple": (128, 62, 168),
    "pink": (240, 140, 182),
    "white": (240, 239, 234),
    "black": (44, 43, 48),
    "brown": (128, 82, 48),
    "grey": (134, 136, 142),
    "turquoise": (54, 182, 180),
}

BLACK: Colour = (30, 29, 33)
WHITE: Colour = (246, 245, 240)
WOOD: Colour = (166, 116, 70)
STEEL: Colour = (176, 181, 189)
GLASS: Colour = (196, 222, 232)
LEAF: Colour = (70, 146, 60)
GOLD: Colour = (222, 180, 74)


def colours(*names: str) -> dict[str, Colour]:
    """The named ones of `COLOURS`, in that order."""
    return {name: COLOURS[name] for name in names}


def shade(colour: Colour, factor: float) -> Colour:
    """Darker for a factor below 1; lighter, towards white, above."""
    if factor <= 1:
        return (int(colour[0] * factor), int(colour[1] * factor), int(colour[2] * factor))
    return mix(colour, (255, 255, 255), min(1.0, factor - 1))


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """`share` of the second colour, 0 to 1, in the first."""
    return (
        int(first[0] + (second[0] - first[0]) * share),
        int(first[1] + (second[1] - first[1]) * share),
        int(first[2] + (second[2] - first[2]) * share),
    )


def brightness(colour: Colour) -> float:
    """0 for black to 1 for white, as the eye weighs the three."""
    return (0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2]) / 255
