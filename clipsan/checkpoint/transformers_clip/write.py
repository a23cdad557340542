"""Which open_clip models transformers' CLIPModel can hold, and the files that go beside their weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from clipsan.checkpoint.tensors import dtype_name
from clipsan.checkpoint.transformers_clip.config import CONFIG_NAME, USUAL_EPS, USUAL_RATIO
from clipsan.checkpoint.transformers_clip.preprocessor import INTERPOLATIONS, PREPROCESSOR_NAME, RESCALE
from clipsan.checkpoint.transformers_clip.vocabulary import BEGIN, CLIP_TOKENS, END, to_json, tokenizer_files
from clipsan.errors import UsageError

OPENAI_SCALE = math.log(1 / 0.07)  # open_clip's start value of logit_scale
_BLOCK_EXTRAS = {
    "ls_init_value": "layer scale",
    "qk_norm": "norms of query and key",
    "scaled_cosine_attn": "cosine attention",
    "scale_heads": "scaled heads",
    "scale_attn_inner": "norm within its attention",
    "scale_attn": "norm after its attention",
    "scale_fc": "norm within its MLP",
}


def check_expressible(model_cfg: Mapping[str, Any], preprocess_cfg: Mapping[str, Any]) -> None:
    """Require that a CLIPModel with the same embeddings exists.

    Args:
        model_cfg: checked open_clip model configuration.
        preprocess_cfg: complete, as in `open_clip_config.json`.

    Raises:
        UsageError: one sentence with all that transformers' CLIP has no place for.
    """
    vision, text = model_cfg["vision_cfg"], model_cfg["text_cfg"]
    reasons = _of_image_tower(vision, model_cfg) + _of_text_tower(text, model_cfg)
    if model_cfg.get("custom_text"):
        reasons.append("text tower kept apart (custom_text)")
    if model_cfg.get("init_logit_bias") is not None:
        reasons.append("logit bias")
    if preprocess_cfg.get("resize_mode", "shortest") == "longest":
        reasons.append("images padded to a square (resize_mode longest)")
    if reasons:
        raise UsageError(
            f"The CLIP of transformers has no {', no '.join(dict.fromkeys(reasons))}; write the open_clip"
            " layout."
        )


def companion_files(
    model_cfg: Mapping[str, Any], preprocess_cfg: Mapping[str, Any], dtype: torch.dtype | None = None
) -> dict[str, bytes]:
    """Configuration, image processor and tokenizer: what `from_pretrained` reads beside the weights.

    Args:
        model_cfg: checked open_clip model configuration.
        preprocess_cfg: complete, as in `open_clip_config.json`.
        dtype: of most weights in the file; transformers 5 loads in it, and looks at the weights where it is
            not given. Version 4 loads in float32 unless it is asked for another.

    Returns:
        File name -> content; equal settings give equal bytes.

    Raises:
        UsageError: as `check_expressible`.
    """
    check_expressible(model_cfg, preprocess_cfg)
    files = {
        CONFIG_NAME: to_json(_config(model_cfg, dtype)),
        PREPROCESSOR_NAME: to_json(_preprocessor(preprocess_cfg, _side(model_cfg["vision_cfg"]))),
    }
    return files | tokenizer_files(model_cfg["text_cfg"].get("context_length", 77))


def _of_image_tower(vision: Mapping[str, Any], model_cfg: Mapping[str, Any]) -> list[str]:
    if vision.get("timm_model_name"):
        return ["image tower of timm"]
    if isinstance(vision.get("layers"), list):
        return ["ResNet image tower"]
    reasons = _of_block(vision, model_cfg, "image tower")
    size = vision.get("image_size", 224)
    if not isinstance(size, int) and len(set(size)) > 1:
        reasons.append(f"images that are not square ({size[0]} x {size[1]})")
    if vision.get("no_ln_pre"):
        reasons.append("image tower without its first norm (no_ln_pre)")
    if vision.get("attentional_pool"):
        reasons.append("attentional pooling")
    if vision.get("pool_type", "tok") != "tok":
        reasons.append(f"image tower pooled by {vision['pool_type']}")
    return reasons


def _of_text_tower(text: Mapping[str, Any], model_cfg: Mapping[str, Any]) -> list[str]:
    reasons = _of_block(text, model_cfg, "text tower")
    pooled = text.get("pool_type", "argmax")
    if pooled != "argmax" and (pooled, text.get("eos_id")) != ("eos", END):
        reasons.append(f"text tower pooled by {pooled}")
    if text.get("no_causal_mask"):
        reasons.append("text tower without a causal mask")
    if text.get("proj_bias") or text.get("proj_type", "linear") != "linear":
        reasons.append("other text projection than a matrix")
    vocabulary = text.get("vocab_size", CLIP_TOKENS)
    if text.get("hf_tokenizer_name") or vocabulary != CLIP_TOKENS:
        reasons.append(f"tokenizer but CLIP's own of {CLIP_TOKENS} tokens")
    clean = (text.get("tokenizer_kwargs") or {}).get("clean", "lower")
    if clean != "lower":
        reasons.append(f"tokenizer that cleans texts otherwise ({clean})")
    return reasons


def _of_block(tower: Mapping[str, Any], model_cfg: Mapping[str, Any], name: str) -> list[str]:
    # layer scale of 0.0 is layer scale, so no test for truth
    reasons = [
        what for key, what in _BLOCK_EXTRAS.items() if not (tower.get(key) is None or tower[key] is False)
    ]
    if tower.get("block_type") not in (None, "default"):
        reasons.append("blocks of another type")
    if model_cfg.get("quick_gelu") and tower.get("act_kwargs"):
        reasons.append(f"QuickGELU with settings in its {name}")
    return reasons


def _config(model_cfg: Mapping[str, Any], dtype: torch.dtype | None) -> dict[str, Any]:
    vision, text = model_cfg["vision_cfg"], model_cfg["text_cfg"]
    quick, embed_dim = bool(model_cfg.get("quick_gelu")), model_cfg["embed_dim"]
    image_tower = _tower(vision, 768, quick) | {
        "model_type": "clip_vision_model",
        "image_size": _side(vision),
        "num_attention_heads": vision.get("width", 768) // vision.get("head_width", 64),
        "num_channels": 3,
        "patch_size": vision.get("patch_size", 16),
        "projection_dim": embed_dim,
    }
    text_tower = _tower(text, 512, quick) | {
        "model_type": "clip_text_model",
        "bos_token_id": BEGIN,
        "eos_token_id": END,
        "max_position_embeddings": text.get("context_length", 77),
        "num_attention_heads": text.get("heads", 8),
        "pad_token_id": END,
        "projection_dim": embed_dim,
        "vocab_size": CLIP_TOKENS,
    }
    # transformers 5 calls it dtype, and reads this name too
    named = {} if dtype is None else {"torch_dtype": dtype_name(dtype)}
    return named | {
        "architectures": ["CLIPModel"],
        "initializer_factor": 1.0,
        "logit_scale_init_value": model_cfg.get("init_logit_scale", OPENAI_SCALE),
        "model_type": "clip",
        "projection_dim": embed_dim,
        "text_config": text_tower,
        "vision_config": image_tower,
    }


def _tower(tower: Mapping[str, Any], default_width: int, quick: bool) -> dict[str, Any]:
    """What both towers have, under transformers' names."""
    width = tower.get("width", default_width)
    tanh = (tower.get("act_kwargs") or {}).get("approximate") == "tanh"
    return {
        "attention_dropout": 0.0,
        "hidden_act": "quick_gelu" if quick else "gelu_pytorch_tanh" if tanh else "gelu",
        "hidden_size": width,
        "initializer_factor": 1.0,
        "initializer_range": 0.02,
        "intermediate_size": int(width * tower.get("mlp_ratio", USUAL_RATIO)),
        "layer_norm_eps": (tower.get("norm_kwargs") or {}).get("eps", USUAL_EPS),
        "num_hidden_layers": tower.get("layers", 12),
    }


def _preprocessor(preprocess_cfg: Mapping[str, Any], side: int) -> dict[str, Any]:
    squash = preprocess_cfg.get("resize_mode") == "squash"
    square = {"height": side, "width": side}
    numbers = {name: number for number, name in INTERPOLATIONS.items()}
    return {
        "crop_size": square,
        "do_center_crop": not squash,
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": list(preprocess_cfg["mean"]),
        "image_processor_type": "CLIPImageProcessor",
        "image_std": list(preprocess_cfg["std"]),
        "processor_class": "CLIPProcessor",
        "resample": numbers[preprocess_cfg.get("interpolation", "bicubic")],
        "rescale_factor": RESCALE,
        "size": square if squash else {"shortest_edge": side},
    }


def _side(vision: Mapping[str, Any]) -> int:
    size = vision.get("image_size", 224)
    return size if isinstance(size, int) else int(size[0])
