"""What one scene shows and how: decided before anything is drawn, so that the caption can tell the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from clipsan.synthesis.captions import Said, Thing
from clipsan.synthesis.dice import Dice
from clipsan.synthesis.drawing.backdrops import BY_SORT, Backdrop
from clipsan.synthesis.drawing.colours import COLOURS, Colour
from clipsan.synthesis.drawing.kind import PATTERNS, Kind, Look
from clipsan.synthesis.drawing.kinds import KINDS
from clipsan.synthesis.drawing.light import DAYLIGHT, INDOORS, OUTDOORS, Light
from clipsan.synthesis.nouns import number_of

# radius of one object as a share of the image, by the word for it
_SIZES = {"small": (0.15, 0.21), "": (0.25, 0.36), "large": (0.38, 0.47)}
_CLOSE = (0.55, 0.72)
_AMONG_OTHERS = {"small": 0.72, "": 1.0, "large": 1.2}


@dataclass(frozen=True)
class Placed:
    """One object of a scene.

    Attributes:
        kind: a name of `KINDS`.
        look: colours, pattern, text, and the dice of its shape.
        at: column and row of its middle, as shares of the image.
        radius: half its size, as a share of the image.
        turn: degrees clockwise.
        mirrored: left and right exchanged.
    """

    kind: str
    look: Look
    at: tuple[float, float]
    radius: float
    turn: float
    mirrored: bool


@dataclass(frozen=True)
class Plan:
    """A whole scene.

    Attributes:
        place: the backdrop.
        light: of all of it.
        tilt: of the camera, degrees.
        objects: from the rear to the front.
        clutter: kinds that are strewn about without being said.
        said: what the caption says; nothing of it is untrue.
    """

    place: Backdrop
    light: Light
    tilt: float
    objects: tuple[Placed, ...]
    clutter: tuple[str, ...]
    said: Said


def make_plan(
    concepts: Sequence[tuple[str, str]], strewn: Sequence[str], dice: Dice, horizon_of: float = 0.45
) -> Plan:
    """Decide on a scene.

    Args:
        concepts: what it shows: (the name to say, the kind to draw), one to three.
        strewn: kinds that may lie about unsaid.
        horizon_of: where the ground begins, when objects stand on it; a share of the image.
    """
    place = _place(KINDS[concepts[0][1]], dice)
    lights = (
        OUTDOORS if place.outdoors else (DAYLIGHT,) if place.bottomless or "night" in place.sorts else INDOORS
    )
    light = dice.pick(lights) if dice.chance(0.36) else DAYLIGHT
    things, looks = [], []
    for at, (name, kind) in enumerate(concepts):
        thing, look = _thing(
            name,
            KINDS[kind],
            light,
            place,
            dice,
            several=len(concepts) == 1 or (at == 0 and dice.chance(0.3)),
        )
        things.append(thing)
        looks.append(look)
    relation, view, objects = _arrange([kind for _, kind in concepts], things, looks, place, horizon_of, dice)
    tilt = dice.uniform(-5, 5) if dice.chance(0.7) else dice.uniform(-14, 14)
    number = dice.pick((0, 0, 1, 2, 3, 4)) if not view else dice.below(2)
    wanted = [kind for kind in strewn if set(KINDS[kind].at_home) & set(place.sorts)] or list(strewn)
    clutter = tuple(dice.pick(wanted) for _ in range(number))
    said = Said(
        tuple(thing for thing, _ in things),
        relation,
        place.words if dice.chance(0.6) else "",
        light.words if dice.chance(0.8) else "",
        view if dice.chance(0.6) else "",
    )
    return Plan(place, light, tilt, objects, clutter, said)


def _place(kind: Kind, dice: Dice) -> Backdrop:
    """Mostly where the kind is at home, at times in a studio or anywhere."""
    sort = dice.pick(kind.at_home)
    if dice.chance(0.18):
        sort = "studio"
    elif dice.chance(0.08):
        sort = dice.pick(tuple(BY_SORT))
    return dice.pick(BY_SORT[sort])


def _thing(
    name: str, kind: Kind, light: Light, place: Backdrop, dice: Dice, several: bool
) -> tuple[tuple[Thing, str], list[Look]]:
    """What is said of a concept with the word for its size, and the look of each of its objects."""
    # the usual colour half of the time; one that does not vanish in the backdrop
    usual, *others = kind.colours
    colour = usual if not others or dice.chance(0.45) else dice.pick(others)
    body = kind.colours[colour]
    pattern = dice.pick(PATTERNS) if kind.patterned and dice.chance(0.35) else ""
    text = dice.pick(kind.texts) if kind.texts else ""
    second = _other_colour(body, dice)
    count = 1
    if several and not text and number_of(name) == "one" and dice.chance(0.28):
        count = dice.pick((2, 2, 3, 3, 4, 5))
    size = dice.pick(("small", "", "", "", "large")) if count == 1 else ""
    group = kind.group if count == 1 and number_of(name) == "one" and dice.chance(0.4) else ""
    adjectives = [size] if size and not group and dice.chance(0.5) else []
    coloured = len(kind.colours) > 1 and light.words not in ("at night", "at sunset", "in warm lamplight")
    if coloured and dice.chance(0.45):
        adjectives.append(colour)
    if pattern and dice.chance(0.6):
        adjectives.append(pattern)
    tail = kind.says.format(name="", text=text).strip() if text else ""
    looks = [Look(body, second, pattern, text, Dice(dice.below(1 << 50)), bool(group)) for _ in range(count)]
    return (Thing(name, count, tuple(adjectives), tail, group), size), looks


def _other_colour(body: Colour, dice: Dice) -> Colour:
    """A colour that can be told from `body`."""
    return dice.pick(_far_from(body))


@lru_cache(maxsize=512)
def _far_from(body: Colour) -> tuple[Colour, ...]:
    return tuple(c for c in COLOURS.values() if sum(abs(a - b) for a, b in zip(c, body, strict=True)) > 150)


def _arrange(
    kinds: list[str],
    things: list[tuple[Thing, str]],
    looks: list[list[Look]],
    place: Backdrop,
    horizon: float,
    dice: Dice,
) -> tuple[str, str, tuple[Placed, ...]]:
    """Where everything goes: the relation that this makes true, the view, and the objects, rear first."""
    total = sum(len(group) for group in looks)
    if total == 1:
        low, high = _SIZES[things[0][1]]
        view = ""
        if things[0][1] == "large" and dice.chance(0.35):
            (low, high), view = _CLOSE, "a close-up of"
        elif things[0][1] == "small" and dice.chance(0.3):
            view = "a distant view of"
        radius = dice.uniform(low, high)
        margin = min(0.5, radius * (0.75 if view != "a close-up of" else 0.6))
        x = dice.uniform(margin, 1 - margin)
        return (
            "",
            view,
            (_placed(kinds[0], looks[0][0], (x, dice.uniform(0, 1)), radius, place, horizon, dice),),
        )

    if len(kinds) == 2 and total == 2 and dice.chance(0.4):
        return _overlapping(kinds, looks, place, horizon, dice)
    columns = total if total <= 3 else (total + 1) // 2
    radius = min(0.27, 0.53 / columns) * dice.uniform(0.85, 1.0)
    relation = (
        dice.pick(("next to", "to the left of", "to the right of", "beside", "")) if len(kinds) > 1 else ""
    )
    order = list(range(len(kinds)))
    if relation == "to the right of":
        order.reverse()
    elif relation != "to the left of":
        order = dice.shuffled(order)
    slots = [
        (kinds[group], look, _AMONG_OTHERS[things[group][1]]) for group in order for look in looks[group]
    ]
    objects = []
    for n, (kind, look, scale) in enumerate(slots):
        column, row = n % columns, n // columns
        x = (column + 0.5) / columns + dice.uniform(-0.02, 0.02)
        rows = (len(slots) + columns - 1) // columns
        depth = dice.uniform(0.2, 0.8) if rows == 1 else (row + dice.uniform(0.3, 0.7)) / rows
        objects.append(_placed(kind, look, (x, depth), radius * scale, place, horizon, dice))
    objects.sort(key=lambda placed: placed.at[1])
    return relation, "", tuple(objects)


def _overlapping(
    kinds: list[str], looks: list[list[Look]], place: Backdrop, horizon: float, dice: Dice
) -> tuple[str, str, tuple[Placed, ...]]:
    """One thing in front of another, or, where nothing stands on the ground, one above another."""
    standing = KINDS[kinds[0]].upright and KINDS[kinds[1]].upright and not place.flat and not place.bottomless
    if not standing:
        radius, x = dice.uniform(0.19, 0.24), dice.uniform(0.35, 0.65)
        first, other = dice.pick(((0.04, 0.96), (0.96, 0.04)))
        pair = [
            _placed(kind, look[0], (x + dice.uniform(-0.1, 0.1), depth), radius, place, 0.0, dice, loose=True)
            for kind, look, depth in zip(kinds, looks, (first, other), strict=True)
        ]
        return ("above" if first < other else "below"), "", tuple(pair)
    front = dice.below(2)
    near, far = dice.uniform(0.22, 0.28), dice.uniform(0.3, 0.38)
    x, side = dice.uniform(0.42, 0.58), dice.pick((-1, 1))
    objects = [
        _placed(kinds[1 - front], looks[1 - front][0], (x + side * 0.12, 0.35), far, place, horizon, dice),
        _placed(kinds[front], looks[front][0], (x - side * 0.14, 0.98), near, place, horizon, dice),
    ]
    return ("in front of" if front == 0 else "behind"), "", tuple(objects)


def _placed(
    kind: str,
    look: Look,
    at: tuple[float, float],
    radius: float,
    place: Backdrop,
    horizon: float,
    dice: Dice,
    loose: bool = False,
) -> Placed:
    """An object at column `at[0]` and depth `at[1]`, 0 (far, high) to 1 (near, low)."""
    made = KINDS[kind]
    x, depth = at
    grounded = made.upright and not place.flat and not place.bottomless and not loose
    if grounded:
        highest = max(horizon + 0.1, min(0.9, radius * 1.5))
        y = highest + (0.98 - highest) * depth - made.foot * radius
        turn = dice.uniform(-3, 3)
    else:
        margin = min(0.48, radius * 0.85)
        y = margin + (1 - 2 * margin) * depth
        turn = dice.uniform(-12, 12) if made.upright or made.texts else dice.uniform(-45, 45)
    return Placed(kind, look, (x, y), radius, turn, dice.chance(0.5) and not made.texts)
