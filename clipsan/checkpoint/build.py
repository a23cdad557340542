"""From a checked configuration and the tensors of a file to a model, without allocating on trust.

The model is first made on torch's meta device, which has shapes but no memory. Only when every key and
shape agrees with the file are the numbers read, one tensor at a time, and put in place.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import torch
from open_clip.model import CLIP, set_model_preprocess_cfg
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor, nn

from clipsan.checkpoint.architecture import ACTIVATIONS, architecture_name, set_quick_gelu
from clipsan.checkpoint.suspect import Suspect, image_size_of
from clipsan.checkpoint.tensors import TensorInfo, Tensors, dtype_name, name_some
from clipsan.errors import CheckpointError, UsageError

VOCABULARY = 49408  # of open_clip's SimpleTokenizer
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def build(
    model_cfg: Mapping[str, Any], preprocess_cfg: Mapping[str, Any], tensors: Tensors, where: str
) -> nn.Module:
    """Make an `open_clip.CLIP` in float32 on the CPU, in eval mode, holding the file's tensors.

    Args:
        model_cfg: checked open_clip model configuration.
        preprocess_cfg: mean, std, interpolation, resize mode; attached to the model as open_clip does.
        tensors: the file's tensors; read one by one.
        where: the file's name, for error sentences.

    Raises:
        CheckpointError: missing, unexpected or misshaped keys (all named together), a dtype that is no
            weight's, or a value that is not finite.
    """
    model = _skeleton(model_cfg, where)
    expected = {key: TensorInfo(tuple(t.shape), t.dtype) for key, t in model.state_dict().items()}
    compare_keys(expected, tensors.infos, where)
    weights = {key: _number(tensors, key, info.dtype, where) for key, info in expected.items()}
    return _filled(model, weights, model_cfg, preprocess_cfg)


def with_activation(suspect: Suspect, name: str) -> Suspect:
    """The same weights (copied) under the activation `name`, "gelu" or "quickgelu".

    `activation_settled` is left as it was: this is for measuring both.

    Raises:
        UsageError: another name.
    """
    if name not in ACTIVATIONS:
        raise UsageError(f"The activation {name!r:.40} is unknown; give gelu or quickgelu.")
    cfg = copy.deepcopy(suspect.model_cfg)
    set_quick_gelu(cfg, name)
    weights = {key: t.detach().cpu().clone() for key, t in suspect.model.state_dict().items()}
    model = _filled(_skeleton(cfg, suspect.provenance.path), weights, cfg, suspect.preprocess_cfg)
    kept = tuple(line for line in suspect.provenance.evidence if not line.startswith("activation "))
    provenance = dataclasses.replace(
        suspect.provenance,
        architecture=architecture_name(cfg),
        evidence=(*kept, f"activation {name}: chosen by the caller"),
    )
    return dataclasses.replace(suspect, model=model, model_cfg=cfg, provenance=provenance)


def make_tokenizer(model_cfg: Mapping[str, Any], where: str) -> Callable[[list[str]], Tensor]:
    """open_clip's SimpleTokenizer for this model: texts -> int64 [b, context_length].

    Raises:
        CheckpointError: the vocabulary is not CLIP's 49408 tokens, so another tokenizer is needed.
    """
    check_vocabulary(model_cfg, where)
    text = model_cfg["text_cfg"]
    tokenizer: Callable[[list[str]], Tensor] = SimpleTokenizer(
        context_length=text.get("context_length", 77), **(text.get("tokenizer_kwargs") or {})
    )
    return tokenizer


def check_vocabulary(model_cfg: Mapping[str, Any], where: str) -> None:
    """Require the vocabulary of CLIP's own tokenizer.

    Raises:
        CheckpointError: it has another size, so another tokenizer is needed.
    """
    vocabulary = model_cfg["text_cfg"].get("vocab_size", VOCABULARY)
    if vocabulary != VOCABULARY:
        raise CheckpointError(
            f"{where} has a vocabulary of {vocabulary} tokens, not the {VOCABULARY} of CLIP's tokenizer;"
            " models with another tokenizer are not supported in this version."
        )


def compare_keys(expected: Mapping[str, TensorInfo], found: Mapping[str, TensorInfo], where: str) -> None:
    """Require the same keys with the same shapes and fitting dtypes.

    Raises:
        CheckpointError: lists what is missing, unexpected, misshaped and of a wrong dtype, sorted, together.
    """
    shared = expected.keys() & found.keys()
    misshaped = [
        f"{key} {list(found[key].shape)} instead of {list(expected[key].shape)}"
        for key in shared
        if found[key].shape != expected[key].shape
    ]
    mistyped = [
        f"{key} {dtype_name(found[key].dtype)}"
        for key in shared
        if found[key].dtype not in (FLOATS if expected[key].dtype.is_floating_point else (torch.int64,))
    ]
    faults = {
        "missing": expected.keys() - found.keys(),
        "unexpected": found.keys() - expected.keys(),
        "of another shape": misshaped,
        "of a dtype that clipsan does not take": mistyped,
    }
    listed = "; ".join(f"{fault}: {name_some(names)}" for fault, names in faults.items() if names)
    if listed:
        raise CheckpointError(f"The keys of {where} do not fit its architecture; {listed}.")


def _skeleton(model_cfg: Mapping[str, Any], where: str) -> nn.Module:
    """The model on the meta device: shapes without memory."""
    cfg = copy.deepcopy(dict(model_cfg))
    _check_image_size(cfg, where)
    try:
        with torch.device("meta"):
            model: nn.Module = CLIP(**cfg)
    except (TypeError, ValueError, AssertionError, RuntimeError, ArithmeticError, AttributeError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise CheckpointError(
            f"open_clip cannot build the configuration of {where} ({reason:.160}); check its numbers."
        ) from None
    return model


def _check_image_size(cfg: dict[str, Any], where: str) -> None:
    """Refuse sizes that build but cannot run: open_clip finds out at the first image."""
    height, width = image_size_of(cfg)
    vision = cfg["vision_cfg"]
    if isinstance(vision.get("layers"), list):
        # A ResNet halves five times, rounding up once; its attention pool expects size // 32 places a side.
        if height != width or height < 32 or height % 32 == 31:
            raise CheckpointError(
                f"{where}: a ResNet image tower cannot take images of {height} x {width} pixels."
            )
    elif min(height, width) < (vision.get("patch_size", 16) or 16):
        raise CheckpointError(f"{where}: its images of {height} x {width} pixels are smaller than one patch.")


def _number(tensors: Tensors, key: str, wanted: torch.dtype, where: str) -> Tensor:
    """One tensor as its own memory in the model's dtype (float32, or int64 for counters), finite."""
    found = tensors.read(key)
    value = torch.empty(found.shape, dtype=wanted).copy_(found)  # a copy: the file's memory can change
    if not bool(torch.isfinite(value).all()):
        bad = int((~torch.isfinite(value)).sum())
        raise CheckpointError(
            f"{where}: {key} holds {bad} values that are not finite in float32 (NaN or infinity);"
            " the checkpoint is damaged, use another one."
        )
    return value


def _filled(
    model: nn.Module,
    weights: Mapping[str, Tensor],
    model_cfg: Mapping[str, Any],
    preprocess_cfg: Mapping[str, Any],
) -> nn.Module:
    """Put weights into a skeleton, and make the one buffer that state dicts leave out."""
    model.load_state_dict(weights, strict=True, assign=True)
    if getattr(model, "attn_mask", None) is not None:
        length = model_cfg["text_cfg"].get("context_length", 77)
        model.register_buffer(
            "attn_mask", torch.full((length, length), -torch.inf).triu_(1), persistent=False
        )
    left = [name for name, t in (*model.named_parameters(), *model.named_buffers()) if t.is_meta]
    if left:
        raise CheckpointError(
            f"clipsan cannot fill {name_some(left)} of this architecture; please report it."
        )
    size = image_size_of(dict(model_cfg))
    set_model_preprocess_cfg(model, {"size": size, "mode": "RGB", "fill_color": 0} | dict(preprocess_cfg))
    return model.eval()
