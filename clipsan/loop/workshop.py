"""What the loop needs done to models, whatever they are; `clipsan.runs.workshop` does it to real ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from clipsan.evaluation.statistics import Rate
from clipsan.loop.plan import Plan
from clipsan.report.rounds import Weakened
from clipsan.triggers import Trigger

M = TypeVar("M")


@dataclass(frozen=True)
class Finding:
    """A trigger that a scan inverted; see `report.rounds.InvertedTrigger`.

    `costly`: stamping its kind on images costs accuracy, so that it is only done where it is needed.
    `on_suspect`: its attack success on the suspect, where that is not the model that was scanned.
    """

    trigger: Trigger
    target: str
    kind: str
    asr: Rate
    gain: float
    z: float
    evidence: bool
    costly: bool = False
    on_suspect: Rate | None = None


@dataclass(frozen=True)
class Measures:
    """One model on the held-out pairs.

    Attributes:
        asr: of each trigger asked for.
        accuracy: 0..1.
        drop: points lost against the suspect.
        error: standard error of that.
    """

    asr: tuple[Rate, ...]
    accuracy: float
    drop: float
    error: float


class Workshop(Protocol[M]):
    """Does what the loop decides."""

    def suspect(self) -> M:
        """The model as it came."""

    def texts_are_clean(self) -> bool:
        """Whether the suspect's text side was judged, and nothing stands out there."""

    def scan(self, model: M) -> Sequence[Finding]:
        """What inversion finds in it, by kinds whose attack success tells of a backdoor."""

    def strong(self) -> Sequence[Trigger]:
        """By the other kinds, the triggers that stand out most in the suspect."""

    def look_back(self, cleaned: M, known: Sequence[Trigger]) -> Sequence[tuple[Trigger, Weakened]]:
        """What stands out in the suspect beside `cleaned`, by every kind, under names not yet in `known`."""

    def fine_tune(self, plan: Plan, triggers: Sequence[Trigger]) -> tuple[M, dict[str, object]]:
        """The suspect, trained, and the settings of that training as JSON values."""

    def average(self, best: M, other: M) -> M:
        """The mean of the weights of two trained models, each counted as often as trainings are in it."""

    def between(self, cleaned: M, share: float) -> M:
        """The model on the line from `cleaned` to the suspect, at `share` of the suspect."""

    def measure(self, model: M, triggers: Sequence[Trigger]) -> Measures:
        """Both measures of the budget, on held-out pairs."""
