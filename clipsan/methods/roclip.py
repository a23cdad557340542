"""RoCLIP (Yang, Gao, Mirzasoleiman, arXiv 2303.06854), in a form for fine-tuning.

Images and captions are seen as augmented views only. A pool P holds the embeddings of captions of earlier
batches, the oldest leaving first. On every k-th update an image is not matched with its own caption but
with the caption of the pool that is nearest to it, so that a planted image-caption pair is not repeated:

    nn_i = the p in P with the largest ⟨I_i, p⟩        without gradient
    L    = InfoNCE(I, nn) on a matching update, else L_CLIP

RoCLIP was made for training from scratch, where matching happens in every K-th epoch. Fine-tuning has few
epochs, so here it happens in every k-th update. The pool is a share of the training pairs and holds a batch
at least; it takes in the captions of every batch, after that batch is matched. The first update, which has no
pool, matches nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from clipsan.errors import UsageError
from clipsan.methods.batch import Batch, Embeddings, Loss, Views
from clipsan.methods.finetune import contrastive
from clipsan.training.state import State


def nearest(images: Tensor, pool: Tensor) -> Tensor:
    """[b x d]: of the unit vectors in `pool` [n x d] the one nearest to each of `images` [b x d]."""
    return pool[(images @ pool.T).argmax(dim=1)]


@dataclass
class RoClip:
    """The loss, and the pool that it remembers from one batch to the next.

    Attributes:
        pool: size of the pool as a share of the training pairs; above 0, at most 1.
        match_every: k, 1 or above; 1 matches on every update, as soon as there is a pool.
    """

    pool: float = 0.02
    match_every: int = 2
    name: ClassVar[str] = "roclip"
    uses_frozen: ClassVar[bool] = False
    views: ClassVar[Views | None] = Views("crop-colour-blur", instead=True)
    _texts: Tensor | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.pool <= 1:
            raise UsageError(
                f"--pool is {self.pool:g}, but is a share of the pairs: choose a number above 0 and at most 1"
            )
        if self.match_every < 1:
            raise UsageError(f"--match-every is {self.match_every}, but must be at least 1")

    def loss(self, batch: Batch) -> Loss:
        """L of the equations above, and the term `clip`: L itself. The pool then takes in the captions."""
        own = batch.student
        matched = own
        if self._texts is not None:
            self._texts = self._texts.to(own.text.device)
            if (batch.step + 1) % self.match_every == 0:
                matched = Embeddings(own.image, nearest(own.image.detach(), self._texts))
        total = contrastive(matched, batch.logit_scale)
        self._remember(own.text.detach(), batch.pairs)
        return Loss(total, {"clip": total.detach()})

    def state(self) -> State:
        """The pool, from the second batch on."""
        return State() if self._texts is None else State({"pool": self._texts})

    def load_state(self, state: State) -> None:
        """Go on with that pool, which the next batch brings to its device."""
        self._texts = state.tensors.get("pool")

    def _remember(self, texts: Tensor, pairs: int) -> None:
        size = max(len(texts), round(self.pool * pairs))
        held = texts if self._texts is None else torch.cat([self._texts, texts])
        self._texts = held[-size:].clone()
