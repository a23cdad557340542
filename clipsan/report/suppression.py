"""Gone, or only suppressed? A backdoor whose trigger no longer wins, but still pulls to its target.

A trigger that means nothing to a model moves it towards the target no further than towards any other class:
what it covers or blurs brings all of them nearer. The target of a living backdoor stands out. So the
classes themselves are the control group, and no reference model is needed (after the outlier test among
classes of Neural Cleanse, Wang et al. 2019, with ranks in place of a fitted spread).
"""

from __future__ import annotations

from clipsan.report.found import proven
from clipsan.report.measures import Pull, Role
from clipsan.report.schema import Thresholds, TriggerResult

LEVEL = 0.05
"""The share of classes, the target among them, that may be pulled to at least as much; one always may."""
LEAST_CLOSED = 0.10
"""How much more of its gap the trigger must close for the target than for the median class."""
FEWEST_OTHERS = 9
"""Classes besides the target: among fewer, being the first is no evidence."""
FEWEST_PULLED = 50
"""Images: of fewer, the means say little."""


def stands_out(pull: Pull | None) -> bool:
    """Whether a trigger pulls a model to the target as it does to no ordinary class."""
    if pull is None or pull.closed is None or pull.closed_elsewhere is None:
        return False
    if pull.others < FEWEST_OTHERS or pull.n < FEWEST_PULLED:
        return False
    alike = (pull.others_above + 1) / (pull.others + 1)
    return (pull.others_above == 0 or alike <= LEVEL) and pull.closed - pull.closed_elsewhere >= LEAST_CLOSED


def suppressed(trigger: TriggerResult, role: Role, thresholds: Thresholds) -> bool:
    """Whether a trigger does not succeed on a model, yet still pulls it to the target.

    A target that was found, not given, was chosen for being pulled to, so it proves something of the cleaned
    model only, and only where it was proven on the suspect (found.py).
    """
    if _succeeds(trigger, role, thresholds) is not False:
        return False
    if not trigger.target_given and not (role == "cleaned" and proven(trigger, "suspect")):
        return False
    return stands_out(trigger.pull.of(role))


def _succeeds(trigger: TriggerResult, role: Role, thresholds: Thresholds) -> bool | None:
    """Whether the ASR is above the limit; None where it was not measured."""
    asr = trigger.asr.of(role)
    return None if asr is None or asr.rate is None else asr.rate > thresholds.max_asr
