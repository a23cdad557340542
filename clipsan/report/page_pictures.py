"""The examples and embedding pictures of report.html, as numbers and words; `page/pictures.html` draws them.

Places of points are whole numbers in a square of 1000 by 1000, x and y at one scale.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from clipsan.report.examples import Answer, Example, Points, Projection
from clipsan.report.measures import Role
from clipsan.report.picture_files import Picture
from clipsan.report.schema import Report, TriggerResult
from clipsan.report.wording import percent, printable

_SIDE = 1000
_MARGIN = 0.06
_CROSS = 11
_DIAMOND = 28
_SMALL = 400  # pixels in width, below which a picture is shown with hard edges


@dataclass(frozen=True)
class Guess:
    name: str
    share: str
    width: float  # percent
    aim: bool  # whether it is the target


@dataclass(frozen=True)
class Side:
    """What one model answered, to the image as it is or with the trigger."""

    who: str
    guesses: tuple[Guess, ...]


@dataclass(frozen=True)
class Card:
    """One example; `uri` None: its picture is not at hand."""

    caption: str
    uri: Markup | None
    width: int
    height: int
    small: bool
    alt: str
    name: str
    change: str
    sides: tuple[Side, ...]


@dataclass(frozen=True)
class Gallery:
    heading: str
    cards: tuple[Card, ...]


@dataclass(frozen=True)
class Panel:
    """One model's plane: an SVG path for each group of points."""

    role: Role
    others: Markup
    triggered: Markup
    targets: Markup
    text: Markup
    words: str
    description: str


@dataclass(frozen=True)
class Plane:
    heading: str
    target: str
    panels: tuple[Panel, ...]


def galleries(report: Report, pictures: Mapping[str, Picture]) -> list[Gallery]:
    """The examples of each trigger that has some."""
    found = []
    for trigger in _triggers(report):
        cards = tuple(_card(report, trigger, example, pictures) for example in trigger.examples.images)
        if cards:
            found.append(Gallery(_heading(trigger), cards))
    return found


def planes(report: Report) -> list[Plane]:
    """The embeddings under each trigger, the models side by side."""
    found = []
    for trigger in _triggers(report):
        panels = tuple(_panels(report, trigger))
        if panels:
            found.append(Plane(_heading(trigger), printable(trigger.target or "the target", 80), panels))
    return found


def _triggers(report: Report) -> Sequence[TriggerResult]:
    return report.evaluation.triggers if report.evaluation else ()


def _heading(trigger: TriggerResult) -> str:
    target = "no target found" if trigger.target is None else printable(trigger.target, 80)
    return f"{printable(trigger.name, 80)} → {target}"


def _card(report: Report, trigger: TriggerResult, example: Example, pictures: Mapping[str, Picture]) -> Card:
    picture = pictures.get(example.picture)
    shown = f"Image {example.index} of the set"
    if example.label is not None:
        shown += f", class {printable(example.label, 80)}"
    change = f"difference × {trigger.examples.gain}"
    return Card(
        caption=shown,
        uri=None if picture is None else Markup(picture.uri),  # noqa: S704 base64
        width=picture.width if picture else 0,
        height=picture.height if picture else 0,
        small=picture is not None and picture.width < _SMALL,
        alt=f"{shown}: as it is, with the trigger {printable(trigger.name, 80)}, and the {change}.",
        name=example.picture,
        change=change,
        sides=tuple(_sides(report, trigger, example)),
    )


def _sides(report: Report, trigger: TriggerResult, example: Example) -> Iterator[Side]:
    for role in report.roles:
        answers = example.of(role)
        if answers is not None:
            yield Side(f"{role}, as it is", _guesses(answers.clean, trigger.target))
            yield Side(f"{role}, with the trigger", _guesses(answers.triggered, trigger.target))


def _guesses(answers: Sequence[Answer], target: str | None) -> tuple[Guess, ...]:
    return tuple(
        Guess(printable(each.name, 80), percent(each.share), round(100 * each.share, 1), each.name == target)
        for each in answers
    )


def _panels(report: Report, trigger: TriggerResult) -> Iterator[Panel]:
    for role in report.roles:
        found = trigger.projections.of(role)
        if found is not None and all(len(p.x) == len(p.y) for p in _groups(found)):
            yield _panel(role, found)


def _groups(found: Projection) -> tuple[Points, Points, Points, Points]:
    return (found.others, found.triggered, found.targets, found.text)


def _panel(role: Role, found: Projection) -> Panel:
    frame = _Frame.around(_groups(found))
    explained = " and ".join(f"{100 * share:.0f} %" for share in found.explained)
    similar = (
        f"mean cosine similarity to the target's text {found.cosine_others:.2f}, with the trigger "
        f"{found.cosine_triggered:.2f}"
    )
    return Panel(
        role,
        frame.dots(found.others),
        frame.crosses(found.triggered),
        frame.dots(found.targets),
        frame.diamonds(found.text),
        f"The axes hold {explained} of the variance; {similar}.",
        f"Embeddings of the {role} model on two principal components ({explained} of the variance): "
        f"{len(found.others.x)} images of other classes, the same with the trigger, and "
        f"{len(found.targets.x)} images of the target's class. Images of other classes: {similar}.",
    )


@dataclass(frozen=True)
class _Frame:
    """A square around all points; what it gives are digits and SVG's commands, so markup."""

    left: float
    top: float
    span: float

    @classmethod
    def around(cls, groups: Sequence[Points]) -> _Frame:
        x, y = [v for g in groups for v in g.x], [v for g in groups for v in g.y]
        if not x:
            return cls(0.0, 0.0, 1.0)
        span = max(max(x) - min(x), max(y) - min(y), 1e-9) * (1 + 2 * _MARGIN)
        return cls((min(x) + max(x) - span) / 2, (min(y) + max(y) + span) / 2, span)

    def dots(self, points: Points) -> Markup:
        """Lines of no length, which caps make round or square."""
        return self._joined(f"M{x} {y}h0" for x, y in self._places(points))

    def crosses(self, points: Points) -> Markup:
        a, b = _CROSS, 2 * _CROSS
        return self._joined(f"M{x - a} {y - a}l{b} {b}m0 -{b}l-{b} {b}" for x, y in self._places(points))

    def diamonds(self, points: Points) -> Markup:
        a = _DIAMOND
        return self._joined(f"M{x} {y - a}l{a} {a}l-{a} {a}l-{a} -{a}z" for x, y in self._places(points))

    def _places(self, points: Points) -> Iterator[tuple[int, int]]:
        for x, y in zip(points.x, points.y, strict=True):
            yield round(_SIDE * (x - self.left) / self.span), round(_SIDE * (self.top - y) / self.span)

    @staticmethod
    def _joined(parts: Iterator[str]) -> Markup:
        return Markup("".join(parts))  # noqa: S704 digits
