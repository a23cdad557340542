"""What report.json says of measurements: each on one or two models, on the same images.

The part of the schema that `evaluation` fills; schema.py puts it into the report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from clipsan.evaluation.statistics import Rate, mcnemar
from clipsan.report.record import Between, Record

CLASSES_KEPT = 1000
"""How many classes a report tells the recall of, the worst of more."""

Role = Literal["suspect", "cleaned", "poisoned"]
Count = Annotated[int, Between(0)]
Share = Annotated[float, Between(0, 1)]


@dataclass(frozen=True)
class Rates(Record):
    """One measurement on each model; None: not measured on that one."""

    suspect: Rate | None
    cleaned: Rate | None
    poisoned: Rate | None = None

    def of(self, role: Role) -> Rate | None:
        return {"suspect": self.suspect, "cleaned": self.cleaned, "poisoned": self.poisoned}[role]

    @property
    def after(self) -> Rate | None:
        """On the model that the run made of the suspect."""
        return self.cleaned if self.poisoned is None else self.poisoned


@dataclass(frozen=True)
class Shares(Record):
    """A mean of shares on each model; None: not measured on that one."""

    suspect: Share | None
    cleaned: Share | None
    poisoned: Share | None = None

    def of(self, role: Role) -> float | None:
        return {"suspect": self.suspect, "cleaned": self.cleaned, "poisoned": self.poisoned}[role]


NO_SHARES = Shares(None, None)
NO_RATES = Rates(None, None)


@dataclass(frozen=True)
class Paired(Record):
    """McNemar's test of the suspect and the model made of it on the same images."""

    n: Count  # images counted on both
    lost: Count  # counted as a success on the suspect only
    gained: Count  # on the other model only
    p: Share  # two-sided

    @classmethod
    def of(cls, before: Mapping[int, bool], after: Mapping[int, bool]) -> Paired:
        """From whether each image, by its index, is a success on either model."""
        both = before.keys() & after.keys()
        lost = sum(before[i] and not after[i] for i in both)
        gained = sum(after[i] and not before[i] for i in both)
        return cls(len(both), lost, gained, mcnemar(lost, gained))


@dataclass(frozen=True)
class ClassResult(Record):
    """The recall of one class: the share of its images that the model gives its name."""

    name: str
    recall: Rates


@dataclass(frozen=True)
class Standing(Record):
    """Where the target stands among the classes, in one model's own logits."""

    mean_margin: float  # logit of the target minus that of the best other class
    median_margin: float
    mean_rank: Annotated[float, Between(1)]  # 1: the answer


@dataclass(frozen=True)
class Pull(Record):
    """How far a trigger moves a model towards the target, whether or not it gets there.

    `closed`: the share of the mean gap between the target and the best other class that the trigger
    closes; 0: nothing, 1: all of it. `closed_elsewhere`: the median of the same share over the other
    classes, which a trigger that only blurs the image closes alike. None: the gap is not above 0.
    """

    n: Count  # images, those of the ASR
    untriggered: Standing
    triggered: Standing
    closed: float | None
    closed_elsewhere: float | None
    others: Count  # other classes compared
    others_above: Count  # of these, how many the trigger closes at least as much to


@dataclass(frozen=True)
class Pulls(Record):
    """One trigger's pull on each model; None: not measured on that one."""

    suspect: Pull | None
    cleaned: Pull | None
    poisoned: Pull | None = None

    def of(self, role: Role) -> Pull | None:
        return {"suspect": self.suspect, "cleaned": self.cleaned, "poisoned": self.poisoned}[role]


NO_PULLS = Pulls(None, None)


@dataclass(frozen=True)
class Spread(Record):
    """The ASR over several draws of the random places, `asr` being the first."""

    mean: Share
    lowest: Share
    highest: Share


@dataclass(frozen=True)
class Repeats(Record):
    """The spreads of each model; None: not measured on that one."""

    draws: Annotated[int, Between(2)]
    suspect: Spread | None
    cleaned: Spread | None
    poisoned: Spread | None = None

    def of(self, role: Role) -> Spread | None:
        return {"suspect": self.suspect, "cleaned": self.cleaned, "poisoned": self.poisoned}[role]


@dataclass(frozen=True)
class Recalls(Record):
    """R@1, R@5 and R@10; None where there are no more candidates than that."""

    at1: Rates
    at5: Rates
    at10: Rates


@dataclass(frozen=True)
class Retrieval(Record):
    """Among held-out pairs: equal captions are one text, right for each of their images."""

    image_to_text: Recalls  # n: images
    text_to_image: Recalls  # n: distinct captions


@dataclass(frozen=True)
class Reach(Record):
    """How often the target is among the first so many answers, with the trigger and without."""

    asr: Rates
    base_rate: Rates


@dataclass(frozen=True)
class RetrievalAttack(Record):
    """Among pairs: of the images that no caption of their own names the target for, how many find a caption
    that names it, among the first 1, 5 and 10 distinct captions. None where there are no more captions.
    """

    at1: Reach
    at5: Reach
    at10: Reach


@dataclass(frozen=True)
class TextTriggerResult(Record):
    """What one trigger in the text did.

    `asr`: of the queries for something else than the target, for how many at least three of the first five
    images show the target when they carry the trigger. `base_rate`: the same queries without it. For labelled
    images the queries are the prompts of the other classes; for pairs the distinct captions that do not name
    the target, and an image shows the target where a caption of its own names it. None: fewer than three
    images show the target.
    """

    name: str
    settings: dict[str, Any]
    target: str
    target_given: bool  # False: the class whose images gain most places
    asr: Rates  # n: queries
    base_rate: Rates
    hit1: Reach  # the first image shows the target
    hit5: Reach  # any of the first five does
    hit10: Reach
    accuracy: Rates  # zero-shot, with the trigger in every prompt; None: pairs
    paired: Paired | None  # of the ASR; None: one model

    @property
    def counted(self) -> str:
        """What the rates count."""
        return "queries"
