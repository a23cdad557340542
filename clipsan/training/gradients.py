"""The gradient of a whole batch's loss, in the memory of a micro-batch.

A contrastive loss couples all pairs of a batch, so that adding up the gradients of small batches is not
the gradient of the large one. Cached gradients (Gao et al., arXiv 2101.06983) are: embed all micro-batches
without graph, differentiate the loss with respect to the embeddings, then embed each micro-batch again
with graph and send its share of that gradient back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from clipsan.methods.batch import Batch, Embeddings, Loss, Method
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
    *,
    views: tuple[Tensor, Tensor] | None = None,
    step: int = 0,
    pairs: int = 0,
) -> Loss:
    """Add the gradient of the method's loss over the batch to `model`'s parameters.

    Args:
        model: a CLIP with `encode_image`, `encode_text` and `logit_scale`.
        method: gives the loss; asked once.
        images: normalised [b x 3 x h x w].
        tokens: [b x context_length].
        frozen: the frozen suspect's embeddings of the same batch, where the method uses them.
        micro_batch: pairs that are embedded with a graph at once.
        autocast: mixed precision of the encoders; the loss itself is always float32.
        views: an augmented view of each image and of each caption, shaped as `images` and `tokens`, where
            the method wants them beside the plain ones.
        step: of the run, from 0.
        pairs: that the run trains on.

    Returns:
        The loss of the whole batch, without graph.
    """
    scale = logit_scale(model)

    def image(part: Tensor) -> Tensor:
        return encode_image(model, part, autocast)

    def text(part: Tensor) -> Tensor:
        return encode_text(model, part, autocast)

    encoded = [(image, images), (text, tokens), *zip((image, text), views or (), strict=False)]

    def loss_of(embedded: Sequence[Tensor]) -> Loss:
        plain, second = Embeddings(*embedded[:2]), Embeddings(*embedded[2:]) if views else None
        return method.loss(Batch(plain, scale, frozen, second, step, pairs))

    if len(images) <= micro_batch:
        loss = loss_of([encode(inputs) for encode, inputs in encoded])
        loss.total.backward()
        return Loss(loss.total.detach(), loss.terms)

    with statistics_untouched(model):
        leaves = [in_chunks(encode, inputs, micro_batch).requires_grad_(True) for encode, inputs in encoded]
    loss = loss_of(leaves)
    # a loss need not depend on all of them; what it does not depend on gets no gradient in either way
    grads = torch.autograd.grad(loss.total, leaves, allow_unused=True)
    for (encode, inputs), whole in zip(encoded, grads, strict=True):
        if whole is not None:
            for part, grad in zip(inputs.split(micro_batch), whole.split(micro_batch), strict=True):
                encode(part).backward(grad)
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
