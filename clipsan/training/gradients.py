"""The gradient of a whole batch's loss, in the memory of a micro-batch.

A contrastive loss couples all pairs of a batch, so that adding up the gradients of small batches is not
the gradient of the large one. Cached gradients (Gao et al., arXiv 2101.06983) are: embed all micro-batches
without graph, differentiate the loss with respect to the embeddings, then embed each micro-batch again
with graph and send its share of that gradient back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from clipsan.methods.batch import Embeddings, Loss, Method
from clipsan.training.encode import (
    Autocast,
    encode_image,
    encode_text,
    in_chunks,
    logit_scale,
    no_autocast,
)


def backward(
    model: nn.Module,
    method: Method,
    images: Tensor,
    tokens: Tensor,
    frozen: Embeddings | None,
    micro_batch: int,
    autocast: Autocast = no_autocast,
) -> Loss:
    """Add the gradient of the method's loss over the batch to `model`'s parameters.

    Args:
        model: a CLIP with `encode_image`, `encode_text` and `logit_scale`.
        method: gives the loss.
        images: normalised [b x 3 x h x w].
        tokens: [b x context_length].
        frozen: the frozen suspect's embeddings of the same batch, where the method uses them.
        micro_batch: pairs that are embedded with a graph at once.
        autocast: mixed precision of the encoders; the loss itself is always float32.

    Returns:
        The loss of the whole batch, without graph.
    """
    scale = logit_scale(model)
    if len(images) <= micro_batch:
        student = Embeddings(encode_image(model, images, autocast), encode_text(model, tokens, autocast))
        loss = method.loss(student, frozen, scale)
        loss.total.backward()
        return Loss(loss.total.detach(), loss.terms)

    with statistics_untouched(model):
        student = Embeddings(
            in_chunks(lambda part: encode_image(model, part, autocast), images, micro_batch),
            in_chunks(lambda part: encode_text(model, part, autocast), tokens, micro_batch),
        )
    for leaf in (student.image, student.text):
        leaf.requires_grad_(True)
    loss = method.loss(student, frozen, scale)
    image_grad, text_grad = torch.autograd.grad(loss.total, (student.image, student.text))
    for part, grad in zip(images.split(micro_batch), image_grad.split(micro_batch), strict=True):
        encode_image(model, part, autocast).backward(grad)
    for part, grad in zip(tokens.split(micro_batch), text_grad.split(micro_batch), strict=True):
        encode_text(model, part, autocast).backward(grad)
    return Loss(loss.total.detach(), loss.terms)


@contextmanager
def statistics_untouched(model: nn.Module) -> Iterator[None]:
    """BatchNorm in training mode sees each micro-batch twice, but may count it into its averages once."""
    layers = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.training]
    before = [layer.track_running_stats for layer in layers]
    try:
        for layer in layers:
            layer.track_running_stats = False
        yield
    finally:
        for layer, tracked in zip(layers, before, strict=True):
            layer.track_running_stats = tracked
