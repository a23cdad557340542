"""One table between the tensors of transformers' CLIPModel and of open_clip's CLIP with a ViT image tower.

Beside the names, three things differ: transformers keeps query, key and value apart where open_clip stacks
them into one `in_proj`; its two projections are transposed; its older files hold `position_ids`, mere counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Literal

import torch
from torch import Tensor

from clipsan.checkpoint.tensors import TensorInfo, Tensors, dtype_name, name_some
from clipsan.errors import CheckpointError, UsageError

How = Literal["same", "transposed", "query", "key", "value"]
THIRDS: tuple[How, ...] = ("query", "key", "value")  # the order in which open_clip stacks them
SIGLIP = "the same weights are on the hub in open_clip's form, e.g. hf-hub:timm/ViT-B-16-SigLIP"

IMAGE_TOWER, TEXT_TOWER = "vision_model.", "text_model."
_STACKS = (
    (f"{IMAGE_TOWER}encoder.layers.", "visual.transformer.resblocks."),
    (f"{TEXT_TOWER}encoder.layers.", "transformer.resblocks."),
)
_MODULES = (  # each with a weight and a bias
    (f"{IMAGE_TOWER}pre_layrnorm.", "visual.ln_pre."),  # the library spells it so
    (f"{IMAGE_TOWER}post_layernorm.", "visual.ln_post."),
    (f"{TEXT_TOWER}final_layer_norm.", "ln_final."),
)
_MODULES_OF_A_LAYER = (  # each with a weight and a bias
    ("layer_norm1.", "ln_1."),
    ("self_attn.out_proj.", "attn.out_proj."),
    ("layer_norm2.", "ln_2."),
    ("mlp.fc1.", "mlp.c_fc."),
    ("mlp.fc2.", "mlp.c_proj."),
)
_SINGLE: dict[str, tuple[str, How]] = {
    f"{IMAGE_TOWER}embeddings.class_embedding": ("visual.class_embedding", "same"),
    f"{IMAGE_TOWER}embeddings.patch_embedding.weight": ("visual.conv1.weight", "same"),
    f"{IMAGE_TOWER}embeddings.position_embedding.weight": ("visual.positional_embedding", "same"),
    "visual_projection.weight": ("visual.proj", "transposed"),
    f"{TEXT_TOWER}embeddings.token_embedding.weight": ("token_embedding.weight", "same"),
    f"{TEXT_TOWER}embeddings.position_embedding.weight": ("positional_embedding", "same"),
    "text_projection.weight": ("text_projection", "transposed"),
    "logit_scale": ("logit_scale", "same"),
}
_BOTH = ("weight", "bias")
_OUTER: dict[str, tuple[str, How]] = _SINGLE | {
    theirs + leaf: (ours + leaf, "same") for theirs, ours in _MODULES for leaf in _BOTH
}
_INNER: dict[str, tuple[str, How]] = {
    theirs + leaf: (ours + leaf, "same") for theirs, ours in _MODULES_OF_A_LAYER for leaf in _BOTH
} | {f"self_attn.{how[0]}_proj.{leaf}": (f"attn.in_proj_{leaf}", how) for how in THIRDS for leaf in _BOTH}
_COUNTERS = tuple(f"{tower}embeddings.position_ids" for tower in (IMAGE_TOWER, TEXT_TOWER))
_NUMBER = r"(0|[1-9][0-9]{0,3})\."
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def is_transformers(keys: Iterable[str]) -> bool:
    """True where tensors have transformers' names, those of a single tower included."""
    listed = set(keys)
    return any(key.startswith((IMAGE_TOWER, TEXT_TOWER)) for key in listed) or bool(_tower_of_bare(listed))


def to_open_clip(tensors: Tensors, where: str) -> tuple[Tensors, tuple[str, ...]]:
    """Rename to open_clip's keys. Only shapes are looked at here; numbers are read when they are asked for.

    Any part of a CLIPModel may come: `CLIPVisionModel`, `CLIPTextModel` (whose keys transformers 5 saves
    without `vision_model.` and `text_model.`), each with its projection or without. A key that is not in the
    table keeps its name, so that a strict load names it as unexpected.

    Args:
        tensors: under transformers' keys, without `module.` in front.
        where: the file's name, for error sentences.

    Returns:
        The same tensors under open_clip's keys, and the evidence: what was dropped and joined.

    Raises:
        CheckpointError: a block lacks part of its attention (transformers' key is named), its parts do not
            fit each other, or the keys are those of a SigLIP.
    """
    missing_prefix = _tower_of_bare(tensors.infos)
    sources: dict[str, dict[How, str]] = {}
    dropped = 0
    for key in tensors.infos:
        name = missing_prefix + key if _is_bare(key) else key
        if name in _COUNTERS:
            dropped += 1
        elif re.match(r"(vision|text)_model\.head\.", name):
            raise CheckpointError(
                f"{where} is a SigLIP of transformers, which clipsan does not read; {SIGLIP}."
            )
        elif (place := _place(name)) is not None:
            sources.setdefault(place[0], {})[place[1]] = key
        else:
            # a name of open_clip's among transformers' keys must not pass for the tensor that it names
            sources[f"{key} (beside keys of transformers)" if from_open_clip_key(key) else key] = {
                "same": key
            }
    _check_attention(tensors.infos, missing_prefix, sources, where)
    infos = {key: _info(tensors.infos, parts, where) for key, parts in sources.items()}

    def read(key: str) -> Tensor:
        parts = sources[key]
        if "query" in parts:
            return _stacked([(tensors.infos[parts[how]], parts[how]) for how in THIRDS], infos[key], tensors)
        how, source = next(iter(parts.items()))
        return tensors.read(source).t().contiguous() if _turns(how, infos[key]) else tensors.read(source)

    joined = sum("query" in parts for parts in sources.values())
    lines = [f"query, key and value: joined into {joined} tensors"]
    lines += [f"position_ids of {dropped} towers: dropped, they only count places"] if dropped else []
    return Tensors(infos, read, tensors.owned), tuple(lines)


def from_open_clip(
    state: Mapping[str, Tensor], dtypes: Mapping[str, torch.dtype] | None = None
) -> dict[str, Tensor]:
    """Rename the state dict of an open_clip CLIP with a ViT image tower to transformers' keys.

    Args:
        state: open_clip's keys; any device and dtype.
        dtypes: what to convert each tensor to, by open_clip's keys; its own dtype where it is not named.

    Returns:
        Contiguous tensors on the CPU, of which no two share memory; what needs no change is not copied.
        `logit_scale` is a scalar there, whichever shape it has here.

    Raises:
        UsageError: keys that a CLIPModel has no place for are named.
    """
    unknown = [key for key in state if not from_open_clip_key(key)]
    if unknown:
        raise UsageError(
            f"The layout of transformers has no place for {name_some(unknown)}; write the open_clip layout."
        )
    renamed: dict[str, Tensor] = {}
    for key, tensor in state.items():
        names, value, dtype = from_open_clip_key(key), tensor.detach(), (dtypes or {}).get(key, tensor.dtype)
        if len(names) == len(THIRDS):
            for name, part in zip(names, value.chunk(3), strict=True):
                renamed[name] = part.to("cpu", dtype, copy=True)
            continue
        value = value.to("cpu", dtype)
        if _place(names[0]) == (key, "transposed"):
            value = value.t()
        renamed[names[0]] = (value.reshape(()) if key == "logit_scale" else value).contiguous()
    return renamed


def from_open_clip_key(key: str) -> tuple[str, ...]:
    """transformers' names for a key of open_clip's: one, three for a stacked one, or none."""
    for theirs, ours in _STACKS:
        if match := re.fullmatch(re.escape(ours) + _NUMBER + "(.+)", key):
            number, inner = match.groups()
            return tuple(f"{theirs}{number}.{name}" for name, (found, _) in _INNER.items() if found == inner)
    return tuple(name for name, (found, _) in _OUTER.items() if found == key)


def _place(key: str) -> tuple[str, How] | None:
    """open_clip's key for one of transformers', and how the tensor gets there."""
    for theirs, ours in _STACKS:
        if match := re.fullmatch(re.escape(theirs) + _NUMBER + "(.+)", key):
            number, inner = match.groups()
            found = _INNER.get(inner)
            return None if found is None else (f"{ours}{number}.{found[0]}", found[1])
    return _OUTER.get(key)


def _is_bare(key: str) -> bool:
    return key.startswith(
        ("embeddings.", "encoder.", "pre_layrnorm.", "post_layernorm.", "final_layer_norm.")
    )


def _tower_of_bare(keys: Iterable[str]) -> str:
    """Which tower keys without a prefix belong to; "" where they have one, or are of another model."""
    listed = set(keys)
    if any(key.startswith((IMAGE_TOWER, TEXT_TOWER)) for key in listed):
        return ""
    # BERT's keys begin with embeddings. and encoder. as well, so these are asked for by name
    if listed & {"embeddings.patch_embedding.weight", "embeddings.class_embedding", "pre_layrnorm.weight"}:
        return IMAGE_TOWER
    return TEXT_TOWER if listed & {"embeddings.token_embedding.weight", "final_layer_norm.weight"} else ""


def _check_attention(
    infos: Mapping[str, TensorInfo], missing_prefix: str, sources: Mapping[str, Mapping[How, str]], where: str
) -> None:
    """Every block that has anything needs all of its query, key and value.

    Raises:
        CheckpointError: names the missing ones as the file would name them.
    """
    needed = set()
    for key in sources:
        for _, ours in _STACKS:
            if match := re.match(re.escape(ours) + _NUMBER, key):
                needed |= {
                    name for leaf in _BOTH for name in from_open_clip_key(f"{match[0]}attn.in_proj_{leaf}")
                }
    missing = {name.removeprefix(missing_prefix) for name in needed} - infos.keys()
    if missing:
        raise CheckpointError(f"{where} lacks {name_some(missing)}; get it again.")


def _info(infos: Mapping[str, TensorInfo], parts: Mapping[How, str], where: str) -> TensorInfo:
    if "query" not in parts:
        how, source = next(iter(parts.items()))
        shape, dtype = infos[source].shape, infos[source].dtype
        return TensorInfo(shape[::-1], dtype) if _turns(how, infos[source]) else infos[source]
    thirds = [infos[parts[how]] for how in THIRDS]
    shape = thirds[0].shape
    if not shape or shape[0] == 0 or any(third.shape != shape for third in thirds):
        listed = ", ".join(f"{parts[how]} {list(infos[parts[how]].shape)}" for how in THIRDS)
        raise CheckpointError(f"{where}: the shapes of {listed} do not fit each other.")
    dtypes = {third.dtype for third in thirds}
    if len(dtypes) > 1 and not dtypes <= set(_FLOATS):
        listed = ", ".join(f"{parts[how]} {dtype_name(infos[parts[how]].dtype)}" for how in THIRDS)
        raise CheckpointError(f"{where}: the dtypes of {listed} do not fit each other.")
    return TensorInfo((3 * shape[0], *shape[1:]), reduce(torch.promote_types, dtypes))


def _turns(how: How, info: TensorInfo) -> bool:
    return how == "transposed" and len(info.shape) == 2


def _stacked(parts: list[tuple[TensorInfo, str]], info: TensorInfo, tensors: Tensors) -> Tensor:
    """Query, key and value as one tensor, with one of them in memory at a time."""
    stacked = torch.empty(info.shape, dtype=info.dtype)
    for third, (_, key) in zip(stacked.chunk(3), parts, strict=True):
        third.copy_(tensors.read(key))
    return stacked
