"""`open_clip_config.json` from an untrusted folder, reduced to what clipsan knows to be harmless.

open_clip passes this file's keys to constructors, and some of them download (`hf_model_name`, and
`timm_model_name` with a hub's name or with weights of its own). Only the keys below pass; each value is
checked for type and range.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from clipsan.checkpoint.header import read_json
from clipsan.errors import CheckpointError

CONFIG_NAME = "open_clip_config.json"
LARGEST_CONFIG = 1 << 20  # bytes
OPENAI_MEAN = (0.48145466, 0.4578275, 0.40821073)
OPENAI_STD = (0.26862954, 0.26130258, 0.27577711)
DEFAULT_PREPROCESS: dict[str, Any] = {
    "mean": list(OPENAI_MEAN),
    "std": list(OPENAI_STD),
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}
REFUSED = {
    "hf_model_name": "a text tower from transformers",
    "multimodal_cfg": "a captioning model (CoCa)",
}

Check = Callable[[Any], bool]


def _count(largest: int) -> Check:
    return lambda v: type(v) is int and 1 <= v <= largest


def _number(low: float, high: float) -> Check:
    return lambda v: type(v) in (int, float) and math.isfinite(v) and low <= v <= high


def _one_of(*values: Any) -> Check:
    return lambda v: any(type(v) is type(known) and v == known for known in values)


def _maybe(check: Check) -> Check:
    return lambda v: v is None or check(v)


def _few(check: Check, *lengths: int) -> Check:
    return lambda v: isinstance(v, list) and len(v) in lengths and all(check(x) for x in v)


def _text(pattern: str) -> Check:
    return lambda v: isinstance(v, str) and re.fullmatch(pattern, v) is not None


def _settings(**checks: Check) -> Check:
    return lambda v: isinstance(v, dict) and all(k in checks and checks[k](x) for k, x in v.items())


def _timm_name(value: Any) -> bool:
    """A name in timm's own table of architectures, its tag of weights included: no hub address, no path."""
    return _text(r"\w+(\.\w+)?")(value) and value.partition(".")[0] in _timm_models()


@lru_cache(maxsize=1)
def _timm_models() -> frozenset[str]:
    from timm import list_models

    return frozenset(list_models())


_FLAG = _one_of(True, False)
_SIDE = _count(8192)
_BLOCK: dict[str, Check] = {
    "width": _count(65536),
    "mlp_ratio": _number(0.01, 64),
    "ls_init_value": _maybe(_number(0, 10)),
    "act_kwargs": _maybe(_settings(approximate=_one_of("none", "tanh"))),
    "norm_kwargs": _maybe(_settings(eps=_number(1e-12, 1))),
    "block_type": _maybe(_one_of("default", "custom")),
    "final_ln_after_pool": _FLAG,
    "output_tokens": _one_of(False),
    **dict.fromkeys(
        ("qk_norm", "scaled_cosine_attn", "scale_heads", "scale_attn_inner", "scale_attn", "scale_fc"), _FLAG
    ),
}
_VISION: dict[str, Check] = _BLOCK | {
    "layers": lambda v: _count(512)(v) or _few(_count(512), 4)(v),
    "image_size": lambda v: _SIDE(v) or _few(_SIDE, 2)(v),
    "patch_size": _maybe(_SIDE),
    "head_width": _count(65536),
    "patch_dropout": _number(0, 0.99),
    "no_ln_pre": _FLAG,
    "pos_embed_type": _one_of("learnable"),
    "pool_type": _one_of("tok", "avg"),
    "attentional_pool": _FLAG,
    "attn_pooler_queries": _count(8192),
    "attn_pooler_heads": _count(512),
    "timm_model_name": _timm_name,
    "timm_model_pretrained": _FLAG,  # never followed: the weights come from the checkpoint
    "timm_pool": _one_of("", "avg", "max", "avgmax", "token", "map", "abs_attn", "rot_attn"),
    "timm_proj": _maybe(_one_of("", "linear", "mlp", "none")),
    "timm_proj_bias": _FLAG,
    "timm_drop": _number(0, 0.99),
    "timm_drop_path": _maybe(_number(0, 0.99)),
}
_TEXT: dict[str, Check] = _BLOCK | {
    "layers": _count(512),
    "heads": _count(4096),
    "context_length": _count(8192),
    "vocab_size": _count(10_000_000),
    "no_causal_mask": _FLAG,
    "pool_type": _one_of("first", "last", "argmax", "eos"),
    "eos_id": _number(0, 10_000_000),
    "pad_id": _number(0, 10_000_000),
    "embed_cls": _one_of(False),
    "proj_type": _one_of("linear", "none"),
    "proj_bias": _FLAG,
    "tokenizer_kwargs": _maybe(
        _settings(clean=_one_of("lower", "canonicalize", "whitespace"), strip_sep_token=_FLAG)
    ),
    "hf_tokenizer_name": _text(r"[\w.-]+(/[\w.-]+)?"),
    "hf_model_pretrained": _FLAG,
}
_MODEL: dict[str, Check] = {
    "embed_dim": _count(65536),
    "quick_gelu": _FLAG,
    "custom_text": _FLAG,
    "init_logit_scale": _number(-100, 100),
    "init_logit_bias": _maybe(_number(-1000, 1000)),
    "nonscalar_logit_scale": _FLAG,
}
_PREPROCESS: dict[str, Check] = {
    "mean": _few(_number(-10, 10), 3),
    "std": _few(_number(1e-6, 10), 3),
    "interpolation": _one_of("bicubic", "bilinear"),
    "resize_mode": _one_of("shortest", "longest", "squash"),
    "fill_color": lambda v: type(v) is int and 0 <= v <= 255,
    "mode": _one_of("RGB"),
    "size": lambda v: _SIDE(v) or _few(_SIDE, 1, 2)(v),
}


@dataclass(frozen=True)
class Config:
    """A checked configuration: open_clip's `model_cfg`, a complete `preprocess_cfg`, and where from."""

    model_cfg: dict[str, Any]
    preprocess_cfg: dict[str, Any]
    source: str
    evidence: tuple[str, ...] = ()

    @property
    def activation(self) -> str:
        return "quickgelu" if self.model_cfg.get("quick_gelu") else "gelu"


def read_config(path: Path) -> Config:
    """Read and check one `open_clip_config.json`.

    Raises:
        CheckpointError: too large, no JSON object, an unknown key or an impossible value; the key is named.
    """
    found = read_json(path, LARGEST_CONFIG, "a configuration")
    if not isinstance(found, dict) or not isinstance(found.get("model_cfg"), dict):
        raise CheckpointError(f"{path.name} must be a JSON object with a model_cfg, as open_clip writes it.")
    ignored = sorted(set(found) - {"model_cfg", "preprocess_cfg"})
    evidence = (f"not used: {', '.join(ignored):.200} in {path.name}",) if ignored else ()
    return Config(
        check_model_cfg(found["model_cfg"], path.name),
        _preprocess(found.get("preprocess_cfg") or {}, path.name),
        path.name,
        evidence,
    )


def check_model_cfg(found: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A copy of an open_clip model configuration that is known to build without network.

    Raises:
        CheckpointError: a part that this version does not load, an unknown key, or an impossible value.
    """
    vision, text = found.get("vision_cfg"), found.get("text_cfg")
    if not isinstance(vision, dict) or not isinstance(text, dict) or "embed_dim" not in found:
        raise CheckpointError(f"{where}: its model_cfg needs embed_dim, vision_cfg and text_cfg.")
    for part in (vision, text, found):
        for key, what in REFUSED.items():
            if part.get(key):
                raise CheckpointError(
                    f"{where} asks for {what} ({key}), which this version does not load;"
                    " it loads CLIPs with open_clip's own text tower and an image tower of open_clip or timm."
                )
    rest = {key: value for key, value in found.items() if key not in ("vision_cfg", "text_cfg")}
    checked = _checked(rest, _MODEL, f"{where}: model_cfg")
    checked["vision_cfg"] = _checked(vision, _VISION, f"{where}: vision_cfg")
    checked["text_cfg"] = _checked(text, _TEXT, f"{where}: text_cfg")
    checked["vision_cfg"].pop("timm_model_pretrained", None)
    return checked


def full_preprocess(found: Mapping[str, Any]) -> dict[str, Any]:
    """A complete `preprocess_cfg` of open_clip's own table of weights."""
    given = {
        key: list(v) if isinstance(v, tuple) else v for key, v in found.items() if key in DEFAULT_PREPROCESS
    }
    return DEFAULT_PREPROCESS | given


def _preprocess(found: object, where: str) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise CheckpointError(f"{where}: preprocess_cfg must be a JSON object.")
    given = {key: value for key, value in found.items() if value is not None}
    checked = _checked(given, _PREPROCESS, f"{where}: preprocess_cfg")
    checked.pop("size", None)  # open_clip takes the model's image_size as well
    return DEFAULT_PREPROCESS | checked


def _checked(found: Mapping[str, Any], checks: Mapping[str, Check], where: str) -> dict[str, Any]:
    """The entries of one table, without those that are refused when on and are off, or null names."""
    kept = {
        key: value
        for key, value in found.items()
        if key not in REFUSED and not (value is None and key in ("timm_model_name", "hf_tokenizer_name"))
    }
    unknown = sorted(set(kept) - set(checks))
    if unknown:
        raise CheckpointError(
            f"{where} has the unknown key {', '.join(unknown):.200}; remove it or use arch."
        )
    for key, value in kept.items():
        if not checks[key](value):
            raise CheckpointError(f"{where} has {key} = {value!r:.80}, which cannot be right for a CLIP.")
    return kept
