"""Unit-length embeddings from a CLIP model, in chunks, with or without a graph."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Autocast = Callable[[], AbstractContextManager[object]]


def no_autocast() -> AbstractContextManager[object]:
    """Full precision."""
    return nullcontext()


def encode_image(model: nn.Module, images: Tensor, autocast: Autocast = no_autocast) -> Tensor:
    """Unit-length float32 [b x d] of normalised images [b x 3 x h x w]."""
    with autocast():
        features = model.encode_image(images)  # type: ignore[operator]
    return F.normalize(features.float(), dim=-1)


def encode_text(model: nn.Module, tokens: Tensor, autocast: Autocast = no_autocast) -> Tensor:
    """Unit-length float32 [b x d] of token ids [b x context_length]."""
    with autocast():
        features = model.encode_text(tokens)  # type: ignore[operator]
    return F.normalize(features.float(), dim=-1)


def logit_scale(model: nn.Module) -> Tensor:
    """The factor of the similarities in the contrastive loss: exp of CLIP's parameter, a scalar, no graph."""
    parameter = model.get_parameter("logit_scale")
    return parameter.detach().exp()


def in_chunks(encode: Callable[[Tensor], Tensor], inputs: Tensor, size: int) -> Tensor:
    """`encode` without graph over `inputs`, `size` rows at a time: [n x d]."""
    with torch.no_grad():
        return torch.cat([encode(part) for part in inputs.split(size)])
