"""The frozen copy of the suspect: always in eval mode, never with a graph."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from clipsan.methods import Embeddings
from clipsan.training.encode import Autocast, encode_image, encode_text, in_chunks
from clipsan.training.processes import ALONE, Processes
from clipsan.training.sharded import shard
from clipsan.training.texts import Captions
from clipsan.training.transfer import sent


class FrozenSuspect:
    """Embeds batches as the suspect did before training.

    Captions are not augmented, so each distinct one is embedded once and remembered.
    """

    def __init__(
        self,
        model: nn.Module,
        captions: Captions,
        autocast: Autocast,
        processes: Processes = ALONE,
        device: torch.device | None = None,
    ) -> None:
        """Copy `model` as it is now; `processes` share the work and, given a `device`, the copy's weights."""
        self._model = copy.deepcopy(model).eval().requires_grad_(False)
        self._sharded = device is not None
        if device is not None:
            shard(self._model, device)
        self._captions = captions
        self._autocast = autocast
        self._processes = processes

    def embed(self, images: Tensor, indices: Sequence[int], micro_batch: int) -> Embeddings:
        """Embeddings of normalised images [b x 3 x h x w] and of the captions at `indices`.

        Of several processes each gives its share of the images and gets all embeddings.

        `micro_batch` items are embedded at once.
        """

        def encode(own: Tensor) -> Tensor:
            return in_chunks(lambda part: encode_image(self._model, part, self._autocast), own, micro_batch)

        image = self._processes.encoded(encode, images, self._sharded)
        return Embeddings(image, self.text(indices, images.device, micro_batch))

    def text(self, indices: Sequence[int], device: torch.device, micro_batch: int) -> Tensor:
        """Embeddings of the captions at `indices`, [b x d] on `device`, `micro_batch` at once."""

        def encode(tokens: Tensor) -> Tensor:
            return in_chunks(
                lambda part: encode_text(self._model, sent(part, device), self._autocast), tokens, micro_batch
            )

        def embed(tokens: Tensor) -> Tensor:
            own = tokens[self._processes.share(len(tokens)).rows]
            return self._processes.encoded(encode, own, self._sharded)

        return sent(self._captions.frozen(indices, embed, device), device)
