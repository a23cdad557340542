"""The architecture of a CLIP, read off the names and shapes of its tensors.

Shapes give everything but three things: the heads of the attention (those of the named configuration of the
same tower, else CLIP's convention with the other usual widths as alternatives), the activation, and the
normalisation of the pixels.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from typing import Any

from clipsan.checkpoint.named import head_width_of_vision, heads_of_text
from clipsan.checkpoint.tensors import TensorInfo, name_some
from clipsan.errors import CheckpointError

Infos = Mapping[str, TensorInfo]
HEAD_WIDTH = 64
OTHER_HEAD_WIDTHS = (32, 128)  # where no name of open_clip tells, these are possible too
RN_STRIDE = 32  # pixels of one place in the last feature map of a ModifiedResNet
RN_EXPANSION = 4  # output channels of a bottleneck over its inner ones
ADVICE = "give arch, or put its open_clip_config.json beside it"


def infer(infos: Infos, where: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Work out open_clip's model configuration from keys and shapes.

    Args:
        infos: shape and dtype by key, without `module.` prefixes.
        where: the file's name, for error sentences.

    Returns:
        The configuration without `quick_gelu`, and the evidence for what the shapes alone do not prove.

    Raises:
        CheckpointError: the keys are not those of a CLIP with an RN or ViT image tower.
    """
    if not is_native(infos):
        raise CheckpointError(
            f"{where} does not hold a CLIP that clipsan knows: it needs keys such as visual.conv1.weight and"
            f" text_projection, and has {name_some(infos) or 'none'}; {ADVICE} if it is one."
        )
    tower = _vision_rn if "visual.attnpool.positional_embedding" in infos else _vision_vit
    vision, vision_evidence = tower(infos, where)
    text, text_evidence = _text(infos, where)
    cfg: dict[str, Any] = {
        "embed_dim": _shape(infos, "text_projection", 2, where)[1],
        "vision_cfg": vision,
        "text_cfg": text,
    }
    if "logit_bias" in infos:
        cfg["init_logit_bias"] = -10  # SigLIP's start value; the file's own replaces it
    if "logit_scale" in infos and infos["logit_scale"].shape == (1,):
        cfg["nonscalar_logit_scale"] = True
    return cfg, (*vision_evidence, *text_evidence)


def is_native(infos: Infos) -> bool:
    """True for the keys of open_clip's own two towers, whose sizes `infer` reads off."""
    return "text_projection" in infos and "visual.conv1.weight" in infos


def head_options(cfg: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The configurations with the usual widths of an attention head, where no name of open_clip tells.

    Returns:
        A label ("image heads of 32") -> the configuration. The given one is first; alone it has no label.
    """
    vision, text = dict(cfg["vision_cfg"]), dict(cfg["text_cfg"])
    image_widths, text_widths = [0], [text["width"] // text["heads"]]
    if isinstance(vision["layers"], int):
        image_widths = [vision["head_width"]]
        if head_width_of_vision(vision["width"], vision["layers"], _hidden(vision)) is None:
            image_widths += _other_widths(vision["width"], image_widths[0])
    if heads_of_text(text["width"], text["layers"], _hidden(text)) is None:
        text_widths += _other_widths(text["width"], text_widths[0])
    options: dict[str, dict[str, Any]] = {}
    for image, words in itertools.product(image_widths, text_widths):
        sides = []
        other = dict(cfg) | {"text_cfg": text | {"heads": text["width"] // words}}
        if image:
            other["vision_cfg"] = vision | {"head_width": image}
        if len(image_widths) > 1:
            sides.append(f"image heads of {image}")
        if len(text_widths) > 1:
            sides.append(f"text heads of {words}")
        options[", ".join(sides)] = other
    return options


def _other_widths(width: int, chosen: int) -> list[int]:
    return [other for other in OTHER_HEAD_WIDTHS if other != chosen and width % other == 0]


def _hidden(tower: Mapping[str, Any]) -> int:
    return int(tower["width"] * tower.get("mlp_ratio", 4.0))


def describe(cfg: Mapping[str, Any]) -> str:
    """A short name for a configuration that open_clip has none for."""
    vision = cfg["vision_cfg"]
    if vision.get("timm_model_name"):
        return f"{vision['timm_model_name']} with a text tower of width {cfg['text_cfg'].get('width', 512)}"
    size = vision.get("image_size", 224)
    pixels = f"{size}px" if isinstance(size, int) else f"{size[0]}x{size[1]}px"
    layers, width = vision.get("layers", 12), vision.get("width", 768)
    if isinstance(layers, list):
        return f"RN-custom width {width} layers {'-'.join(map(str, layers))} {pixels}"
    return f"ViT-custom width {width} layers {layers} patch {vision.get('patch_size', 16)} {pixels}"


def _vision_rn(infos: Infos, where: str) -> tuple[dict[str, Any], list[str]]:
    width = _shape(infos, "visual.conv3.weight", 4, where)[0]
    layers = [_blocks(infos, rf"visual\.layer{stage}\.(\d+)\.conv1\.weight") for stage in (1, 2, 3, 4)]
    if not all(layers):
        raise CheckpointError(
            f"{where}: its ResNet image tower lacks a stage; visual.layer1 to layer4 are needed."
        )
    places, channels = _shape(infos, "visual.attnpool.positional_embedding", 2, where)
    if channels != width * RN_STRIDE or width % 2:
        raise CheckpointError(
            f"{where}: its ResNet image tower has width {width} but {channels} channels at the end, which no"
            f" CLIP has; {ADVICE}."
        )
    side = _side(places - 1, "visual.attnpool.positional_embedding", where)
    size = side * RN_STRIDE
    vision = {"image_size": size, "layers": layers, "width": width, "patch_size": None}
    return vision, [f"image size {size}: {side} x {side} places of {RN_STRIDE} px in the attention pool"]


def _vision_vit(infos: Infos, where: str) -> tuple[dict[str, Any], list[str]]:
    width, _, patch, _ = _shape(infos, "visual.conv1.weight", 4, where)
    places = _shape(infos, "visual.positional_embedding", 2, where)[0]
    side = _side(places - 1, "visual.positional_embedding", where)
    layers = _blocks(infos, r"visual\.transformer\.resblocks\.(\d+)\.ln_1\.weight")
    hidden = _shape(infos, "visual.transformer.resblocks.0.mlp.c_fc.weight", 2, where)[0]
    head_width, named = head_width_of_vision(width, layers, hidden) or (HEAD_WIDTH, "")
    _check_heads(width, max(1, width // head_width), "image tower", where)
    vision: dict[str, Any] = {
        "image_size": side * patch,
        "layers": layers,
        "width": width,
        "head_width": head_width,
        "patch_size": patch,
    }
    vision |= _block_options(infos, "visual.transformer.resblocks.0", width, hidden)
    if "visual.ln_pre.weight" not in infos:
        vision["no_ln_pre"] = True
    reason = f"the same tower in open_clip's {named}" if named else "CLIP's convention"
    return vision, [
        f"image size {side * patch}: {side} x {side} patches of {patch} px",
        f"attention heads of the image tower {width // head_width}: width {head_width} each, {reason}",
    ]


def _text(infos: Infos, where: str) -> tuple[dict[str, Any], list[str]]:
    vocabulary, width = _shape(infos, "token_embedding.weight", 2, where)
    layers = _blocks(infos, r"transformer\.resblocks\.(\d+)\.ln_1\.weight")
    hidden = _shape(infos, "transformer.resblocks.0.mlp.c_fc.weight", 2, where)[0]
    heads, named = heads_of_text(width, layers, hidden) or (max(1, width // HEAD_WIDTH), "")
    _check_heads(width, heads, "text tower", where)
    text: dict[str, Any] = {
        "context_length": _shape(infos, "positional_embedding", 2, where)[0],
        "vocab_size": vocabulary,
        "width": width,
        "heads": heads,
        "layers": layers,
    }
    text |= _block_options(infos, "transformer.resblocks.0", width, hidden)
    reason = f"as in open_clip's {named}" if named else "CLIP's convention of 64 channels each"
    return text, [f"attention heads of the text tower {heads}: {reason}"]


def _block_options(infos: Infos, block: str, width: int, hidden: int) -> dict[str, Any]:
    """What differs from CLIP's own blocks: the width of the MLP and layer scale."""
    options: dict[str, Any] = {}
    if hidden != 4 * width:
        # open_clip takes int(width * ratio): nudge a quotient that rounds below the width it came from.
        ratio = hidden / width
        options["mlp_ratio"] = ratio if int(width * ratio) == hidden else math.nextafter(ratio, math.inf)
    if f"{block}.ls_1.gamma" in infos:
        options["ls_init_value"] = 1e-4  # only the start value; the file's own replaces it
    return options


def _blocks(infos: Infos, pattern: str) -> int:
    """Number of different indices in the keys of one stack of blocks."""
    return len({match[1] for key in infos if (match := re.fullmatch(pattern, key))})


def _shape(infos: Infos, key: str, dimensions: int, where: str) -> tuple[int, ...]:
    if key not in infos:
        raise CheckpointError(
            f"{where} lacks {key}, which every CLIP of its kind has; {ADVICE} or get it again."
        )
    shape = infos[key].shape
    if len(shape) != dimensions or 0 in shape:
        raise CheckpointError(
            f"{where}: {key} has the shape {list(shape)} instead of {dimensions} dimensions."
        )
    return shape


def _side(places: int, key: str, where: str) -> int:
    side = math.isqrt(max(0, places))
    if side == 0 or side * side != places:
        raise CheckpointError(
            f"{where}: {key} has {places} places, no square, so the image size is unclear; {ADVICE}."
        )
    return side


def _check_heads(width: int, heads: int, tower: str, where: str) -> None:
    if width % heads:
        raise CheckpointError(
            f"{where}: width {width} of its {tower} does not divide into {heads} heads; {ADVICE}."
        )
