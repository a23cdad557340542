"""Which architecture a checkpoint has: from `arch`, else its configuration, else its tensors' shapes."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clipsan.checkpoint.config import DEFAULT_PREPROCESS, Config
from clipsan.checkpoint.infer import describe, infer
from clipsan.checkpoint.named import QUICKGELU, has_quickgelu_twin, lookup, names_matching
from clipsan.checkpoint.tensors import TensorInfo
from clipsan.errors import UsageError

ACTIVATIONS = ("gelu", "quickgelu")


@dataclass(frozen=True)
class Architecture:
    """A model configuration ready to be built, and how each part of it was settled."""

    name: str
    model_cfg: dict[str, Any]
    preprocess_cfg: dict[str, Any]
    activation_settled: bool
    evidence: tuple[str, ...]


def settle(
    infos: Mapping[str, TensorInfo],
    config: Config | None,
    where: str,
    *,
    arch: str | None = None,
    activation: str | None = None,
) -> Architecture:
    """Decide on one architecture and say why.

    Args:
        infos: shape and dtype of each tensor in the file.
        config: the `open_clip_config.json` that belongs to it, where there is one.
        where: the file's name, for error sentences.
        arch: open_clip's name of an architecture; overrides the configuration and the shapes.
        activation: "gelu" or "quickgelu"; overrides what the configuration or the name say.

    Raises:
        UsageError: an unknown `arch` or `activation`.
        CheckpointError: the shapes are of no CLIP that clipsan knows.
    """
    if activation is not None and activation not in ACTIVATIONS:
        raise UsageError(f"The activation {activation!r:.40} is unknown; give gelu or quickgelu.")
    if arch is not None:
        cfg, evidence = lookup(arch), [f"architecture {arch}: from arch"]
        said = _activation_in_name(arch)
    elif config is not None:
        cfg = copy.deepcopy(config.model_cfg)
        evidence = [f"architecture: from {config.source}", *config.evidence]
        said = (config.activation, f"from {config.source}")
    else:
        cfg, evidence = _from_shapes(infos, where)
        said = None
    settled = activation is not None or said is not None
    evidence.append(_set_activation(cfg, activation, said))
    cfg, scalar = _fit_logit_scale(cfg, infos)
    preprocess = copy.deepcopy(config.preprocess_cfg if config else DEFAULT_PREPROCESS)
    origin = f"from {config.source}" if config else "OpenAI's, because no configuration says otherwise"
    return Architecture(
        architecture_name(cfg),
        cfg,
        preprocess,
        settled,
        (*evidence, *scalar, f"mean and std of the pixels: {origin}"),
    )


def architecture_name(cfg: Mapping[str, Any]) -> str:
    """open_clip's name of a configuration, activation included, or a short description."""
    names = names_matching(cfg, shapes_only=False)
    return names[0] if names else describe(cfg)


def set_quick_gelu(cfg: dict[str, Any], activation: str) -> None:
    """Write an activation into a model configuration the way open_clip does: `quick_gelu` or nothing."""
    cfg.pop("quick_gelu", None)
    if activation == "quickgelu":
        cfg["quick_gelu"] = True


def _from_shapes(infos: Mapping[str, TensorInfo], where: str) -> tuple[dict[str, Any], list[str]]:
    cfg, evidence = infer(infos, where)
    names = names_matching(cfg, shapes_only=True)
    if not names:
        return cfg, [
            f"architecture {describe(cfg)}: from the shapes, open_clip has no name for it",
            *evidence,
        ]
    known = lookup(names[0]) | {k: v for k, v in cfg.items() if k not in ("vision_cfg", "text_cfg")}
    others = f" (also {', '.join(names[1:])})" if names[1:] else ""
    return known, [f"architecture {names[0]}: its shapes are these{others}"]


def _activation_in_name(arch: str) -> tuple[str, str] | None:
    """What a name says. One that has a "-quickgelu" twin is used for both in practice, so it says nothing."""
    if arch.endswith(QUICKGELU):
        return "quickgelu", f"from the name {arch}"
    return None if has_quickgelu_twin(arch) else ("gelu", f"open_clip has {arch} with no other")


def _set_activation(cfg: dict[str, Any], asked: str | None, said: tuple[str, str] | None) -> str:
    """Write the activation into the configuration; returns the line of evidence."""
    chosen = asked or (said[0] if said else "gelu")
    set_quick_gelu(cfg, chosen)
    if asked is None:
        reason = said[1] if said else "assumed, because weights do not tell it and nothing else says it"
    elif said and said[0] != asked:
        reason = f"from the activation setting, against {said[0]} {said[1]}"
    else:
        reason = "from the activation setting"
    return f"activation {chosen}: {reason}"


def _fit_logit_scale(
    cfg: dict[str, Any], infos: Mapping[str, TensorInfo]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """open_clip has written logit_scale both as [] and as [1]; the file decides."""
    shape = infos["logit_scale"].shape if "logit_scale" in infos else ()
    if shape not in ((), (1,)) or bool(cfg.get("nonscalar_logit_scale")) == (shape == (1,)):
        return cfg, ()
    fitted = {k: v for k, v in cfg.items() if k != "nonscalar_logit_scale"}
    if shape == (1,):
        fitted["nonscalar_logit_scale"] = True
    return fitted, (f"logit_scale of shape {list(shape)}: from the file",)
