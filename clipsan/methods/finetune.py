"""Plain fine-tuning with the contrastive loss: the control that every defence is compared with."""

from __future__ import annotations

from dataclasses import dataclass

from open_clip.loss import ClipLoss
from torch import Tensor

from clipsan.methods.batch import Embeddings, Loss


def contrastive(student: Embeddings, logit_scale: Tensor) -> Tensor:
    """Symmetric InfoNCE over the batch (CLIP, arXiv 2103.00020, figure 3): a scalar ≥ 0."""
    value: Tensor = ClipLoss()(student.image, student.text, logit_scale)
    return value


@dataclass(frozen=True)
class FineTune:
    """L = L_CLIP."""

    name: str = "finetune"
    uses_frozen: bool = False

    def loss(self, student: Embeddings, frozen: Embeddings | None, logit_scale: Tensor) -> Loss:
        """The contrastive loss alone; `frozen` is not looked at."""
        clip = contrastive(student, logit_scale)
        return Loss(clip, {"clip": clip.detach()})
