"""The model without its numbers: on torch's meta device, which has shapes but no memory."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from open_clip.model import CLIP, CustomTextCLIP
from torch import nn

from clipsan.checkpoint.suspect import image_size_of
from clipsan.checkpoint.tensors import TensorInfo, dtype_name, name_some
from clipsan.errors import CheckpointError

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def skeleton(model_cfg: Mapping[str, Any], where: str) -> nn.Module:
    """An `open_clip.CLIP`, or its variant with a text tower kept apart, on the meta device.

    Raises:
        CheckpointError: open_clip cannot build this configuration.
    """
    _check_image_size(model_cfg, where)
    try:
        with torch.device("meta"):
            return unfilled(model_cfg)
    except (TypeError, ValueError, AssertionError, RuntimeError, ArithmeticError, AttributeError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise CheckpointError(
            f"open_clip cannot build the configuration of {where} ({reason:.160}); check its numbers."
        ) from None


def unfilled(model_cfg: Mapping[str, Any]) -> nn.Module:
    """The model of a checked configuration on the current device, with open_clip's own start values."""
    cfg = copy.deepcopy(dict(model_cfg))
    kind = CustomTextCLIP if cfg.pop("custom_text", False) else CLIP
    model: nn.Module = kind(**cfg)
    return model


def expected_tensors(model: nn.Module) -> dict[str, TensorInfo]:
    """Shape and dtype of every entry of the model's state dict."""
    return {key: TensorInfo(tuple(t.shape), t.dtype) for key, t in model.state_dict().items()}


def check_fit(model_cfg: Mapping[str, Any], found: Mapping[str, TensorInfo], where: str) -> None:
    """Require that a configuration and a file are of one model, without reading a number.

    Raises:
        CheckpointError: open_clip cannot build the configuration, or `compare_keys` finds a difference.
    """
    compare_keys(expected_tensors(fitting_skeleton(model_cfg, found, where)), found, where)


def fitting_skeleton(model_cfg: Mapping[str, Any], found: Mapping[str, TensorInfo], where: str) -> nn.Module:
    """The skeleton of a configuration that does not ask for more layers than the file has tensors.

    Raises:
        CheckpointError: it does, so that building it would only take time, or open_clip cannot build it.
    """
    vision, text = model_cfg["vision_cfg"].get("layers", 12), model_cfg["text_cfg"].get("layers", 12)
    layers = (sum(vision) if isinstance(vision, list) else vision) + text
    if layers > len(found) and not model_cfg["vision_cfg"].get("timm_model_name"):
        raise CheckpointError(
            f"The configuration of {where} has {layers} layers and the file only {len(found)} tensors, so"
            " they do not fit each other."
        )
    return skeleton(model_cfg, where)


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


def _check_image_size(cfg: Mapping[str, Any], where: str) -> None:
    """Refuse sizes that build but cannot run: open_clip finds out at the first image."""
    height, width = image_size_of(cfg)
    vision = cfg["vision_cfg"]
    if vision.get("timm_model_name"):
        return
    if isinstance(vision.get("layers"), list):
        # A ResNet halves five times, rounding up once; its attention pool expects size // 32 places a side.
        if height != width or height < 32 or height % 32 == 31:
            raise CheckpointError(
                f"{where}: a ResNet image tower cannot take images of {height} x {width} pixels."
            )
    elif min(height, width) < (vision.get("patch_size", 16) or 16):
        raise CheckpointError(f"{where}: its images of {height} x {width} pixels are smaller than one patch.")
