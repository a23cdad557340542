"""PAR, "perturb and recover" (arXiv 2412.00727, equations 3 to 5).

With φ, ψ the encoders being cleaned and φ₀, ψ₀ the frozen suspect, on the same augmented image and the
same caption, all embeddings of unit length:

    S_img = mean over the batch of ‖φ(x) − φ₀(x)‖²      between 0 and 4, equals 2 − 2·cos
    S_txt = the same for ψ, ψ₀
    L     = L_CLIP − ½ · ( [S_img ≤ τ]·S_img + [S_txt ≤ τ]·S_txt )

The threshold is on the mean of the whole batch, as published: the loss jumps by τ/2 where S crosses τ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from clipsan.errors import UsageError
from clipsan.methods.batch import Batch, Loss, Views
from clipsan.methods.finetune import contrastive


def distance(student: Tensor, frozen: Tensor) -> Tensor:
    """S: the mean squared distance of two [b x d] batches of unit vectors, a scalar in [0, 4]."""
    return (student - frozen).square().sum(dim=-1).mean()


@dataclass(frozen=True)
class Par:
    """The published loss.

    Attributes:
        tau: S is pushed up while it is at most tau; (0, 4]. 2.15 in the paper: just past orthogonal.
    """

    tau: float = 2.15
    name: ClassVar[str] = "par"
    uses_frozen: ClassVar[bool] = True
    views: ClassVar[Views | None] = None

    def __post_init__(self) -> None:
        if not 0 < self.tau <= 4:
            raise UsageError(
                f"--tau is {self.tau:g}, but the squared distance of two unit vectors lies between 0 and 4: "
                "choose a value above 0 and at most 4 (the paper's is 2.15)"
            )

    def loss(self, batch: Batch) -> Loss:
        """L of the equations above, and the terms `clip`, `s_image`, `s_text`."""
        student, frozen = batch.student, batch.frozen
        if frozen is None:
            raise ValueError("PAR needs the embeddings of the frozen suspect")
        clip = contrastive(student, batch.logit_scale)
        s_image = distance(student.image, frozen.image)
        s_text = distance(student.text, frozen.text)
        total = clip
        for s in (s_image, s_text):
            total = total - 0.5 * torch.where(s <= self.tau, s, torch.zeros_like(s))
        terms = {"clip": clip, "s_image": s_image, "s_text": s_text}
        return Loss(total, {name: value.detach() for name, value in terms.items()})
