"""What a round of fine-tuning does: the ladder from plain PAR to more, by what is still over the budget.

The first round is PAR as it was asked for, from the suspect, with the triggers that the scan inverted stamped
on half of the images. What follows depends on what is left over. An attack: the same again from the suspect
against everything inverted since, then also with a higher tau. Accuracy: more training of the best model so
far, without the push that costs it, the triggers stamped on fewer images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

HIGHEST_TAU = 3.0
_TAU_STEP = 0.2


@dataclass(frozen=True)
class Plan:
    """One round of fine-tuning.

    Attributes:
        start: which model is trained: the suspect, or the best of the rounds before.
        method: `par` (or what was asked for instead), or `finetune` to recover.
        tau_more: added to the tau that was asked for.
        rate: factor on both learning rates.
        share: of the images that carry a trigger, where any is known.
        pull: weight of the pull of those to the same images without it.
        why: in words, for the report.
    """

    start: Literal["suspect", "best"]
    method: str
    tau_more: float
    rate: float
    share: float
    pull: float
    why: str


@dataclass(frozen=True)
class Left:
    """What the best model so far is over the budget by, both in points."""

    asr: float
    drop: float


def first_plan(method: str, evidence: bool) -> Plan:
    """Of the first round; `evidence`: whether the scan of the suspect found any."""
    found = "these triggers" if evidence else "nothing"
    return Plan("suspect", method, 0.0, 1.0, 0.5, 0.0, f"the scan of the suspect found {found}")


def next_plan(method: str, left: Left, attacked: int, recovered: int) -> Plan:
    """Of a later round.

    Args:
        method: that was asked for.
        left: what is still over.
        attacked: how many rounds so far were against an attack that was left, the first not counted.
        recovered: how many were for accuracy.
    """
    if left.asr > 0:
        again = attacked + 1
        more = _TAU_STEP * attacked
        words = f"an attack is left {left.asr:.1f} points over the budget"
        if attacked == 0:
            return Plan("suspect", method, 0.0, 1.0, 0.5, 1.0, f"{words}: against all that is known by now")
        return Plan(
            "suspect", method, more, 1.0, min(0.75, 0.5 + 0.125 * attacked), 1.0,
            f"{words}: for the {again}. time, so further from the suspect",
        )  # fmt: skip
    return Plan(
        "best", "finetune", 0.0, 0.3 if recovered == 0 else 0.15, 0.25, 0.0,
        f"accuracy is {left.drop:.1f} points over the budget: recovery without the push",
    )  # fmt: skip
