"""The gradient of a whole batch's loss, in the memory of a micro-batch.

A contrastive loss couples all pairs of a batch, so that adding up the gradients of small batches is not
the gradient of the large one. Cached gradients (Gao et al., arXiv 2101.06983) are: embed all micro-batches
without graph, differentiate the loss with respect to the embeddings, then embed each micro-batch again
with graph and send its share of that gradient back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext

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
from clipsan.training.processes import ALONE, Processes

_Encoded = tuple[Callable[[Tensor], Tensor], Tensor]


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
    processes: Processes = ALONE,
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
        processes: of several each has its share of the rows of images, tokens and views (`frozen` has all),
            and afterwards the gradient of the whole batch.

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

    if processes.size > 1:
        return _backward_together(model, encoded, loss_of, micro_batch, processes)
    if len(images) <= micro_batch:
        loss = loss_of([encode(inputs) for encode, inputs in encoded])
        loss.total.backward()
        return Loss(loss.total.detach(), loss.terms)

    with statistics_untouched(model):
        leaves = [in_chunks(encode, inputs, micro_batch).requires_grad_(True) for encode, inputs in encoded]
    loss = loss_of(leaves)
    # a loss need not depend on all of them; what it does not depend on gets no gradient in either way
    grads = torch.autograd.grad(loss.total, leaves, allow_unused=True)
    _send_back(encoded, grads, micro_batch)
    return Loss(loss.total.detach(), loss.terms)


def _send_back(encoded: Sequence[_Encoded], grads: Sequence[Tensor | None], micro_batch: int) -> None:
    """Embed again with graph, in parts, and add the gradient of the embeddings to the parameters'."""
    for (encode, inputs), whole in zip(encoded, grads, strict=True):
        if whole is None:
            continue
        for part, grad in zip(inputs.split(micro_batch), whole.split(micro_batch), strict=True):
            embedded = encode(part)
            if not embedded.requires_grad:
                break  # of a locked tower
            embedded.backward(grad)


def _backward_together(
    model: nn.Module,
    encoded: Sequence[_Encoded],
    loss_of: Callable[[Sequence[Tensor]], Loss],
    micro_batch: int,
    processes: Processes,
) -> Loss:
    """`backward` where `encoded` holds one process's share of the rows."""
    own: list[Tensor] = []
    cached = len(encoded[0][1]) > micro_batch
    with statistics_untouched(model) if cached else nullcontext():
        for encode, inputs in encoded:
            own.append(in_chunks(encode, inputs, micro_batch) if cached else encode(inputs))
    leaves = [processes.gathered(part).requires_grad_(True) for part in own]
    loss = loss_of(leaves)
    grads = torch.autograd.grad(loss.total, leaves, allow_unused=True)
    rows = processes.share(len(leaves[0])).rows
    shares = [None if grad is None else grad[rows] for grad in grads]
    if cached:
        _send_back(encoded, shares, micro_batch)
    else:
        used = [n for n, share in enumerate(shares) if share is not None and own[n].requires_grad]
        torch.autograd.backward([own[number] for number in used], [shares[number] for number in used])
    processes.add_gradients(model)
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
