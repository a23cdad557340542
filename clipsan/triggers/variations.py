"""What `audit --vary` tries: the axes along which a trigger is changed, one row each in AXES.

A backdoor that was only weakened for the trigger exactly as it was planted may still answer to one that is
larger, stronger, elsewhere, or went through an upload. An axis gives no variation where it means nothing for
a trigger: a colour filter has no place, a warp has no colour.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from clipsan.triggers.altered import Altered, Step, jpeg, resolution
from clipsan.triggers.pattern_changes import COLOURS, coloured, placed, shifted, sized, strengthened
from clipsan.triggers.placement import ANCHORS
from clipsan.triggers.trigger import Trigger

AS_GIVEN = "as given"


@dataclass(frozen=True)
class Variation:
    """One change of a trigger.

    Attributes:
        axis: a name of AXES, or AS_GIVEN.
        value: the place on it, in words.
        at: the place on it as a number, where it has one.
        trigger: the changed trigger, before `steps`.
        steps: what is done to every image afterwards, so also to those without the trigger.
    """

    axis: str
    value: str
    at: float | None
    trigger: Trigger
    steps: tuple[Step, ...] = ()

    def whole(self) -> Trigger:
        """The trigger with the steps after it."""
        if not self.steps:
            return self.trigger
        return Altered(self.trigger.name, self.trigger.image_size, self.trigger, self.steps)


@dataclass(frozen=True)
class Axis:
    """One row of the table.

    Attributes:
        name: as in reports.
        values: of a trigger, each (words, number or None, changed trigger or None, steps afterwards).
    """

    name: str
    values: Callable[[Trigger], Sequence[tuple[str, float | None, Trigger | None, tuple[Step, ...]]]]


_JPEG = {quality: jpeg(quality) for quality in (90, 70, 50, 30)}
_RESOLUTION = {share: resolution(share) for share in (0.75, 0.5, 0.25)}
_SHIFTS = (("10 % right", 0, 0.1), ("45 % right", 0, 0.45), ("10 % down", 0.1, 0), ("45 % down", 0.45, 0))

AXES = (
    Axis(
        "place",
        lambda t: (
            *((anchor, None, placed(t, anchor), ()) for anchor in ANCHORS if anchor != "random"),
            *((words, None, shifted(t, down, right), ()) for words, down, right in _SHIFTS),
        ),
    ),
    Axis("size", lambda t: [(f"x {f:g}", f, sized(t, f), ()) for f in (0.5, 0.75, 1.5, 2.0)]),
    Axis(
        "strength",
        lambda t: [(f"x {f:g}", f, strengthened(t, f), ()) for f in (0.25, 0.5, 0.75, 1.5, 2.0)],
    ),
    Axis("colour", lambda t: [(colour, None, coloured(t, colour), ()) for colour in COLOURS]),
    Axis("resolution", lambda t: [(f"x {s:g}", s, t, (step,)) for s, step in _RESOLUTION.items()]),
    Axis("JPEG quality", lambda t: [(f"{q}", float(q), t, (step,)) for q, step in _JPEG.items()]),
    Axis(
        "combined",
        lambda t: [
            ("half strength, JPEG 70", None, strengthened(t, 0.5), (_JPEG[70],)),
            ("double strength, JPEG 50", None, strengthened(t, 2.0), (_JPEG[50],)),
            ("double size, resolution x 0.5", None, sized(t, 2.0), (_RESOLUTION[0.5],)),
            ("resolution x 0.5, JPEG 70", None, t, (_RESOLUTION[0.5], _JPEG[70])),
        ],
    ),
)
"""One row for each axis; the order is that of reports."""


def variations_of(trigger: Trigger) -> tuple[list[Variation], list[str]]:
    """(the trigger as given and every change that means something for it, the axes that have none)."""
    found = [Variation(AS_GIVEN, AS_GIVEN, None, trigger)]
    left_out = []
    for axis in AXES:
        along = list(_along(axis, trigger))
        found += along
        if not along:
            left_out.append(axis.name)
    return found, left_out


def _along(axis: Axis, trigger: Trigger) -> Iterator[Variation]:
    for value, at, changed, steps in axis.values(trigger):
        if changed is not None:
            yield Variation(axis.name, value, at, changed, steps)
