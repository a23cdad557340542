"""Tiny CLIPs of the transformers library with random weights, and their files as `Tensors`."""

from __future__ import annotations

import pytest
import torch
from open_clip.model import CLIP
from safetensors import safe_open

from clipsan.checkpoint.header import read_header
from clipsan.checkpoint.tensors import TensorInfo, Tensors

transformers = pytest.importorskip("transformers", reason="the transformers library is not installed")

TEXT = {
    "hidden_size": 16,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 12,
}
VISION = {
    "hidden_size": 32,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 16,
}
# name -> (changes to both towers, to the text tower, to the image tower, dtype)
KINDS = {
    "quick_gelu": ({}, {}, {}, torch.float32),
    "gelu": ({"hidden_act": "gelu"}, {"num_hidden_layers": 1}, {"patch_size": 8}, torch.float32),
    "narrow": ({}, {"intermediate_size": 40}, {"hidden_size": 48, "intermediate_size": 130}, torch.float16),
    "tanh": (
        {"hidden_act": "gelu_new", "layer_norm_eps": 1e-6},
        {"num_attention_heads": 4},
        {"num_attention_heads": 1, "image_size": 40},
        torch.bfloat16,
    ),
}


def make_config(kind: str = "quick_gelu"):
    both, text, vision, _ = KINDS[kind]
    return transformers.CLIPConfig(
        text_config=TEXT | both | text | {"projection_dim": 24},
        vision_config=VISION | both | vision | {"projection_dim": 24},
        projection_dim=24,
    )


def make_clip(kind: str = "quick_gelu"):
    """A CLIPModel, its norms and biases not at 1 and 0."""
    torch.manual_seed(0)
    model = transformers.CLIPModel(make_config(kind)).eval()
    with torch.no_grad():
        for value in model.parameters():
            value.mul_(3) if value.ndim > 1 else value.add_(0.1 * torch.randn(value.shape))
    return model.to(KINDS[kind][3])


def of_file(path) -> Tensors:
    """A safetensors file, read one tensor at a time."""

    def read(key):
        with safe_open(path, framework="pt") as file:
            return file.get_tensor(key)

    return Tensors(read_header(path).infos, read)


def of_state(state) -> Tensors:
    """A state dict in memory."""
    infos = {key: TensorInfo(tuple(t.shape), t.dtype) for key, t in state.items()}
    return Tensors(infos, state.__getitem__)


def all_of(tensors: Tensors) -> dict[str, torch.Tensor]:
    return {key: tensors.read(key) for key in tensors.infos}


def build(config, tensors: Tensors) -> CLIP:
    """An open_clip model in float32; every key must fit."""
    model = CLIP(**config.model_cfg)
    model.load_state_dict(all_of(tensors), strict=True)
    return model.eval()


def embeddings_of_transformers(model, pixels, tokens):
    """(image, text), normalised."""
    with torch.no_grad():
        found = model.float()(pixel_values=pixels, input_ids=tokens)
    return found.image_embeds, found.text_embeds


def embeddings_of_open_clip(model, pixels, tokens):
    """(image, text), normalised."""
    with torch.no_grad():
        return model.encode_image(pixels, normalize=True), model.encode_text(tokens, normalize=True)


def assert_close(one, other):
    for a, b in zip(one, other, strict=True):
        assert (a - b).abs().max() <= 1e-5
