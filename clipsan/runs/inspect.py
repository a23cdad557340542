"""Say what a checkpoint is, without loading anything unsafe."""

from __future__ import annotations

from pathlib import Path

from clipsan.checkpoint import Inspection
from clipsan.checkpoint import inspect as inspect_checkpoint


def inspect(model: str | Path, *, text_from: str | Path | None = None) -> Inspection:
    """Format, architecture, sizes, hash, evidence and unsafe content of a checkpoint.

    Args:
        model: a file, folder or hub name.
        text_from: for an image tower alone, the CLIP that it was trained from.

    Raises:
        CheckpointError: there is no such checkpoint, or it is broken.
    """
    return inspect_checkpoint(model, text_from=text_from)
