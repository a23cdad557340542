"""The two towers of a CLIP, and training with one of them locked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

IMAGE_TOWER = "visual"
"""The module that is the image tower; all others are the text tower's."""


@contextmanager
def locked(model: nn.Module, *, image: bool, text: bool) -> Iterator[None]:
    """A tower that is locked gets no gradients; whoever trains the model leaves its parameters out."""
    kept = [
        parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and (image if name.startswith(f"{IMAGE_TOWER}.") else text)
    ]
    try:
        for parameter in kept:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in kept:
            parameter.requires_grad_(True)


def trains(model: nn.Module, *, image: bool) -> bool:
    """Whether anything of the image tower, or else of the text tower, may get gradients."""
    own = [p for name, p in model.named_parameters() if name.startswith(f"{IMAGE_TOWER}.") == image]
    return not own or any(parameter.requires_grad for parameter in own)


def training_towers(model: nn.Module, lock: str) -> None:
    """Training mode for the towers that train; the one that `lock` names keeps its statistics, too."""
    model.train()
    for name, part in model.named_children():
        part.train(lock != ("image" if name == IMAGE_TOWER else "text"))
