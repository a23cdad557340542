"""A model ready to be measured: pixels and texts in, unit-length embeddings out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from clipsan.checkpoint import Suspect
from clipsan.training.devices import autocast_for
from clipsan.training.encode import encode_image, encode_text, in_chunks, logit_scale
from clipsan.training.processes import ALONE, Processes


class Encoder:
    """Wraps a suspect on a device, in eval mode, in full precision unless told otherwise."""

    def __init__(
        self,
        suspect: Suspect,
        device: torch.device,
        batch_size: int = 256,
        precision: str = "fp32",
        processes: Processes = ALONE,
    ) -> None:
        """Move the model to `device`; `batch_size` items are embedded at once.

        Of several `processes` all have to ask for the same texts, which they share.
        """
        self.processes = processes
        self.suspect = suspect
        self.device = device
        self.batch_size = batch_size
        self._model = suspect.model.to(device).eval()
        self._autocast = autocast_for(precision, device)
        shape = (1, 3, 1, 1)
        self._mean = torch.tensor(suspect.mean, device=device).view(shape)
        self._std = torch.tensor(suspect.std, device=device).view(shape)

    @property
    def scale(self) -> float:
        """What the model multiplies cosine similarities with to get logits."""
        return float(logit_scale(self._model))

    def images(self, pixels: Tensor) -> Tensor:
        """float32 [b x d] on the CPU, of uint8 pixels [b x 3 x h x w]."""

        def encode(part: Tensor) -> Tensor:
            return encode_image(self._model, self.prepared(part), self._autocast).cpu()

        return in_chunks(encode, pixels, self.batch_size)

    def prepared(self, pixels: Tensor) -> Tensor:
        """What the model takes: normalised float32 on its device, of uint8 [b x 3 x h x w]."""
        return pixels.to(self.device).to(torch.float32).div_(255).sub_(self._mean).div_(self._std)

    def texts(self, texts: Sequence[str]) -> Tensor:
        """float32 [n x d] on the CPU."""

        def encode(part: Tensor) -> Tensor:
            return encode_text(self._model, part.to(self.device), self._autocast).cpu()

        return self.processes.in_chunks(encode, self.suspect.tokenizer(list(texts)), self.batch_size)

    def classifier(self, classnames: Sequence[str], templates: Sequence[str]) -> Tensor:
        """Zero-shot weights float32 [classes x d]: normalised mean over templates (CLIP, section 3.1.4)."""
        texts = [fill(template, name) for name in classnames for template in templates]
        embeddings = self.texts(texts).view(len(classnames), len(templates), -1).mean(dim=1)
        return torch.nn.functional.normalize(embeddings, dim=-1)


def fill(template: str, name: str) -> str:
    """Put a class name into `{c}` or `{}`; never `str.format`, since templates come from files."""
    return template.replace("{c}", name).replace("{}", name)
