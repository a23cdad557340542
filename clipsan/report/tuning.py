"""What report.json says of `--tau auto` and `--lr auto`: what was tried, and what was taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from clipsan.report.measures import Count
from clipsan.report.record import Between, Record


@dataclass(frozen=True)
class Trial(Record):
    """One short training from the suspect.

    The losses are the contrastive loss on held-out pairs: of the suspect, at the end of the push, and after
    as many updates more. None: it did not come to that.
    """

    lr_start: float
    tau: Annotated[float, Between(0, 4)]
    push: Count  # updates that S had to reach tau
    s_image: float  # highest
    s_text: float
    reached: Count | None  # the update at which both S were above tau
    loss_before: float
    loss_pushed: float | None
    loss_recovered: float | None
    good: bool
    why: str


@dataclass(frozen=True)
class Tuning(Record):
    """The settings that a probe chose, and why."""

    asked: tuple[str, ...]  # of tau, lr
    tau: Annotated[float, Between(0, 4)]
    lr_start: float
    lr: float
    reason: str
    trials: tuple[Trial, ...]
