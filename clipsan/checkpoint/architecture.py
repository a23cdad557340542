"""Which architecture a checkpoint has: from `arch`, else its configuration, else its tensors' shapes.

What none of them tells (GELU or QuickGELU, the heads of an unusual tower, the normalisation where published
weights of one name differ) is left open: `Architecture.candidates` lists every way that fits, to be measured.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clipsan.checkpoint.config import DEFAULT_PREPROCESS, Config
from clipsan.checkpoint.infer import describe, head_options, infer, is_native
from clipsan.checkpoint.named import (
    QUICKGELU,
    foreign_names,
    has_quickgelu_twin,
    is_foreign,
    lookup,
    names_matching,
    preprocess_of,
)
from clipsan.checkpoint.suspect import Candidate
from clipsan.checkpoint.tensors import TensorInfo
from clipsan.errors import UsageError

ACTIVATIONS = ("gelu", "quickgelu")
Said = tuple[str, str]  # an activation, and where it is from


@dataclass(frozen=True)
class Architecture:
    """A model configuration ready to be built, and how each part of it was settled.

    `candidates` is empty where everything is; else it lists all that fit, the first being the one here.
    """

    name: str
    model_cfg: dict[str, Any]
    preprocess_cfg: dict[str, Any]
    candidates: tuple[Candidate, ...]
    evidence: tuple[str, ...]

    @property
    def activation(self) -> str | None:
        """ "gelu" or "quickgelu"; None where it is open."""
        kinds = {activation_of(candidate.model_cfg) for candidate in self.candidates}
        return activation_of(self.model_cfg) if len(kinds) < 2 else None


def settle(
    infos: Mapping[str, TensorInfo],
    config: Config | None,
    where: str,
    *,
    arch: str | None = None,
    activation: str | None = None,
    said: Said | None = None,
) -> Architecture:
    """Decide on one architecture and say why.

    Args:
        infos: shape and dtype of each tensor in the file.
        config: the configuration that belongs to it, where there is one.
        where: the file's name, for error sentences.
        arch: open_clip's name of an architecture; overrides the configuration and the shapes.
        activation: "gelu" or "quickgelu"; overrides what anything else says.
        said: an activation that the file itself shows, and how; overrides `arch` and shapes.

    Raises:
        UsageError: an unknown `arch` or `activation`.
        CheckpointError: the shapes are of no CLIP that clipsan knows.
    """
    if activation is not None and activation not in ACTIVATIONS:
        raise UsageError(f"The activation {activation!r:.40} is unknown; give gelu or quickgelu.")
    name: str | None = None
    heads = False
    if arch is not None:
        cfg, evidence, name = lookup(arch), [f"architecture {arch}: from arch"], arch
        said = said or _activation_in_name(arch)
    elif config is not None:
        cfg = copy.deepcopy(config.model_cfg)
        evidence = [f"architecture: from {config.source}", *config.evidence]
        said = (activation_of(cfg), f"from {config.source}")
    else:
        cfg, evidence, name = _from_shapes(infos, where)
        heads = name is None
        if said is None and name is not None and is_foreign(cfg):
            said = _activation_in_name(name)
    evidence.append(_set_activation(cfg, activation, said))
    cfg, scalar = _fit_logit_scale(cfg, infos)
    pixels, line = _preprocess(config, name)
    kinds = ACTIVATIONS if activation is None and said is None else (activation_of(cfg),)
    candidates = _candidates(head_options(cfg) if heads else {"": cfg}, pixels, kinds)
    if len(candidates) > 1:
        listed = "; ".join(candidate.label for candidate in candidates)
        scalar = (*scalar, f"undecided, {len(candidates)} ways fit alike: {listed}")
    first = next(iter(pixels.values()))
    return Architecture(
        architecture_name(cfg),
        cfg,
        first,
        candidates if len(candidates) > 1 else (),
        (*evidence, *scalar, *([line] if line else [])),
    )


def architecture_name(cfg: Mapping[str, Any]) -> str:
    """open_clip's name of a configuration, activation included, or a short description."""
    names = names_matching(cfg, shapes_only=False)
    return names[0] if names else describe(cfg)


def activation_of(cfg: Mapping[str, Any]) -> str:
    """ "gelu" or "quickgelu" of a model configuration."""
    return "quickgelu" if cfg.get("quick_gelu") else "gelu"


def set_quick_gelu(cfg: dict[str, Any], activation: str) -> None:
    """Write an activation into a model configuration the way open_clip does: `quick_gelu` or nothing."""
    cfg.pop("quick_gelu", None)
    if activation == "quickgelu":
        cfg["quick_gelu"] = True
        for tower in ("vision_cfg", "text_cfg"):  # settings of GELU, which QuickGELU does not take
            cfg[tower] = {key: value for key, value in cfg[tower].items() if key != "act_kwargs"}


def _from_shapes(infos: Mapping[str, TensorInfo], where: str) -> tuple[dict[str, Any], list[str], str | None]:
    """(configuration, evidence, open_clip's name or None)."""
    foreign = [] if is_native(infos) else foreign_names(infos)
    if foreign:
        return (
            lookup(foreign[0]),
            [f"architecture {foreign[0]}: its shapes are these{_also(foreign)}"],
            foreign[0],
        )
    cfg, evidence = infer(infos, where)
    names = names_matching(cfg, shapes_only=True)
    if not names:
        line = f"architecture {describe(cfg)}: from the shapes, open_clip has no name for it"
        return cfg, [line, *evidence], None
    known = lookup(names[0]) | {k: v for k, v in cfg.items() if k not in ("vision_cfg", "text_cfg")}
    return known, [f"architecture {names[0]}: its shapes are these{_also(names)}"], names[0]


def _also(names: list[str]) -> str:
    return f" (also {', '.join(names[1:])})" if names[1:] else ""


def _candidates(
    heads: Mapping[str, dict[str, Any]], pixels: Mapping[str, dict[str, Any]], kinds: Sequence[str]
) -> tuple[Candidate, ...]:
    """Every way to build the model that nothing speaks against, the most usual one first."""
    ways = []
    for (head, cfg), (tags, preprocess), kind in itertools.product(heads.items(), pixels.items(), kinds):
        built = copy.deepcopy(cfg)
        set_quick_gelu(built, kind)
        prepared = f"pixels as for {tags}" if len(pixels) > 1 else ""
        label = ", ".join(part for part in (f"activation {kind}", head, prepared) if part)
        ways.append(Candidate(label, built, copy.deepcopy(preprocess)))
    return tuple(ways)


def _preprocess(config: Config | None, name: str | None) -> tuple[dict[str, dict[str, Any]], str]:
    """How images may be prepared: a label -> a `preprocess_cfg`, and the evidence if it is still to say."""
    if config is not None:
        told = any("pixels: " in line or "the pixels are" in line for line in config.evidence)
        line = "" if told else f"mean and std of the pixels: from {config.source}"
        return {"": config.preprocess_cfg}, line
    known = preprocess_of(name.removesuffix(QUICKGELU)) if name else {}
    if len(known) > 1:
        return known, "mean and std of the pixels: published weights of this name differ in them"
    if known:
        return known, f"mean and std of the pixels: as in open_clip's published {name}"
    origin = "OpenAI's, because no configuration says otherwise"
    return {"": copy.deepcopy(DEFAULT_PREPROCESS)}, f"mean and std of the pixels: {origin}"


def _activation_in_name(arch: str) -> Said | None:
    """What a name says. One that has a "-quickgelu" twin is used for both in practice, so it says nothing."""
    if arch.endswith(QUICKGELU):
        return "quickgelu", f"from the name {arch}"
    return None if has_quickgelu_twin(arch) else ("gelu", f"open_clip has {arch} with no other")


def _set_activation(cfg: dict[str, Any], asked: str | None, said: Said | None) -> str:
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
