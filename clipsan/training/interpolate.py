"""Weights between two models of one architecture (WiSE-FT, Wortsman et al., arXiv 2109.01903).

Fine-tuning for one thing costs some of another; on the line between the weights before and after, both may
be had nearly whole. BatchNorm's running averages belong to the weights in front of them, and those in between
are not the average of the averages: `with_statistics` takes them anew from images.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def between(cleaned: Mapping[str, Tensor], suspect: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """(1 − share) · cleaned + share · suspect, in [0, 1]; what is not floating is the cleaned one's.

    Raises:
        ValueError: the two do not have the same keys, or the share is out of range.
    """
    if cleaned.keys() != suspect.keys():
        raise ValueError("only models of one architecture can be interpolated")
    if not 0 <= share <= 1:
        raise ValueError(f"the share of the suspect must lie in 0..1, not at {share}")
    mixed = {}
    for key, value in cleaned.items():
        other = suspect[key].to(value.device)
        mixed[key] = torch.lerp(value, other.to(value.dtype), share) if value.is_floating_point() else value
    return mixed


def has_statistics(model: nn.Module) -> bool:
    """Whether the model keeps running averages of its activations."""
    return any(isinstance(layer, _BatchNorm) for layer in model.modules())


def with_statistics(model: nn.Module, batches: Iterable[Tensor]) -> None:
    """Take BatchNorm's running averages anew, in place: the plain mean over the batches.

    Args:
        model: its weights stay as they are; afterwards it is in eval mode.
        batches: normalised images [b x 3 x h x w] on the model's device.
    """
    layers = [layer for layer in model.modules() if isinstance(layer, _BatchNorm)]
    momenta = [layer.momentum for layer in layers]
    model.eval()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # torch then averages over all batches alike
        layer.train()
    try:
        with torch.no_grad():
            for images in batches:
                model.encode_image(images)  # type: ignore[operator]
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
        model.eval()
