"""Tiny CLIPs made on the spot: real open_clip models, small enough to write many times."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import Any

import torch
from open_clip.model import CLIP

from clipsan.checkpoint.write import write_weights

TEXT = {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 1, "layers": 1}
CONFIGS = {
    "rn": {
        "embed_dim": 24,
        "vision_cfg": {"image_size": 64, "layers": [1, 2, 1, 1], "width": 4, "patch_size": None},
        "text_cfg": TEXT,
    },
    "vit": {
        "embed_dim": 24,
        "vision_cfg": {"image_size": 48, "layers": 2, "width": 128, "head_width": 64, "patch_size": 16},
        "text_cfg": TEXT,
    },
}


@dataclass
class Tiny:
    """A model with random weights, its configuration, and inputs to compare embeddings on."""

    model: CLIP
    cfg: dict[str, Any]

    @property
    def state(self):
        return self.model.state_dict()

    @property
    def pixels(self) -> torch.Tensor:
        size = self.cfg["vision_cfg"]["image_size"]
        return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(1))

    def image_embedding(self, model) -> torch.Tensor:
        with torch.no_grad():
            return model.encode_image(self.pixels)

    def text_embedding(self, model, tokenizer) -> torch.Tensor:
        with torch.no_grad():
            return model.encode_text(tokenizer(["a photo of a dog", "two red triangles, upside down"]))

    def write_folder(self, folder, **changes):
        """An open_clip folder; `changes` replace entries of model_cfg."""
        folder.mkdir(exist_ok=True)
        write_weights(folder / "open_clip_model.safetensors", self.state, {})
        cfg = {"model_cfg": self.cfg | changes}
        (folder / "open_clip_config.json").write_text(json.dumps(cfg))
        return folder


def make_tiny(kind: str, *, quick_gelu: bool = False, head_width: int | None = None) -> Tiny:
    """A tiny model: kind `rn` or `vit`."""
    cfg = CONFIGS[kind] | ({"quick_gelu": True} if quick_gelu else {})
    if head_width is not None:
        cfg["vision_cfg"] = cfg["vision_cfg"] | {"head_width": head_width}
    torch.manual_seed(0)
    model = CLIP(**copy.deepcopy(cfg)).eval()
    with torch.no_grad():
        for value in (*model.parameters(), *model.buffers()):
            if (
                value.is_floating_point() and value.ndim == 1
            ):  # biases, norms and running statistics are 0 or 1
                value.add_(0.1 * torch.rand(value.shape))
    return Tiny(model, cfg)
