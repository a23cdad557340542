"""Location and scale that a few bad values cannot move, and the standing of a value in them."""

from __future__ import annotations

import torch
from torch import Tensor

MAD_TO_SD = 1.4826
"""Median absolute deviation to standard deviation, for a normal distribution."""

OUTLIER_Z = 3.5
"""The usual cut for such a z (Iglewicz and Hoaglin, "How to detect and handle outliers", 1993)."""


def robust_z(values: Tensor) -> Tensor:
    """(value - median) / (1.4826 MAD), float64 [n]; zeros where more than half of the values are equal.

    Up to half of the values may be anything without moving the rest (breakdown point 1/2; Rousseeuw and
    Croux, "Alternatives to the median absolute deviation", 1993).
    """
    if not len(values):
        return torch.zeros(0, dtype=torch.float64)
    apart = values.double() - values.double().median()
    scale = MAD_TO_SD * float(apart.abs().median())
    return apart / scale if scale > 0 else torch.zeros_like(apart)


def worst(flagged: Tensor, scores: Tensor, most: int) -> Tensor:
    """The `most` flagged places with the highest scores, as bool [n]."""
    places = flagged.nonzero()[:, 0]
    order = scores[places].argsort(descending=True, stable=True)[: max(0, most)]
    kept = torch.zeros_like(flagged)
    kept[places[order]] = True
    return kept
