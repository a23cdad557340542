"""What a round of fine-tuning does: the ladder from plain PAR to more, by what is still over the budget.

The first round is PAR from the suspect, with random patterns on half of the images, the triggers that the
scan inverted stamped on half of them, and, where the text side is clean, the text tower locked (as in LiT,
Zhai et al., arXiv 2111.07991): images are pushed away from where the suspect had them and have to find back
to captions that stay, for which few pairs do. What follows depends on what is left over. An attack: the
same again from the suspect against everything inverted since, then with both towers and a higher tau.
Accuracy: the same again with another seed, and the mean of the weights of all such trainings (model soups,
Wortsman et al., arXiv 2203.05482). Training on without the push buys accuracy back as well, but brings back
with it what no scan has seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

AUGMENT = ("flip", "patterns")
"""Of every round where none is asked for: patterns weaken what no scan has found, at less cost than noise."""
HIGHEST_TAU = 3.0
_TAU_STEP = 0.2
_LOCKED_TAU_MORE = 0.35
"""Captions that stay hold images back: S_img settles near 2.4, so that a tau above it pushes to the end."""


@dataclass(frozen=True)
class Plan:
    """One round of fine-tuning.

    Attributes:
        method: of the training, from the suspect.
        tau_more: added to the tau that was asked for.
        share: of the images that carry a trigger, where any is known.
        pull: weight of the pull of those to the same images without it.
        why: in words, for the report.
        lock: whether the text tower keeps the suspect's weights; else as asked for.
        seed_more: added to the seed that was asked for.
    """

    method: str
    tau_more: float
    share: float
    pull: float
    why: str
    lock: bool = False
    seed_more: int = 0

    @property
    def averaged(self) -> bool:
        """Whether what comes out is averaged with the best model of the rounds before."""
        return self.seed_more > 0


@dataclass(frozen=True)
class Left:
    """What the best model so far is over the budget by.

    Attributes:
        asr, drop: in points.
        unfought: classes that looking back named, and that no training has fought.
    """

    asr: float
    drop: float
    unfought: tuple[str, ...] = ()


def first_plan(method: str, evidence: bool, *, lock: bool) -> Plan:
    """Of the first round; `evidence`: whether the scan of the suspect found any."""
    found = "these triggers" if evidence else "nothing"
    return Plan(method, _tau_more(lock), 0.5, 0.0, f"the scan of the suspect found {found}", lock)


def stronger(method: str, left: Left, attacked: int, *, lock: bool) -> Plan:
    """Of a round after an attack was left, or looking back named one that no training has fought.

    Args:
        method: that was asked for.
        left: what is still over.
        attacked: how many rounds so far were against an attack that was left, the first not counted.
        lock: whether the text tower may be locked.
    """
    words = (
        f"an attack is left {left.asr:.1f} points over the budget"
        if left.asr > 0
        else f"looking back named {', '.join(left.unfought)}"
    )
    if attacked == 0:
        return Plan(method, _tau_more(lock), 0.5, 1.0, f"{words}: against all that is known by now", lock)
    return Plan(
        method, _TAU_STEP * attacked, min(0.75, 0.5 + 0.125 * attacked), 1.0,
        f"{words}: for the {attacked + 1}. time, so further from the suspect",
    )  # fmt: skip


def again(plan: Plan, left: Left, averaged: int) -> Plan:
    """Of a round after too much accuracy was lost by `plan`; `averaged`: how many such rounds there were."""
    why = f"accuracy is {left.drop:.1f} points over the budget: the mean of several trainings has lost less"
    return replace(plan, why=why, seed_more=averaged + 1)


def _tau_more(lock: bool) -> float:
    """Before anything asks for a higher tau."""
    return _LOCKED_TAU_MORE if lock else 0.0
