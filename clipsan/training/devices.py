"""Where a run computes, and in which precision."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch

from clipsan.errors import UsageError
from clipsan.training.encode import Autocast, no_autocast


def choose_device(name: str) -> torch.device:
    """The device called `name`; `auto` is the first GPU, else the CPU. UsageError when it is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"--device is {name!r}, but must be auto, cpu, cuda or cuda:NUMBER") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(
            f"--device is {name!r}, but torch sees {torch.cuda.device_count()} CUDA devices here: "
            "use --device cpu, or install a torch built for this GPU"
        )
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"--device is {name!r}, but must be auto, cpu, cuda or cuda:NUMBER")
    return device


def choose_precision(name: str, device: torch.device) -> str:
    """`fp32` or `bf16`; `auto` is bf16 on a GPU that computes in it, else fp32."""
    if name != "auto":
        return name
    return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"


def autocast_for(precision: str, device: torch.device) -> Autocast:
    """A maker of the context in which encoders run."""
    if precision == "fp32":
        return no_autocast

    def bf16() -> AbstractContextManager[object]:
        return torch.autocast(device.type, dtype=torch.bfloat16)

    return bf16
