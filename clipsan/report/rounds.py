"""What report.json says of a closed loop: its budget, its rounds, and how it ended. schema.py puts it in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from clipsan.evaluation.statistics import Rate
from clipsan.report.measures import Count, Share
from clipsan.report.record import Between, Record

Step = Literal["suspect", "fine-tuning", "interpolation"]


@dataclass(frozen=True)
class InvertedTrigger(Record):
    """A trigger that a scan of the loop optimised, on images that nothing was optimised on."""

    name: str
    kind: str
    target: str
    asr: Rate  # on the model that was scanned
    on_suspect: Rate | None  # of what stands out in a trained model, where it has to be strong as well
    gain: float  # logits by which it moves the target's mean margin
    z: float  # of that gain among the classes, robust
    evidence: bool  # whether it stands out; such triggers are fought and measured from then on


@dataclass(frozen=True)
class Weakened(Record):
    """A trigger of the suspect's that it follows much further than a cleaned model does."""

    name: str
    kind: str
    target: str
    suspect: Rate  # attack success on held-out images
    cleaned: Rate  # the same on the cleaned model
    z: float  # of the gain on the suspect among the classes, robust
    z_over: float  # of the gain over that on the cleaned model
    costly: bool  # whether training on such images costs accuracy, so that it is only done where it survives


@dataclass(frozen=True)
class Attack(Record):
    """What one known trigger does to one model, on held-out images."""

    trigger: str
    asr: Rate


@dataclass(frozen=True)
class LinePoint(Record):
    """Weights between a cleaned model and the suspect, measured against the triggers known.

    `revived`: by how much more, at most, one of the other triggers that came out of the suspect's scan
    succeeds here than on the cleaned model.
    """

    share: Share  # of the suspect
    asr: Share
    revived: Share
    accuracy: Share
    drop: float


@dataclass(frozen=True)
class Round(Record):
    """One step of the loop: what was done, what the scan after it found, and what was measured.

    The suspect is round 0. `asr` is the highest of `attacks` and of the evidence in `found`; `drop` is what
    was lost of the suspect's accuracy on held-out pairs, in points, and `drop_error` its standard error.
    """

    number: Count
    step: Step
    done: str  # in words
    why: str
    settings: dict[str, Any]
    against: tuple[str, ...]  # triggers that were stamped on training images
    found: tuple[InvertedTrigger, ...]  # by the scan of the model after the step
    attacks: tuple[Attack, ...]  # of the triggers known by then
    asr: Share
    accuracy: Share
    drop: float
    drop_error: Annotated[float, Between(0)]
    unfought: tuple[str, ...]  # classes that only looking back named, after the training
    over: Annotated[float, Between(0)]  # points over the budget; each unfought class counts, too
    line: tuple[LinePoint, ...]  # of an interpolation
    kept: bool  # whether it was the best so far
    looked_back: tuple[Weakened, ...] | None  # evidence in the suspect beside this model; None: not looked
    seconds: Annotated[float, Between(0)]


@dataclass(frozen=True)
class ClosedLoop(Record):
    """A run of `clean --until`: never told a trigger, measured on held-out pairs alone."""

    budget_asr: Share
    budget_drop: float
    effort: Count  # rounds of fine-tuning at most
    met: bool
    outcome: str  # in a sentence
    pairs: Count  # held out: attack success is measured on their images
    accuracy_on: Literal["held-out pairs", "labelled images"]
    accuracy_n: Count
    ways: Count  # texts to choose from: an image is right if its own caption or class is the nearest
    classes: Count  # that the scans looked at
    chosen: Count  # the round whose model was written
    rounds: tuple[Round, ...]
