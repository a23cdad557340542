"""A model whose pixels can be optimised: embeddings with gradients to the images, its weights untouched."""

from __future__ import annotations

from types import TracebackType

import torch
from torch import Tensor

from clipsan.checkpoint import Suspect
from clipsan.training.encode import encode_image, in_chunks, logit_scale


class PixelModel:
    """A suspect on a device, in eval mode, its parameters without gradients while the block lasts.

    with PixelModel(suspect, device) as model:
        embeddings = model.embed(pixels)   # pixels in [0, 1] may require a gradient

    Leaving the block restores which parameters take gradients, and the mode of the model.
    """

    def __init__(self, suspect: Suspect, device: torch.device, batch_size: int = 256) -> None:
        """`batch_size`: images that go through the model at once, where no gradient is asked for."""
        self.image_size = suspect.image_size
        self.device = device
        self.batch_size = batch_size
        self._model = suspect.model.to(device)
        self._mean = torch.tensor(suspect.mean, device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(suspect.std, device=device).view(1, 3, 1, 1)
        self._trained: list[bool] = []
        self._mode = False

    def __enter__(self) -> PixelModel:
        parameters = list(self._model.parameters())
        self._trained = [parameter.requires_grad for parameter in parameters]
        self._mode = self._model.training
        self._model.eval().requires_grad_(False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for parameter, trained in zip(self._model.parameters(), self._trained, strict=True):
            parameter.requires_grad_(trained)
        self._model.train(self._mode)

    @property
    def scale(self) -> float:
        """What the model multiplies cosine similarities with to get logits."""
        return float(logit_scale(self._model))

    def embed(self, pixels: Tensor) -> Tensor:
        """Unit-length float32 [b x d] of RGB pixels float32 [b x 3 x h x w] in [0, 1], on the device."""
        # channels last: a third faster through convolutions on a CPU, where the weights need not be moved
        images = ((pixels - self._mean) / self._std).contiguous(memory_format=torch.channels_last)
        return encode_image(self._model, images)

    def embed_bytes(self, pixels: Tensor) -> Tensor:
        """The same without a graph, of uint8 pixels [n x 3 x h x w] from anywhere: [n x d] on the device."""
        return in_chunks(
            lambda part: self.embed(part.to(self.device, torch.float32) / 255), pixels, self.batch_size
        )
