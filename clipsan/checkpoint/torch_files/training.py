"""Which of the dicts in a training file is the model's state dict, and what the file says beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clipsan.checkpoint.torch_files.records import kind_of
from clipsan.errors import CheckpointError

# Where open_clip, CleanCLIP, PAR, timm and others save a model; the first that is there is taken.
STATE_KEYS = ("state_dict", "model_state_dict", "model", "state_dict_ema")
EMA = "state_dict_ema"


def is_training(content: object) -> bool:
    """True for a dict that holds a state dict under a name of `STATE_KEYS`."""
    if not isinstance(content, dict):
        return False
    return "state_dict" in content or any(isinstance(content.get(key), dict) for key in STATE_KEYS)


def training_state(content: Mapping[Any, object], where: str) -> tuple[dict[object, object], tuple[str, ...]]:
    """The state dict of a training file, and a line for each thing that its reader should know.

    Args:
        content: `{"state_dict": ..., "epoch": ...}`, or with another name of `STATE_KEYS`.
        where: the file's name, for the error sentence.

    Raises:
        CheckpointError: its state_dict is no dict.
    """
    found = [key for key in STATE_KEYS if isinstance(content.get(key), dict)]
    chosen = "state_dict" if "state_dict" in content else found[0]
    inner = content[chosen]
    if not isinstance(inner, dict):
        raise CheckpointError(f"{where}: its {chosen} is a {kind_of(inner)}, not a dict.")
    lines = []
    if chosen == EMA:
        lines.append(f"{EMA}: taken, the average over training; the file has no other weights")
    elif chosen != "state_dict":
        lines.append(f"weights: from {chosen} in the file")
    left = [key for key in found if key != chosen]
    if left:
        lines.append(f"{' and '.join(left)}: left in the file, because {chosen} was taken")
    epoch = content.get("epoch")
    if type(epoch) is int:
        lines.append(f"trained for {epoch} epochs: from the file")
    return inner, tuple(lines)
