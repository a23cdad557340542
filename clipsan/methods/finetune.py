"""Plain fine-tuning with the contrastive loss: the control that every defence is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from open_clip.loss import ClipLoss
from torch import Tensor

from clipsan.methods.batch import Batch, Embeddings, Loss, Views


def contrastive(student: Embeddings, logit_scale: Tensor) -> Tensor:
    """Symmetric InfoNCE over the batch (CLIP, arXiv 2103.00020, figure 3): a scalar ≥ 0."""
    value: Tensor = ClipLoss()(student.image, student.text, logit_scale)
    return value


@dataclass(frozen=True)
class FineTune:
    """L = L_CLIP."""

    name: ClassVar[str] = "finetune"
    uses_frozen: ClassVar[bool] = False
    views: ClassVar[Views | None] = None

    def loss(self, batch: Batch) -> Loss:
        """The contrastive loss alone."""
        clip = contrastive(batch.student, batch.logit_scale)
        return Loss(clip, {"clip": clip.detach()})
