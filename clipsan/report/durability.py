"""What report.json says of a backdoor that may only sleep: its trigger varied, its model trained on.

The part of the schema that `audit --vary` and `audit --persist` fill.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from clipsan.evaluation.statistics import Rate
from clipsan.report.measures import Count, Rates, Role
from clipsan.report.record import Between, Record


@dataclass(frozen=True)
class Variation(Record):
    """The attack success rate of one change of a trigger.

    `base_rate`: the same images without the trigger, after the same re-encoding where there was one.
    """

    axis: str  # "as given": the trigger as it was measured
    value: str
    at: float | None  # the place on an axis of numbers, 1 or 100 being as given
    asr: Rates
    base_rate: Rates


@dataclass(frozen=True)
class Varied(Record):
    """One trigger along every axis that means something for it."""

    images: Count  # every so-manieth of the evaluation set
    variations: tuple[Variation, ...]
    left_out: tuple[str, ...]  # axes that mean nothing for this trigger


@dataclass(frozen=True)
class Return(Record):
    """One trigger before and after the benign fine-tuning; `base_rate`: without the trigger, afterwards."""

    name: str
    target: str
    before: Rate
    after: Rate
    base_rate: Rate


@dataclass(frozen=True)
class Persistence(Record):
    """A short benign fine-tuning of a copy of one model, with the contrastive loss alone."""

    role: Role
    source: str  # of the pairs
    pairs: Count
    digest: str
    steps: Count
    batch_size: Count
    lr: Annotated[float, Between(0)]  # up to half of the steps; a cosine to 1e-9 follows
    accuracy_before: Rate
    accuracy_after: Rate
    triggers: tuple[Return, ...]
