"""CleanCLIP (Bansal et al., arXiv 2303.03323, section 4): realign each modality with itself.

With I, T the unit-length embeddings of b images and their captions, Ĩ, T̃ those of an augmented view of
each, and s the logit scale:

    L_II = −1/b · Σ_i log( exp(s·⟨I_i, Ĩ_i⟩) / Σ_j exp(s·⟨I_i, Ĩ_j⟩) )
    L_TT = the same for T, T̃
    L    = L_CLIP + λ · ½ · ( L_II + L_TT )

An image and its trigger are then no longer tied to the caption alone. Published: λ = 1, AutoAugment for
images (arXiv 1805.09501), EDA for captions (arXiv 1901.11196); the views are not part of L_CLIP.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from clipsan.errors import UsageError
from clipsan.methods.batch import Batch, Loss, Views
from clipsan.methods.finetune import contrastive


def in_modal(plain: Tensor, view: Tensor, logit_scale: Tensor) -> Tensor:
    """L_II of two [b x d] batches of unit vectors, a scalar ≥ 0: each row of `plain` finds its own view."""
    logits = logit_scale * plain @ view.T
    return F.cross_entropy(logits, torch.arange(len(plain), device=plain.device))


@dataclass(frozen=True)
class CleanClip:
    """The published loss.

    Attributes:
        in_modal: λ, the weight of the terms within a modality; 0 or above, 1 in the paper.
    """

    in_modal: float = 1.0
    name: ClassVar[str] = "cleanclip"
    uses_frozen: ClassVar[bool] = False
    views: ClassVar[Views | None] = Views("autoaugment", instead=False)

    def __post_init__(self) -> None:
        if not (self.in_modal >= 0 and math.isfinite(self.in_modal)):
            raise UsageError(
                f"--in-modal is {self.in_modal:g}, but is a weight: choose a number from 0 (the paper's is 1)"
            )

    def loss(self, batch: Batch) -> Loss:
        """L of the equations above, and the terms `clip`, `in_modal_image`, `in_modal_text`."""
        plain, views, scale = batch.student, batch.views, batch.logit_scale
        if views is None:
            raise ValueError("CleanCLIP needs the embeddings of augmented views")
        terms = {
            "clip": contrastive(plain, scale),
            "in_modal_image": in_modal(plain.image, views.image, scale),
            "in_modal_text": in_modal(plain.text, views.text, scale),
        }
        total = terms["clip"] + self.in_modal * 0.5 * (terms["in_modal_image"] + terms["in_modal_text"])
        return Loss(total, {name: value.detach() for name, value in terms.items()})
