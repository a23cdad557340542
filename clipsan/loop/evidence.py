"""Which of the triggers that a scan inverted stand out: the kinds that are tried, and a bar for each.

Every model gives way to some optimised pattern, so nothing is evidence by itself. A trigger is, where it
succeeds on a larger share of held-out images than its kind ever does on clean models, and where it moves its
class as it moves no other: by its robust z, the distance of its gain from the median over the classes in
median absolute deviations (Neural Cleanse, IEEE S&P 2019, which calls that an anomaly index).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from clipsan.inversion import Blend, Effort, Kind, Patch, Screening

OUTLIER = 4.0
"""Robust z from which on a gain stands out."""

_TO_DEVIATION = 1.4826  # median absolute deviations of a normal distribution in its standard deviation
_SMALLEST_SPREAD = 0.2  # logits: below it classes differ by nothing that matters

EFFORT = Effort(steps=20, images=16, lr=0.15)
SCREENING = Screening(steps=10, images=16, keep=32)


@dataclass(frozen=True)
class Rung:
    """One kind of trigger to try.

    Attributes:
        kind: of the inversion.
        bar: the attack success that is no longer what clean models give way to.
        costly: whether stamping it on images costs accuracy, so that it is only done where it is needed.
    """

    kind: Kind
    bar: float
    costly: bool


def rungs(image_size: tuple[int, int]) -> tuple[Rung, ...]:
    """A patch, a faint pattern in full resolution, and a stronger smooth one.

    The bars are for EFFORT. On the clean small ResNet that clipsan is measured with no class was above 0.08
    by a patch, 0.08 by the faint pattern and 0.37 by the smooth one.
    """
    side = min(image_size)
    return (
        Rung(Patch(max(4, side // 8)), 0.3, costly=False),
        Rung(Blend(0.04), 0.3, costly=False),
        Rung(Blend(0.12, min(16, side)), 0.5, costly=True),
    )


def outlying(gains: Sequence[float]) -> list[float]:
    """The robust z of each gain among all."""
    middle = median(gains)
    spread = _TO_DEVIATION * median(abs(gain - middle) for gain in gains)
    return [(gain - middle) / max(spread, _SMALLEST_SPREAD) for gain in gains]
