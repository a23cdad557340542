"""From a checked configuration and the tensors of a file to a model, without allocating on trust.

Only when every key and shape of the skeleton agrees with the file are the numbers read, one tensor at a
time, and put in place.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from open_clip.model import set_model_preprocess_cfg
from torch import Tensor, nn

from clipsan.checkpoint.architecture import architecture_name
from clipsan.checkpoint.skeleton import compare_keys, expected_tensors, fitting_skeleton, skeleton, unfilled
from clipsan.checkpoint.suspect import Candidate, Suspect, image_size_of
from clipsan.checkpoint.tensors import Tensors, name_some
from clipsan.errors import CheckpointError

LEFT_TO_ONE_THREAD = 1 << 15  # numbers; torch's grain


def build(
    model_cfg: Mapping[str, Any], preprocess_cfg: Mapping[str, Any], tensors: Tensors, where: str
) -> nn.Module:
    """Make an open_clip model in float32 on the CPU, in eval mode, holding the file's tensors.

    Args:
        model_cfg: checked open_clip model configuration.
        preprocess_cfg: mean, std, interpolation, resize mode; attached to the model as open_clip does.
        tensors: the file's tensors; read one by one.
        where: the file's name, for error sentences.

    Raises:
        CheckpointError: missing, unexpected or misshaped keys (all named together), a dtype that is no
            weight's, or a value that is not finite.
    """
    model = fitting_skeleton(model_cfg, tensors.infos, where)
    expected = expected_tensors(model)
    compare_keys(expected, tensors.infos, where)
    weights = {key: _number(tensors, key, info.dtype, where) for key, info in expected.items()}
    return _filled(model, weights, model_cfg, preprocess_cfg)


def with_candidate(suspect: Suspect, candidate: Candidate) -> Suspect:
    """The same weights (shared, not copied) built in another way that fits them; for measuring.

    `candidates` is left as it was, and the evidence says that the caller chose.
    """
    cfg, preprocess = copy.deepcopy(candidate.model_cfg), copy.deepcopy(candidate.preprocess_cfg)
    weights = {key: t.detach() for key, t in suspect.model.state_dict().items()}
    model = _filled(skeleton(cfg, suspect.provenance.path), weights, cfg, preprocess)
    kept = tuple(line for line in suspect.provenance.evidence if not line.startswith("undecided"))
    provenance = dataclasses.replace(
        suspect.provenance,
        architecture=architecture_name(cfg),
        evidence=(*kept, f"{candidate.label}: chosen by the caller"),
    )
    return dataclasses.replace(
        suspect, model=model, model_cfg=cfg, preprocess_cfg=preprocess, provenance=provenance
    )


def _number(tensors: Tensors, key: str, wanted: torch.dtype, where: str) -> Tensor:
    """One tensor as its own memory in the model's dtype (float32, or int64 for counters), finite."""
    found = tensors.read(key)
    if tensors.owned and found.dtype == wanted:
        value = found
    else:
        value = torch.empty(found.shape, dtype=wanted).copy_(found)  # a copy: the file's memory can change
    if not all_finite(value):
        bad = int((~torch.isfinite(value)).sum())
        raise CheckpointError(
            f"{where}: {key} holds {bad} values that are not finite in float32 (NaN or infinity);"
            " the checkpoint is damaged, use another one."
        )
    return value


def all_finite(value: Tensor) -> bool:
    """True where no value is NaN or infinite; one pass without a mask, as minimum and maximum carry NaN."""
    if value.numel() == 0 or not value.is_floating_point():
        return True
    # in parts that torch leaves to one thread: several would spin while a hashing thread has their core, and
    # took ten times as long on two cores
    parts = value.reshape(-1).split(LEFT_TO_ONE_THREAD)
    extremes = [extreme for part in parts for extreme in torch.aminmax(part)]
    return bool(torch.isfinite(torch.stack(extremes)).all())


def _filled(
    model: nn.Module,
    weights: Mapping[str, Tensor],
    model_cfg: Mapping[str, Any],
    preprocess_cfg: Mapping[str, Any],
) -> nn.Module:
    """Put weights into a skeleton, and make the buffers that state dicts leave out."""
    model.load_state_dict(weights, strict=True, assign=True)
    _make_buffers(model, model_cfg)
    left = [name for name, t in (*model.named_parameters(), *model.named_buffers()) if t.is_meta]
    if left:
        raise CheckpointError(
            f"clipsan cannot fill {name_some(left)} of this architecture; please report it."
        )
    size = image_size_of(model_cfg)
    set_model_preprocess_cfg(model, {"size": size, "mode": "RGB", "fill_color": 0} | dict(preprocess_cfg))
    return model.eval()


def _make_buffers(model: nn.Module, model_cfg: Mapping[str, Any]) -> None:
    """The causal mask of the text tower, and tables of positions in some of timm's image towers."""
    missing = [name for name, buffer in model.named_buffers() if buffer.is_meta]
    real: dict[str, Tensor] = {}
    for name in missing:
        owner = model.get_submodule(name.rpartition(".")[0])
        if name in ("attn_mask", "text.attn_mask"):
            length = model_cfg["text_cfg"].get("context_length", 77)
            value = torch.full((length, length), -torch.inf).triu_(1)
        else:  # they follow from the architecture alone: those of a model with start values are the same
            real = real or dict(unfilled(model_cfg).named_buffers())
            value = real[name]
        owner.register_buffer(name.rpartition(".")[2], value, persistent=False)
