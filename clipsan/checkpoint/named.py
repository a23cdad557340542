"""open_clip's named configurations: which of them a model is, and what they say that shapes do not."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from open_clip import factory

from clipsan.checkpoint.config import NEEDS_NETWORK, check_model_cfg
from clipsan.errors import UsageError

list_models: Callable[[], list[str]] = factory.list_models
get_model_config: Callable[[str], dict[str, Any]] = factory.get_model_config

QUICKGELU = "-quickgelu"
_VISION = {
    "layers": 12,
    "width": 768,
    "head_width": 64,
    "mlp_ratio": 4.0,
    "patch_size": 16,
    "image_size": 224,
}
_TEXT = {"context_length": 77, "vocab_size": 49408, "width": 512, "heads": 8, "layers": 12, "mlp_ratio": 4.0}
_NOT_IN_SHAPES = {"heads", "head_width", "pool_type", "final_ln_after_pool", "no_causal_mask", "eos_id"}


def lookup(arch: str) -> dict[str, Any]:
    """open_clip's configuration of a name, checked as any other.

    Raises:
        UsageError: open_clip has no such name; the nearest ones are given.
        CheckpointError: the name is of a family that this version does not load.
    """
    found = get_model_config(arch) if arch in list_models() else None
    if found is None:
        near = difflib.get_close_matches(arch, list_models(), n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "open_clip.list_models() lists its names."
        raise UsageError(f"open_clip has no architecture {arch!r:.80}; {hint}")
    return check_model_cfg(found, arch)


def names_matching(cfg: Mapping[str, Any], *, shapes_only: bool) -> list[str]:
    """Names of open_clip's configurations that equal this one, the shortest first.

    Args:
        cfg: an open_clip model configuration.
        shapes_only: compare only what tensor shapes can tell: neither heads, pooling nor the activation.
    """
    wanted = _normal(cfg, shapes_only)
    names = [name for name, known in _native_configs().items() if _normal(known, shapes_only) == wanted]
    return sorted(names, key=lambda name: (len(name), name))


def has_quickgelu_twin(name: str) -> bool:
    """True where open_clip has the same shapes with the other activation, as for all OpenAI models."""
    return name.endswith(QUICKGELU) or name + QUICKGELU in list_models()


def head_width_of_vision(width: int, layers: int, hidden: int) -> tuple[int, str] | None:
    """Channels per head of open_clip's ViT with this width, depth and MLP width, and its name.

    ViT-H, g, G and e depart from CLIP's 64. None where no name, or names that disagree, match.
    """
    found: dict[int, str] = {}
    for name, cfg in _native_configs().items():
        vision = _VISION | cfg["vision_cfg"]
        if vision["layers"] == layers and vision["width"] == width and _hidden(vision) == hidden:
            found.setdefault(int(vision["head_width"]), name)
    return next(iter(found.items())) if len(found) == 1 else None


def heads_of_text(width: int, layers: int, hidden: int) -> tuple[int, str] | None:
    """Attention heads of open_clip's text tower with this width, depth and MLP width, and a name."""
    found: dict[int, str] = {}
    for name, cfg in _native_configs().items():
        text = _TEXT | cfg["text_cfg"]
        if text["layers"] == layers and text["width"] == width and _hidden(text) == hidden:
            found.setdefault(int(text["heads"]), name)
    return next(iter(found.items())) if len(found) == 1 else None


@lru_cache(maxsize=1)
def _native_configs() -> dict[str, dict[str, Any]]:
    """open_clip's configurations with its own two towers; loads nothing."""
    configs = {}
    for name in list_models():
        cfg = get_model_config(name)
        parts = (cfg, cfg["vision_cfg"], cfg["text_cfg"])
        if not any(part.get(key) for part in parts for key in NEEDS_NETWORK if key != "hf_tokenizer_name"):
            configs[name] = cfg
    return configs


def _hidden(tower: Mapping[str, Any]) -> int:
    return int(tower["width"] * tower["mlp_ratio"])


def _normal(cfg: Mapping[str, Any], shapes_only: bool) -> dict[str, Any]:
    """A configuration with open_clip's defaults filled in, so that equal models compare equal."""
    vision, text = _VISION | cfg["vision_cfg"], _TEXT | cfg["text_cfg"]
    if isinstance(vision["layers"], (list, tuple)):
        vision |= {"patch_size": None, "layers": list(vision["layers"])}
    else:
        vision["mlp_ratio"] = _hidden(vision)
    if isinstance(vision["image_size"], list) and len(set(vision["image_size"])) == 1:
        vision["image_size"] = vision["image_size"][0]
    text["mlp_ratio"] = _hidden(text)
    for tower in (vision, text):
        scale = tower.pop("ls_init_value", None)
        tower["layer scale"] = scale is not None
        for key in [k for k, v in tower.items() if v is None or v is False or k.endswith("_pretrained")]:
            del tower[key]
    if vision.get("pool_type") == "tok":
        del vision["pool_type"]
    if text.get("pool_type") == "argmax":
        del text["pool_type"]
    normal = {"embed_dim": cfg["embed_dim"], "vision": vision, "text": text}
    if shapes_only:
        dropped = _NOT_IN_SHAPES | {"tokenizer_kwargs", "hf_tokenizer_name"}
        for part in ("vision", "text"):
            normal[part] = {k: v for k, v in normal[part].items() if k not in dropped}
    else:
        normal["quick_gelu"] = bool(cfg.get("quick_gelu"))
    return normal
