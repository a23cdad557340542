"""open_clip's named configurations: which of them a model is, and what they say that shapes do not."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from open_clip import factory
from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model

from clipsan.checkpoint.config import REFUSED, Config, check_model_cfg, full_preprocess
from clipsan.checkpoint.skeleton import expected_tensors, skeleton
from clipsan.checkpoint.tensors import TensorInfo
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
    known_ones = _native_configs().items() if shapes_only else _configs()
    names = [name for name, known in known_ones if _normal(known, shapes_only) == wanted]
    return sorted(names, key=lambda name: (len(name), name))


def has_quickgelu_twin(name: str) -> bool:
    """True where open_clip has the same shapes with the other activation, as for all OpenAI models."""
    return name.endswith(QUICKGELU) or name + QUICKGELU in list_models()


def foreign_names(infos: Mapping[str, TensorInfo]) -> list[str]:
    """Names of open_clip's models with a tower of timm or a text tower apart whose every shape is the file's.

    The text tower's sizes choose which are tried at all; those are built without memory and compared.
    """
    found = []
    shapes = {key: info.shape for key, info in infos.items()}
    for name, cfg in _configs():
        if is_foreign(cfg) and _text_shapes(cfg).items() <= shapes.items():
            expected = expected_tensors(skeleton(check_model_cfg(cfg, name), name))
            if {key: info.shape for key, info in expected.items()} == shapes:
                found.append(name)
    return sorted(found, key=lambda name: (len(name), name))


def preprocess_of(name: str) -> dict[str, dict[str, Any]]:
    """How the images of a name's published weights are prepared: tags -> a complete `preprocess_cfg`.

    Tags that agree share an entry, "openai, laion400m_e31". Empty where open_clip knows no weights.
    """
    tags: dict[str, list[str]] = {}
    kinds: dict[str, dict[str, Any]] = {}
    for tag in list_pretrained_tags_by_model(name):
        kind = full_preprocess(get_pretrained_cfg(name, tag))
        kinds[str(kind)] = kind
        tags.setdefault(str(kind), []).append(tag)
    return {", ".join(tags[text]): kind for text, kind in kinds.items()}


def pretrained_source(source: str) -> tuple[str, Config] | None:
    """`ViT-B-32/openai` -> the hub's repository or file of these weights, and what open_clip says of them.

    None where open_clip has no such pair of architecture and tag.
    """
    name, _, tag = source.partition("/")
    if name not in list_models() or tag not in list_pretrained_tags_by_model(name):
        return None
    known = get_pretrained_cfg(name, tag)
    cfg = lookup(name)
    if known.get("quick_gelu"):
        cfg["quick_gelu"] = True
    return str(known["hf_hub"]).rstrip("/"), Config(cfg, full_preprocess(known), f"open_clip's {source}")


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
    """open_clip's configurations with its own two towers, whose shapes `infer` can read; loads nothing."""
    return {name: cfg for name, cfg in _configs() if not is_foreign(cfg)}


def _configs() -> Iterator[tuple[str, dict[str, Any]]]:
    """All of open_clip's configurations that clipsan can build."""
    for name in list_models():
        cfg = get_model_config(name)
        if not any(part.get(key) for part in (cfg, cfg["vision_cfg"], cfg["text_cfg"]) for key in REFUSED):
            yield name, cfg


def is_foreign(cfg: Mapping[str, Any]) -> bool:
    """True for an image tower of timm or a text tower kept apart: known by name, not read off shapes."""
    return bool(cfg["vision_cfg"].get("timm_model_name") or cfg.get("custom_text"))


def _text_shapes(cfg: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Shapes of two tensors of the text tower, enough to tell most configurations apart."""
    text = _TEXT | cfg["text_cfg"]
    prefix = "text." if cfg.get("custom_text") else ""
    return {
        f"{prefix}token_embedding.weight": (text["vocab_size"], text["width"]),
        f"{prefix}positional_embedding": (text["context_length"], text["width"]),
    }


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
    normal: dict[str, Any] = {"embed_dim": cfg["embed_dim"], "vision": vision, "text": text}
    if shapes_only:
        dropped = _NOT_IN_SHAPES | {"tokenizer_kwargs", "hf_tokenizer_name"}
        for part in ("vision", "text"):
            normal[part] = {k: v for k, v in normal[part].items() if k not in dropped}
    else:
        normal |= {key: bool(cfg.get(key)) for key in ("quick_gelu", "custom_text")}
    return normal
