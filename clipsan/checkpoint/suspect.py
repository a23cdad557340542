"""What reading a checkpoint gives: a model that may hold a backdoor, and where it came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

Family = Literal["open_clip", "transformers"]
POISONED = "poisoned"  # in the metadata of weights with a planted backdoor: "true"


@dataclass(frozen=True)
class Provenance:
    """Where the weights came from and what had to be inferred."""

    source: str  # what the user typed
    format: str  # row of the format table, e.g. "open_clip folder"
    path: str  # the weights file read
    sha256: str  # of the weights file
    revision: str | None  # commit of a hub repository
    architecture: str  # open_clip's name ("RN50"), or a short description
    evidence: tuple[str, ...]  # each thing inferred, and why
    dtype: str  # most common floating dtype in the file, e.g. "float16"
    metadata: dict[str, str]  # safetensors metadata of the file
    card: dict[str, str] = field(default_factory=dict)  # what the source's model card states: its licence
    repository: str | None = None  # the hub repository that `revision` is a commit of
    text_sha256: str | None = None  # of the model that completed an image tower alone


@dataclass(frozen=True)
class Candidate:
    """One way to build the model that nothing in the file speaks against.

    Args:
        label: what sets it apart, e.g. "quickgelu".
        model_cfg: open_clip's model configuration.
        preprocess_cfg: mean, std, interpolation and resize mode.
    """

    label: str
    model_cfg: dict[str, Any]
    preprocess_cfg: dict[str, Any]


@dataclass
class Suspect:
    """A loaded CLIP with everything needed to use it and to write it back.

    Args:
        model: `open_clip.CLIP` or `CustomTextCLIP` in float32 on the CPU, in eval mode.
        model_cfg: open_clip's model configuration, as in `open_clip_config.json`.
        preprocess_cfg: mean, std, interpolation and resize mode, as in `open_clip_config.json`.
        tokenizer: texts -> int64 [b, context_length].
        dtypes: each key's dtype in the file, for writing back.
        provenance: where it came from.
        candidates: empty where everything is settled; else all that fit alike, the first being the one
            that was built. `with_candidate` gives the others, to measure them.
        family: the library whose layout the source has, and its cleaned copy will have.
        tokenizer_files: file name -> content of a tokenizer that is not CLIP's own; goes with the model.
    """

    model: torch.nn.Module
    model_cfg: dict[str, Any]
    preprocess_cfg: dict[str, Any]
    tokenizer: Callable[[list[str]], Tensor]
    dtypes: dict[str, torch.dtype]
    provenance: Provenance
    candidates: tuple[Candidate, ...] = ()
    family: Family = "open_clip"
    tokenizer_files: dict[str, bytes] = field(default_factory=dict)

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return image_size_of(self.model_cfg)

    @property
    def mean(self) -> tuple[float, float, float]:
        """Per RGB channel, for pixels in [0, 1]."""
        red, green, blue = self.preprocess_cfg["mean"]
        return (red, green, blue)

    @property
    def std(self) -> tuple[float, float, float]:
        """Per RGB channel, for pixels in [0, 1]."""
        red, green, blue = self.preprocess_cfg["std"]
        return (red, green, blue)

    @property
    def context_length(self) -> int:
        """Tokens in one text."""
        return int(self.model_cfg["text_cfg"].get("context_length", 77))

    @property
    def activation(self) -> str:
        """ "gelu" or "quickgelu": what the model was built with."""
        return "quickgelu" if self.model_cfg.get("quick_gelu") else "gelu"


def image_size_of(model_cfg: Mapping[str, Any]) -> tuple[int, int]:
    """(height, width) in pixels of an open_clip model configuration."""
    size = model_cfg["vision_cfg"].get("image_size", 224)
    return (size, size) if isinstance(size, int) else (size[0], size[1])
