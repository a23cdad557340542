"""The classes: 24 kinds of object, each a list of painted layers. One function and one row in `OBJECTS` each.

A layer is (signed distance, paint); the paint says which of the scene's colours fills it: `body` (the
object's colour and texture), `dark` or `light`. No object has a colour of its own, so colour says nothing
about the class.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from clipsan.synthesis.shapes.outlines import (
    Grid,
    box,
    convex,
    disc,
    ellipse,
    joined,
    pentagram,
    rim,
    stroke,
    without,
)

Layers = list[tuple[Grid, str]]


def _anchor(x: Grid, y: Grid) -> Layers:
    shank = joined(box(x, y, 0, 0.1, 0.12, 0.7), box(x, y, 0, -0.3, 0.42, 0.1))
    arms = np.minimum(rim(disc(x, y, 0, 0.1, 0.68), 0.13), y - np.float32(0.2))
    return [(joined(shank, arms, rim(disc(x, y, 0, -0.7, 0.18), 0.09)), "body")]


def _arrow(x: Grid, y: Grid) -> Layers:
    head = convex(x, y, [(0.9, 0), (0.05, 0.68), (0.05, -0.68)])
    return [(joined(box(x, y, -0.35, 0, 0.5, 0.24), head), "body")]


def _ball(x: Grid, y: Grid) -> Layers:
    whole = disc(x, y, 0, 0, 0.82)
    seams = joined(rim(disc(x, y, -1.2, 0, 0.95), 0.06), rim(disc(x, y, 1.2, 0, 0.95), 0.06))
    return [
        (whole, "body"),
        (np.minimum(seams, whole), "dark"),
        (stroke(x, y, 0, -0.75, 0, 0.75, 0.05), "dark"),
    ]


def _boat(x: Grid, y: Grid) -> Layers:
    hull = convex(x, y, [(-0.9, 0.3), (0.9, 0.3), (0.55, 0.78), (-0.6, 0.78)])
    sail = convex(x, y, [(0.05, -0.88), (0.7, 0.12), (0.05, 0.12)])
    jib = convex(x, y, [(-0.15, -0.6), (-0.15, 0.12), (-0.65, 0.12)])
    return [
        (stroke(x, y, -0.05, -0.85, -0.05, 0.4, 0.05), "dark"),
        (sail, "light"),
        (jib, "light"),
        (hull, "body"),
    ]


def _car(x: Grid, y: Grid) -> Layers:
    cabin = convex(x, y, [(-0.4, -0.5), (0.25, -0.5), (0.58, 0.0), (-0.6, 0.0)])
    glass = joined(box(x, y, -0.26, -0.22, 0.18, 0.14), box(x, y, 0.16, -0.22, 0.14, 0.14))
    wheels = joined(disc(x, y, -0.48, 0.4, 0.23), disc(x, y, 0.48, 0.4, 0.23))
    hubs = joined(disc(x, y, -0.48, 0.4, 0.09), disc(x, y, 0.48, 0.4, 0.09))
    body = joined(cabin, box(x, y, 0, 0.17, 0.92, 0.25))
    return [(body, "body"), (glass, "light"), (wheels, "dark"), (hubs, "light")]


def _cross(x: Grid, y: Grid) -> Layers:
    return [(joined(box(x, y, 0, 0, 0.27, 0.85), box(x, y, 0, 0, 0.85, 0.27)), "body")]


def _crown(x: Grid, y: Grid) -> Layers:
    spikes = joined(
        convex(x, y, [(-0.85, -0.6), (-0.25, 0.6), (-0.85, 0.6)]),
        convex(x, y, [(0.0, -0.7), (0.5, 0.6), (-0.5, 0.6)]),
        convex(x, y, [(0.85, -0.6), (0.85, 0.6), (0.25, 0.6)]),
    )
    tips = joined(disc(x, y, -0.82, -0.6, 0.14), disc(x, y, 0, -0.7, 0.14), disc(x, y, 0.82, -0.6, 0.14))
    return [
        (joined(spikes, box(x, y, 0, 0.4, 0.85, 0.28)), "body"),
        (tips, "light"),
        (box(x, y, 0, 0.5, 0.85, 0.08), "dark"),
    ]


def _cup(x: Grid, y: Grid) -> Layers:
    side = convex(x, y, [(-0.75, -0.55), (0.4, -0.55), (0.25, 0.7), (-0.6, 0.7)])
    handle = rim(ellipse(x, y, 0.42, 0.0, 0.36, 0.38), 0.09)
    return [(joined(side, handle), "body"), (ellipse(x, y, -0.17, -0.55, 0.57, 0.13), "dark")]


def _fish(x: Grid, y: Grid) -> Layers:
    tail = convex(x, y, [(0.35, 0), (0.92, -0.5), (0.92, 0.5)])
    fin = convex(x, y, [(-0.25, -0.3), (0.25, -0.65), (0.25, -0.2)])
    eye = disc(x, y, -0.52, -0.1, 0.13)
    body = joined(ellipse(x, y, -0.2, 0, 0.7, 0.42), tail, fin)
    return [(body, "body"), (eye, "light"), (disc(x, y, -0.54, -0.1, 0.06), "dark")]


def _flag(x: Grid, y: Grid) -> Layers:
    cloth = convex(x, y, [(-0.6, -0.82), (0.85, -0.65), (0.85, 0.05), (-0.6, 0.15)])
    return [(cloth, "body"), (stroke(x, y, -0.65, -0.85, -0.65, 0.88, 0.08), "dark")]


def _flower(x: Grid, y: Grid) -> Layers:
    centres = ((0.0, -0.72), (0.36, -0.46), (0.22, -0.03), (-0.22, -0.03), (-0.36, -0.46))
    petals = joined(*(disc(x, y, cx, cy, 0.26) for cx, cy in centres))
    leaves = joined(ellipse(x, y, 0.24, 0.6, 0.25, 0.1), ellipse(x, y, -0.24, 0.72, 0.25, 0.1))
    stem = stroke(x, y, 0, 0.1, 0, 0.9, 0.06)
    return [(joined(stem, leaves), "dark"), (petals, "body"), (disc(x, y, 0, -0.33, 0.2), "light")]


def _hammer(x: Grid, y: Grid) -> Layers:
    claw = convex(x, y, [(0.3, -0.75), (0.85, -0.35), (0.3, -0.35)])
    return [
        (stroke(x, y, 0, -0.5, 0, 0.85, 0.12), "dark"),
        (joined(box(x, y, -0.12, -0.52, 0.5, 0.24), claw), "body"),
    ]


def _heart(x: Grid, y: Grid) -> Layers:
    point = convex(x, y, [(-0.78, -0.02), (-0.4, -0.5), (0.4, -0.5), (0.78, -0.02), (0, 0.85)])
    notch = convex(x, y, [(-0.4, -0.9), (0.4, -0.9), (0, -0.35)])
    lobes = joined(disc(x, y, -0.43, -0.28, 0.44), disc(x, y, 0.43, -0.28, 0.44))
    return [(joined(lobes, without(point, notch)), "body")]


def _house(x: Grid, y: Grid) -> Layers:
    roof = convex(x, y, [(0, -0.88), (0.9, -0.12), (-0.9, -0.12)])
    door = box(x, y, -0.25, 0.53, 0.16, 0.3)
    return [
        (box(x, y, 0, 0.33, 0.7, 0.5), "body"),
        (roof, "dark"),
        (door, "dark"),
        (box(x, y, 0.32, 0.28, 0.18, 0.18), "light"),
    ]


def _key(x: Grid, y: Grid) -> Layers:
    teeth = joined(box(x, y, 0.5, 0.2, 0.1, 0.24), box(x, y, 0.8, 0.17, 0.1, 0.2))
    return [(joined(rim(disc(x, y, -0.5, 0, 0.3), 0.14), box(x, y, 0.35, 0, 0.55, 0.12), teeth), "body")]


def _kite(x: Grid, y: Grid) -> Layers:
    sheet = convex(x, y, [(0, -0.92), (0.58, -0.28), (0, 0.5), (-0.58, -0.28)])
    ribs = joined(box(x, y, 0, -0.2, 0.04, 0.7), box(x, y, 0, -0.28, 0.56, 0.04))
    tail = joined(stroke(x, y, 0, 0.5, 0.2, 0.7, 0.05), stroke(x, y, 0.2, 0.7, -0.1, 0.92, 0.05))
    return [(tail, "dark"), (sheet, "body"), (np.minimum(ribs, sheet), "dark")]


def _ladder(x: Grid, y: Grid) -> Layers:
    rails = joined(box(x, y, -0.4, 0, 0.09, 0.9), box(x, y, 0.4, 0, 0.09, 0.9))
    rungs = joined(*(box(x, y, 0, cy, 0.4, 0.07) for cy in (-0.66, -0.22, 0.22, 0.66)))
    return [(joined(rails, rungs), "body")]


def _moon(x: Grid, y: Grid) -> Layers:
    return [(without(disc(x, y, 0, 0, 0.85), disc(x, y, 0.42, -0.1, 0.68)), "body")]


def _mushroom(x: Grid, y: Grid) -> Layers:
    cap = np.minimum(ellipse(x, y, 0, 0.05, 0.88, 0.82), np.float32(0.08) - y)
    spots = joined(disc(x, y, -0.4, -0.2, 0.14), disc(x, y, 0.05, -0.5, 0.14), disc(x, y, 0.45, -0.15, 0.13))
    stem = convex(x, y, [(-0.2, 0.0), (0.2, 0.0), (0.3, 0.85), (-0.3, 0.85)])
    return [(stem, "light"), (cap, "body"), (spots, "light")]


def _rocket(x: Grid, y: Grid) -> Layers:
    hull = np.minimum(ellipse(x, y, 0, 0.1, 0.36, 1.0), np.float32(0.6) - y)
    fins = joined(
        convex(x, y, [(-0.25, 0.15), (-0.25, 0.6), (-0.7, 0.78)]),
        convex(x, y, [(0.25, 0.15), (0.7, 0.78), (0.25, 0.6)]),
    )
    flame = convex(x, y, [(-0.2, 0.6), (0.2, 0.6), (0, 0.95)])
    return [(fins, "dark"), (flame, "light"), (hull, "body"), (disc(x, y, 0, -0.22, 0.15), "light")]


def _snowman(x: Grid, y: Grid) -> Layers:
    body = joined(disc(x, y, 0, 0.45, 0.45), disc(x, y, 0, -0.25, 0.32))
    hat = joined(box(x, y, 0, -0.55, 0.36, 0.06), box(x, y, 0, -0.74, 0.22, 0.18))
    face = joined(disc(x, y, -0.12, -0.3, 0.06), disc(x, y, 0.12, -0.3, 0.06))
    buttons = joined(disc(x, y, 0, 0.28, 0.07), disc(x, y, 0, 0.55, 0.07))
    return [(body, "body"), (hat, "dark"), (joined(face, buttons), "dark")]


def _star(x: Grid, y: Grid) -> Layers:
    return [(pentagram(x, y, 0.95), "body")]


def _tree(x: Grid, y: Grid) -> Layers:
    crown = joined(disc(x, y, -0.36, -0.15, 0.4), disc(x, y, 0.36, -0.15, 0.4), disc(x, y, 0, -0.48, 0.42))
    return [(convex(x, y, [(-0.12, 0.0), (0.12, 0.0), (0.2, 0.9), (-0.2, 0.9)]), "dark"), (crown, "body")]


def _umbrella(x: Grid, y: Grid) -> Layers:
    dome = np.minimum(disc(x, y, 0, 0.05, 0.9), np.float32(0.05) - y)
    bites = joined(*(disc(x, y, cx, 0.12, 0.24) for cx in (-0.6, 0.0, 0.6)))
    hook = np.minimum(rim(disc(x, y, 0.17, 0.68, 0.17), 0.06), y - np.float32(0.66))
    return [(joined(stroke(x, y, 0, -0.1, 0, 0.68, 0.06), hook), "dark"), (without(dome, bites), "body")]


OBJECTS: dict[str, Callable[[Grid, Grid], Layers]] = {
    "anchor": _anchor,
    "arrow": _arrow,
    "ball": _ball,
    "boat": _boat,
    "car": _car,
    "cross": _cross,
    "crown": _crown,
    "cup": _cup,
    "fish": _fish,
    "flag": _flag,
    "flower": _flower,
    "hammer": _hammer,
    "heart": _heart,
    "house": _house,
    "key": _key,
    "kite": _kite,
    "ladder": _ladder,
    "moon": _moon,
    "mushroom": _mushroom,
    "rocket": _rocket,
    "snowman": _snowman,
    "star": _star,
    "tree": _tree,
    "umbrella": _umbrella,
}
