"""The gradient of a whole batch's loss, in the memory of a micro-batch.

A contrastive loss couples all pairs of a batch, so that adding up the gradients of small batches is not
the gradient of the large one. Cached gradients (Gao et al., arXiv 2101.06983) are: embed all micro-batches
without graph, differentiate the loss with respect to the embeddings, then embed each micro-batch again
with graph and send its share of that gradient back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

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
from clipsan.training.towers import trains


class Encoded(NamedTuple):
    """What is embedded by which tower, and whether that one is trained; a locked one has no graph."""

    encode: Callable[[Tensor], Tensor]
    inputs: Tensor
    trains: bool


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

    def tower(
        encode: Callable[[nn.Module, Tensor, Autocast], Tensor], image: bool
    ) -> tuple[Callable[[Tensor], Tensor], bool]:
        training = trains(model, image=image)

        def embed(part: Tensor) -> Tensor:
            with torch.set_grad_enabled(training and torch.is_grad_enabled()):
                return encode(model, part, autocast)

        return embed, training

    towers = (tower(encode_image, image=True), tower(encode_text, image=False))
    encoded = [
        Encoded(embed, inputs, training)
        for both in ((images, tokens), *([views] if views else []))
        for (embed, training), inputs in zip(towers, both, strict=True)
    ]

    def loss_of(embedded: Sequence[Tensor]) -> Loss:
        plain, second = Embeddings(*embedded[:2]), Embeddings(*embedded[2:]) if views else None
        return method.loss(Batch(plain, scale, frozen, second, step, pairs))

    if processes.size > 1:
        return _backward_together(model, encoded, loss_of, micro_batch, processes)
    if len(images) <= micro_batch:
        loss = loss_of([each.encode(each.inputs) for each in encoded])
        loss.total.backward()
        return Loss(loss.total.detach(), loss.terms)

    with statistics_untouched(model):
        leaves = [
            in_chunks(each.encode, each.inputs, micro_batch).requires_grad_(each.trains) for each in encoded
        ]
    loss = loss_of(leaves)
    _send_back(encoded, _gradients(loss, leaves), micro_batch)
    return Loss(loss.total.detach(), loss.terms)


def _gradients(loss: Loss, leaves: Sequence[Tensor]) -> list[Tensor | None]:
    """Of the loss by each of them; None where it does not depend on it, and for those of a locked tower."""
    learning = [leaf for leaf in leaves if leaf.requires_grad]
    found = iter(torch.autograd.grad(loss.total, learning, allow_unused=True))
    return [next(found) if leaf.requires_grad else None for leaf in leaves]


def _send_back(encoded: Sequence[Encoded], grads: Sequence[Tensor | None], micro_batch: int) -> None:
    """Embed again with graph, in parts, and add the gradient of the embeddings to the parameters'."""
    for each, whole in zip(encoded, grads, strict=True):
        if whole is not None:
            for part, grad in zip(each.inputs.split(micro_batch), whole.split(micro_batch), strict=True):
                each.encode(part).backward(grad)


def _backward_together(
    model: nn.Module,
    encoded: Sequence[Encoded],
    loss_of: Callable[[Sequence[Tensor]], Loss],
    micro_batch: int,
    processes: Processes,
) -> Loss:
    """`backward` where `encoded` holds one process's share of the rows."""
    own: list[Tensor] = []
    cached = len(encoded[0].inputs) > micro_batch
    with statistics_untouched(model) if cached else nullcontext():
        for each in encoded:
            own.append(
                in_chunks(each.encode, each.inputs, micro_batch) if cached else each.encode(each.inputs)
            )
    leaves = [
        processes.gathered(part).requires_grad_(each.trains) for part, each in zip(own, encoded, strict=True)
    ]
    loss = loss_of(leaves)
    rows = processes.share(len(leaves[0])).rows
    shares = [None if grad is None else grad[rows] for grad in _gradients(loss, leaves)]
    if cached:
        _send_back(encoded, shares, micro_batch)
    else:
        used = [number for number, share in enumerate(shares) if share is not None]
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
