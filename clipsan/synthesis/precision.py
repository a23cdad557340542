"""In which precision a model that makes pairs computes. It is never trained, so half precision is enough."""

from __future__ import annotations

import torch

from clipsan.errors import UsageError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_precision(name: str, device: torch.device) -> str:
    """`fp32`, `bf16` or `fp16`; `auto` is bf16 on a GPU that has it, fp16 on another, fp32 on the CPU.

    Raises:
        UsageError: an unknown name, or fp16 on the CPU.
    """
    if name == "auto":
        if device.type != "cuda":
            return "fp32"
        return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    if name not in DTYPES:
        raise UsageError(f"The precision {name!r:.40} is unknown; give auto, {', '.join(DTYPES)}.")
    if name == "fp16" and device.type == "cpu":
        raise UsageError("The precision fp16 is not for the CPU; give fp32 or bf16.")
    return name
