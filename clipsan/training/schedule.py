"""PAR's learning rate (arXiv 2412.00727, appendix): it goes down from the first update on."""

from __future__ import annotations

import math

LR_END = 1e-9


def learning_rate(step: int, steps: int, lr_start: float, lr: float) -> float:
    """Rate of update `step` (0 … steps-1): linear lr_start → lr over the first half, then cosine → 1e-9."""
    half = steps // 2
    if step < half:
        return lr_start + (lr - lr_start) * step / half
    done = (step - half) / max(1, steps - half)
    return LR_END + (lr - LR_END) * 0.5 * (1 + math.cos(math.pi * done))
