"""CLIP checkpoints in the layout of Hugging Face transformers, both ways, without that library.

Default use, reading and writing:

    config = read_clip_config(folder)                           # -> open_clip's configuration
    tensors, evidence = to_open_clip(tensors, "model.safetensors")

    check_expressible(model_cfg, preprocess_cfg)                # e.g. transformers has no CLIP with a ResNet
    weights = from_open_clip(model.state_dict())                # -> model.safetensors
    files = companion_files(model_cfg, preprocess_cfg, dtype)   # -> config.json and the others, by name

Checked in the tests against the library itself.
"""

from __future__ import annotations

from clipsan.checkpoint.transformers_clip.config import CONFIG_NAME, read_clip_config
from clipsan.checkpoint.transformers_clip.keys import (
    from_open_clip,
    is_transformers,
    to_open_clip,
)
from clipsan.checkpoint.transformers_clip.write import check_expressible, companion_files

__all__ = [
    "CONFIG_NAME",
    "check_expressible",
    "companion_files",
    "from_open_clip",
    "is_transformers",
    "read_clip_config",
    "to_open_clip",
]
