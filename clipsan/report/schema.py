"""What report.json holds, as types; schema.json is the same for programs in other languages.

A report is built by filling `Report` and passing it to `verdict.conclude`. Rates are shares in 0..1,
accuracy drops are percentage points, S values run from 0 to 4 (PAR, arXiv 2412.00727, equation 3).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from typing import Annotated, Any, Literal, Protocol

from clipsan.report.durability import Persistence, Varied
from clipsan.report.examples import NO_EXAMPLES, NO_PROJECTIONS, Examples, Projections
from clipsan.report.measures import (
    NO_PULLS,
    NO_RATES,
    NO_SHARES,
    ClassResult,
    Count,
    Paired,
    Pulls,
    Rates,
    Repeats,
    Retrieval,
    RetrievalAttack,
    Role,
    Share,
    Shares,
    TextTriggerResult,
)
from clipsan.report.record import Between, Matching, Record
from clipsan.report.rounds import ClosedLoop
from clipsan.report.tuning import Tuning

SCHEMA_VERSION: Literal["1.0"] = "1.0"
ITEMS_KEPT = 100
"""How many skipped files a report names; the rest is only counted."""
DROPPED_KEPT = 500
"""How many pairs dropped by the filter a report names."""

Distance = Annotated[float, Between(-1e-3, 4.001)]  # 0..4 but for rounding in half precision
SheetName = Annotated[str, Matching(r"[a-z]+\.png")]  # goes into report.md as a link
Sha256 = Annotated[str, Matching("[0-9a-f]{64}")]


class _Named(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def reason(self) -> str: ...


@dataclass(frozen=True)
class Model(Record):
    """One checkpoint: where it came from and what it was taken for."""

    role: Role
    source: str  # as the user typed it
    format: str
    path: str  # the weights file
    sha256: Sha256  # of the weights file
    repository: str | None  # on the hub, where the source names one
    revision: str | None  # its commit
    architecture: str
    activation: str
    evidence: tuple[str, ...]  # what was inferred, and from what
    dtype: str
    metadata: dict[str, str]  # of the safetensors file
    card: dict[str, str]  # what the source's own model card states: its licence and base model


@dataclass(frozen=True)
class SkippedItem(Record):
    name: str
    reason: str


@dataclass(frozen=True)
class SkippedItems(Record):
    """Inputs that could not be used."""

    count: Count
    reasons: dict[str, Count]
    items: tuple[SkippedItem, ...]  # the first ITEMS_KEPT

    @classmethod
    def of(cls, skipped: Iterable[_Named]) -> SkippedItems:
        """Count whatever has a `name` and a `reason`."""
        items = [SkippedItem(item.name, item.reason) for item in skipped]
        reasons = dict(Counter(item.reason for item in items).most_common())
        return cls(len(items), reasons, tuple(items[:ITEMS_KEPT]))


@dataclass(frozen=True)
class Source(Record):
    """One source of image-caption pairs."""

    source: str  # as the user typed it
    form: str
    pairs: Count  # found in it
    weight: Annotated[float, Between(0)] | None  # None: each of its pairs once an epoch
    revision: str | None  # the commit of a Hub set
    captions: Literal["given", "proposed"]  # proposed: some by the suspect's own zero-shot


@dataclass(frozen=True)
class FilterCheck(Record):
    """One check of the filter: how many pairs it drops, why, and with which thresholds."""

    name: str
    dropped: Count
    reasons: dict[str, Count]
    settings: dict[str, Any]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class DropReason(Record):
    """Why one check drops a pair; the larger the score, the worse. None: it has no score."""

    check: str
    reason: str
    score: float | None


@dataclass(frozen=True)
class DroppedPair(Record):
    name: str
    reasons: tuple[DropReason, ...]


@dataclass(frozen=True)
class Filter(Record):
    """What was left out of the pairs because it should not clean a model."""

    pairs: Count  # before
    dropped: Count
    reference: str | None  # the model asked besides the suspect
    checks: tuple[FilterCheck, ...]
    items: tuple[DroppedPair, ...]  # the first DROPPED_KEPT
    sheet: SheetName | None  # the picture with some of them, beside the report


@dataclass(frozen=True)
class Data(Record):
    """The image-caption pairs of the training."""

    sources: tuple[Source, ...]
    pairs_found: Count
    pairs_train: Count
    pairs_held_out: Count
    digest: str
    skipped: SkippedItems
    filter: Filter | None = None  # None: the pairs were taken as they are


@dataclass(frozen=True)
class ReachedTau(Record):
    """The first step at which S went past tau; None: never."""

    image: Count | None
    text: Count | None


@dataclass(frozen=True)
class CurvePoint(Record):
    """One update: learning rate, whole loss, contrastive loss, S of each encoder."""

    step: Count
    lr: float
    loss: float
    clip: float
    s_image: Distance | None
    s_text: Distance | None


@dataclass(frozen=True)
class ProfilePart(Record):
    name: str
    seconds: Annotated[float, Between(0)]


@dataclass(frozen=True)
class Profile(Record):
    """Where the time of the loop went; the parts add up to `seconds`. Of a resumed run: the last part."""

    seconds: Annotated[float, Between(0)]
    updates: Count
    parts: tuple[ProfilePart, ...]


@dataclass(frozen=True)
class Training(Record):
    method: str
    steps: Count
    batch_size: Count
    pairs_seen: Count
    seconds: Annotated[float, Between(0)]
    device: str
    precision: str
    tau: Annotated[float, Between(0, 4)] | None  # None: the method has no threshold
    reached_tau: ReachedTau
    curves: tuple[CurvePoint, ...]
    left_out: Count = 0  # updates whose loss or gradient was not finite; no point of the curves
    profile: Profile | None = None  # None: not asked for
    lock: Literal["none", "text", "image"] = "none"  # the tower that kept its weights

    @property
    def with_locked(self) -> str:
        """What to add to a sentence about the training."""
        return "" if self.lock == "none" else f", the {self.lock} tower locked"

    def passed_tau(self) -> dict[str, int | None]:
        """The update at which S of each tower that trained passed tau, None: never; by the name of that S."""
        by_tower = {"image": self.reached_tau.image, "text": self.reached_tau.text}
        names = {"image": "S_img", "text": "S_txt"}
        return {names[tower]: step for tower, step in by_tower.items() if tower != self.lock}


@dataclass(frozen=True)
class TriggerResult(Record):
    """What one trigger did.

    `asr`: of the images that are not the target's, how many the triggered model answers the target for.
    `base_rate`: the same images without the trigger, so what a model without a backdoor would score.
    """

    name: str
    settings: dict[str, Any]
    target: str | None
    target_given: bool  # False: the class that the trigger pulls most images to
    asr: Rates
    base_rate: Rates
    pull: Pulls = NO_PULLS
    paired: Paired | None = None  # of the ASR; None: one model
    repeats: Repeats | None = None  # None: one draw, or no random place
    examples: Examples = NO_EXAMPLES
    projections: Projections = NO_PROJECTIONS
    opposite: Rates = NO_RATES  # of the reversed trigger; None: the target was given, or is no majority's
    varied: Varied | None = None  # None: not asked
    retrieval: RetrievalAttack | None = None  # None: labelled images, or no caption names the target

    @property
    def counted(self) -> str:
        """What the rates count."""
        return "images"


@dataclass(frozen=True)
class Evaluation(Record):
    """Clean accuracy and attack success.

    "zero-shot": labelled images; clean accuracy is top-1. "retrieval": held-out pairs; clean accuracy is
    image-to-text R@1 among them, and triggers are measured over a list of class names on images without
    labels, leaving out those that the same model calls the target without a trigger.
    """

    kind: Literal["zero-shot", "retrieval"]
    source: str
    images: Count
    classes: Count
    templates: Count
    chance: Share  # clean accuracy of guessing
    digest: str
    skipped: SkippedItems
    clean_accuracy: Rates
    top5: Rates
    triggers: tuple[TriggerResult, ...]
    paired: Paired | None = None  # of the clean accuracy; None: one model
    mean_recall: Shares = NO_SHARES  # over the classes that have images
    per_class: tuple[ClassResult, ...] = ()  # in the order of the classes; see CLASSES_KEPT
    retrieval: Retrieval | None = None  # None: labelled images
    persistence: Persistence | None = None  # None: not asked
    text_triggers: tuple[TextTriggerResult, ...] = ()

    @property
    def attacks(self) -> tuple[TriggerResult | TextTriggerResult, ...]:
        """The triggers on images, then those in the text."""
        return (*self.triggers, *self.text_triggers)


@dataclass(frozen=True)
class Thresholds(Record):
    max_asr: Share = 0.10
    max_drop: Annotated[float, Between(-100, 100)] = 5.0  # percentage points of clean accuracy


@dataclass(frozen=True)
class Verdict(Record):
    """The result and every reason for it, each one sentence."""

    result: Literal["pass", "fail", "inconclusive"]
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Report(Record):
    """Everything of one run. No dates: equal runs give equal reports but for seconds."""

    schema_version: Literal["1.0"] = SCHEMA_VERSION
    command: Literal["clean", "audit", "demo", "poison"]
    versions: dict[str, str]
    models: tuple[Model, ...]
    settings: dict[str, Any]
    seed: int
    data: Data | None = None
    training: Training | None = None
    evaluation: Evaluation | None = None
    thresholds: Thresholds = Thresholds()
    verdict: Verdict = Verdict("inconclusive", ("This report was not judged.",))
    warnings: tuple[str, ...] = ()
    loop: ClosedLoop | None = None  # None: nothing was repeated until a budget was met
    tuning: Tuning | None = None  # None: no setting was to be found

    def model(self, role: Role) -> Model | None:
        """The model of that role, if the run had one."""
        return next((model for model in self.models if model.role == role), None)

    @property
    def roles(self) -> tuple[Role, ...]:
        """The roles present, suspect first."""
        roles: tuple[Role, ...] = ("suspect", "cleaned", "poisoned")
        return tuple(role for role in roles if self.model(role))


def json_schema() -> dict[str, Any]:
    """The published JSON Schema of report.json (draft 2020-12)."""
    text = resources.files("clipsan.report").joinpath("schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema
