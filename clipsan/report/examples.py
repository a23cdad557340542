"""What report.json says for the eye: single images with their answers, and embeddings on a plane.

The pictures themselves are PNG files beside the report, named here; `picture_files.py` reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from clipsan.report.measures import Count, Role, Share
from clipsan.report.record import Between, Matching, Record

PICTURE_NAME = r"trigger-[0-9]{1,2}-image-[0-9]\.png"
PictureName = Annotated[str, Matching(PICTURE_NAME)]  # the name of a file that is read
Cosine = Annotated[float, Between(-1.001, 1.001)]  # -1..1 but for rounding
Place = Annotated[float, Between(-2.01, 2.01)]  # less than two apart, as all embeddings have unit length


@dataclass(frozen=True)
class Answer(Record):
    """A class and its share of the softmax over all classes, at the model's own temperature."""

    name: str
    share: Share


@dataclass(frozen=True)
class Answers(Record):
    """One model's first answers to one image, best first."""

    clean: tuple[Answer, ...]
    triggered: tuple[Answer, ...]


@dataclass(frozen=True)
class Example(Record):
    """One image of the evaluation set, without and with the trigger; None: not shown to that model."""

    index: Count  # its place in the set
    label: str | None  # its class; None: unlabelled
    picture: PictureName  # as it is, triggered, and the difference, side by side
    suspect: Answers | None
    cleaned: Answers | None
    poisoned: Answers | None = None

    def of(self, role: Role) -> Answers | None:
        return {"suspect": self.suspect, "cleaned": self.cleaned, "poisoned": self.poisoned}[role]


@dataclass(frozen=True)
class Examples(Record):
    """Images of other classes than the target, drawn by the seed."""

    gain: Annotated[int, Between(1)]  # what the absolute difference is multiplied with in the pictures
    images: tuple[Example, ...]


NO_EXAMPLES = Examples(1, ())


@dataclass(frozen=True)
class Points(Record):
    """Places on a plane, the same number of x and y."""

    x: tuple[Place, ...]
    y: tuple[Place, ...]


@dataclass(frozen=True)
class Projection(Record):
    """Unit-length embeddings of one model on the first two principal components of the images drawn.

    Fitted on `others`, `triggered` and `targets` together; each model has its own components, so only
    places within one projection can be compared. Drawn by the seed, the same images for each model.
    """

    explained: tuple[Share, ...]  # of the variance of the images drawn, by each of the two components
    others: Points  # images of other classes than the target
    triggered: Points  # the same images with the trigger, in the same order
    targets: Points  # images of the target's class
    text: Points  # one point: the target's name in the templates, projected but not fitted
    cosine_others: Cosine  # mean cosine similarity of `others` to `text`, before the projection
    cosine_triggered: Cosine


@dataclass(frozen=True)
class Projections(Record):
    """One trigger's projection for each model; None: not measured on that one."""

    suspect: Projection | None
    cleaned: Projection | None
    poisoned: Projection | None = None

    def of(self, role: Role) -> Projection | None:
        return {"suspect": self.suspect, "cleaned": self.cleaned, "poisoned": self.poisoned}[role]


NO_PROJECTIONS = Projections(None, None)
