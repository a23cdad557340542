"""`config.json` of a transformers CLIP from an untrusted folder -> open_clip's configuration.

Only the numbers named here are taken, each checked; the dozens of other keys that the library writes change
nothing at inference and are ignored. `auto_map`, which names program code, is never followed.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NoReturn

from clipsan.checkpoint.config import LARGEST_CONFIG, Config, check_model_cfg
from clipsan.checkpoint.transformers_clip.fields import Fields, read_object
from clipsan.checkpoint.transformers_clip.keys import SIGLIP
from clipsan.checkpoint.transformers_clip.preprocessor import read_preprocessor
from clipsan.checkpoint.transformers_clip.vocabulary import CLIP_TOKENS, END, check_vocabulary
from clipsan.errors import CheckpointError

CONFIG_NAME = "config.json"
USUAL_EPS = 1e-5  # of every layer norm in open_clip, transformers and OpenAI's CLIP
USUAL_RATIO = 4
LEAST_RATIO, LARGEST_RATIO = 0.01, 64  # as for open_clip's own configurations
LEGACY_END = 2  # transformers takes this eos_token_id as "the token with the highest number ends the text"
ACTIVATIONS = {  # transformers' name -> open_clip's (quick_gelu, act_kwargs)
    "quick_gelu": (True, None),
    "gelu": (False, None),
    "gelu_new": (False, {"approximate": "tanh"}),
    "gelu_pytorch_tanh": (False, {"approximate": "tanh"}),
}


def read_clip_config(folder: Path) -> Config:
    """Read a folder's `config.json`, its `preprocessor_config.json` and its vocabulary.

    Args:
        folder: as `save_pretrained` of CLIPModel or CLIPVisionModel writes it.

    Returns:
        open_clip's configuration. That of an image tower alone has no `text_cfg`, which is to be taken from
        the CLIP that it belongs to.

    Raises:
        CheckpointError: another model than a CLIP, an impossible value (the key is named), two towers that no
            open_clip model can have together, or a vocabulary that is not CLIP's.
    """
    config = Fields(read_object(folder / CONFIG_NAME, LARGEST_CONFIG), CONFIG_NAME)
    kind = config.found.get("model_type")
    if kind == "clip":
        model_cfg = _both_towers(config)
        lines = check_vocabulary(folder) if model_cfg["text_cfg"]["vocab_size"] == CLIP_TOKENS else ()
    elif kind == "clip_vision_model":
        model_cfg = _image_tower_alone(config)
        lines = ("image tower alone: model_type clip_vision_model in config.json",)
    else:
        _refuse_kind(kind)
    preprocess_cfg, pixels = read_preprocessor(folder, model_cfg["vision_cfg"]["image_size"])
    return Config(model_cfg, preprocess_cfg, CONFIG_NAME, (*lines, *pixels))


def _both_towers(config: Fields) -> dict[str, Any]:
    vision, text = _tower(config, "vision_config"), _tower(config, "text_config")
    image_quick, vision_cfg = _vision(vision)
    text_quick, text_cfg = _text(text)
    if image_quick != text_quick:
        raise CheckpointError(
            f"{CONFIG_NAME} has quick_gelu in one tower and another activation in the other, which no"
            " open_clip model has; make both hidden_act equal if one is a mistake."
        )
    return _checked(config.count("projection_dim", 512, 65536), image_quick, vision_cfg, text_cfg)


def _image_tower_alone(config: Fields) -> dict[str, Any]:
    quick, vision_cfg = _vision(config)
    checked = _checked(config.count("projection_dim", 512, 65536), quick, vision_cfg, {})
    del checked["text_cfg"]
    return checked


def _checked(embed_dim: int, quick: bool, vision: dict[str, Any], text: dict[str, Any]) -> dict[str, Any]:
    cfg = {"embed_dim": embed_dim, "vision_cfg": vision, "text_cfg": text} | (
        {"quick_gelu": True} if quick else {}
    )
    return check_model_cfg(cfg, CONFIG_NAME)


def _tower(config: Fields, key: str) -> Fields:
    """A tower's settings. Early files have them under `..._config_dict`, which replaces the other whole."""
    early = f"{key}_dict"
    return config.inner(early if config.found.get(early) is not None else key)


def _vision(found: Fields) -> tuple[bool, dict[str, Any]]:
    """(QuickGELU or not, open_clip's vision_cfg)."""
    quick, block = _block(found, 768, 3072)
    if found.count("num_channels", 3, 4096) != 3:
        found.refuse("num_channels", "and clipsan reads images of 3 channels")
    size, patch = found.count("image_size", 224, 8192), found.count("patch_size", 32, 8192)
    if patch > size:
        found.refuse("patch_size", f"which is more than its images of {size} pixels have")
    width = block["width"]
    heads = _heads(found, width, 12)
    return quick, block | {"image_size": size, "patch_size": patch, "head_width": width // heads}


def _text(found: Fields) -> tuple[bool, dict[str, Any]]:
    """(QuickGELU or not, open_clip's text_cfg)."""
    quick, block = _block(found, 512, 2048)
    vocabulary = found.count("vocab_size", CLIP_TOKENS, 10_000_000)
    end = found.found.get("eos_token_id", END)
    # open_clip takes a text's feature at its highest token, which is the end of the text in both of these
    if type(end) is not int or end not in (LEGACY_END, vocabulary - 1):
        found.refuse("eos_token_id", f"but texts end with token {vocabulary - 1}, the last of the vocabulary")
    context = found.count("max_position_embeddings", 77, 8192)
    heads = _heads(found, block["width"], 8)
    return quick, block | {"context_length": context, "vocab_size": vocabulary, "heads": heads}


def _block(found: Fields, width: int, hidden: int) -> tuple[bool, dict[str, Any]]:
    """What both towers have; `width` and `hidden` are the defaults of hidden_size and intermediate_size."""
    width = found.count("hidden_size", width, 65536)
    hidden = found.count("intermediate_size", hidden, 64 * 65536)
    if not LEAST_RATIO <= hidden / width <= LARGEST_RATIO:
        found.refuse("intermediate_size", f"beside a hidden_size of {width}")
    block: dict[str, Any] = {"width": width, "layers": found.count("num_hidden_layers", 12, 512)}
    if hidden != USUAL_RATIO * width:
        block["mlp_ratio"] = mlp_ratio(width, hidden)
    eps = found.number("layer_norm_eps", USUAL_EPS, 1e-12, 1)
    if eps != USUAL_EPS:
        block["norm_kwargs"] = {"eps": eps}
    name = found.found.get("hidden_act", "quick_gelu")
    if not isinstance(name, str) or name not in ACTIVATIONS:
        found.refuse("hidden_act", f"and clipsan knows {', '.join(ACTIVATIONS)}")
    quick, act_kwargs = ACTIVATIONS[name]
    return quick, block if act_kwargs is None else block | {"act_kwargs": dict(act_kwargs)}


def mlp_ratio(width: int, hidden: int) -> float:
    """The ratio from which open_clip, which takes int(width * ratio), comes to `hidden`."""
    ratio = hidden / width
    return ratio if int(width * ratio) == hidden else math.nextafter(ratio, math.inf)


def _heads(found: Fields, width: int, default: int) -> int:
    heads = found.count("num_attention_heads", default, 65536)
    if width % heads:
        found.refuse("num_attention_heads", f"into which its width {width} does not divide")
    return heads


def _refuse_kind(kind: object) -> NoReturn:
    if kind == "clip_text_model":
        raise CheckpointError(
            f"{CONFIG_NAME} is of a text tower alone (clip_text_model); clipsan needs an image tower as well,"
            " so give the CLIP that it was taken from."
        )
    what = f"of a model of type {kind!r:.80}" if isinstance(kind, str) else "without a model_type"
    advice = (
        SIGLIP if isinstance(kind, str) and kind.startswith("siglip") else "give the checkpoint of a CLIP"
    )
    raise CheckpointError(
        f"{CONFIG_NAME} is {what}; of transformers' models clipsan reads clip and clip_vision_model;"
        f" {advice}."
    )
