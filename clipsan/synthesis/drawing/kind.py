"""What the parametric library is made of: a kind of object, and how one object of it looks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from clipsan.synthesis.dice import Dice
from clipsan.synthesis.drawing.brush import Brush
from clipsan.synthesis.drawing.colours import Colour, shade

PATTERNS = ("striped", "dotted", "checked")


@dataclass(frozen=True)
class Look:
    """One object's colours and pattern, and the dice that shape it.

    Attributes:
        body: the main colour, the one that a caption names.
        second: the colour of patterns and trimmings.
        pattern: one of `PATTERNS`, or "" for none.
        text: what is written on it, where something is.
        dice: for everything else about the shape.
        group: paint several of them together, where the kind can.
    """

    body: Colour
    second: Colour
    pattern: str
    text: str
    dice: Dice
    group: bool = False

    @property
    def dark(self) -> Colour:
        """The body's colour in the shade."""
        return shade(self.body, 0.68)

    @property
    def light(self) -> Colour:
        """The body's colour in the light."""
        return shade(self.body, 1.35)


@dataclass(frozen=True)
class Kind:
    """A kind of object that can be drawn.

    Attributes:
        paint: paints one object, spanning about -1 to 1.
        colours: name and colour of the bodies that it comes in; the first is the usual one.
        at_home: the sorts of place it is found in: see `backdrops`.
        material: its surface: see `light.MATERIALS`.
        aliases: other names under which it may be asked for.
        upright: stands with its bottom on the ground; else it lies, turned at will.
        patterned: whether it can be striped, dotted or checked.
        foot: its lowest point, y, where it touches the ground.
        group: what several painted together are called: "bunch", "pair"; "" where it paints one only.
        texts: what may be written on it.
        says: how a caption calls one with a text, of {name} and {text}.
    """

    paint: Callable[[Brush, Look], None]
    colours: Mapping[str, Colour]
    at_home: tuple[str, ...]
    material: str = "smooth"
    aliases: tuple[str, ...] = field(default=())
    upright: bool = True
    patterned: bool = False
    foot: float = 0.9
    group: str = ""
    texts: tuple[str, ...] = ()
    says: str = "{name}"
