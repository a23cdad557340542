"""Folders whose weights are true and whose configuration lies: about sizes, or where parts come from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hostile.entry import Entry, Maker
from hostile.harmless import MAKERS, TRANSFORMERS_CONFIG, tiny, transformers_folder

OPEN_CLIP, TRANSFORMERS = "open_clip folder", "transformers folder"
OPEN_CLIP_NAME = "open_clip_config.json"
HUGE = 10**9


def _open_clip(**changes: Any) -> Maker:
    """model_cfg with entries replaced; those that are dicts are merged into the part of that name."""
    return lambda folder, canary: tiny().write_folder(folder / "model", **_merged(tiny().cfg, changes))


def _transformers(**changes: Any) -> Maker:
    config = TRANSFORMERS_CONFIG | _merged(TRANSFORMERS_CONFIG, changes)
    return lambda folder, canary: transformers_folder(folder / "model", config)


def _merged(config: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {key: config[key] | new if isinstance(new, dict) else new for key, new in changes.items()}


def _text(kind: str, name: str, content: str | bytes) -> Maker:
    """A configuration that is these bytes."""

    def make(folder: Path, canary: Path) -> Path:
        path = MAKERS[kind](folder)
        (path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


def _preprocess(**changes: Any) -> Maker:
    whole = json.dumps({"model_cfg": tiny().cfg, "preprocess_cfg": changes})
    return _text(OPEN_CLIP, OPEN_CLIP_NAME, whole)


# one side as large as any that is let through, and all of them together
LARGEST = {
    "vision_cfg": {"width": 65536, "layers": 512, "image_size": 8192, "patch_size": 1},
    "text_cfg": {"width": 65536, "layers": 512, "heads": 1024, "context_length": 8192, "vocab_size": 10**7},
    "embed_dim": 65536,
}
NOT_THE_WEIGHTS = "of another shape|do not fit|open_clip_config"
OPEN_CLIP_CASES: dict[str, tuple[Maker, str]] = {
    "layers by the billion": (_open_clip(vision_cfg={"layers": HUGE}), "layers"),
    "layers negative": (_open_clip(text_cfg={"layers": -1}), "layers"),
    "layers of text": (_open_clip(vision_cfg={"layers": "12; import os"}), "layers"),
    "layers of a ResNet, thousands": (
        _open_clip(vision_cfg={"layers": [512] * 4, "width": 64}), NOT_THE_WEIGHTS),
    "width by the billion": (_open_clip(vision_cfg={"width": HUGE}), "width"),
    "width of 65536": (_open_clip(vision_cfg={"width": 65536, "head_width": 64}), NOT_THE_WEIGHTS),
    "everything as large as may be": (_open_clip(**LARGEST), NOT_THE_WEIGHTS),
    "context by the billion": (_open_clip(text_cfg={"context_length": HUGE}), "context_length"),
    "vocabulary by the billion": (_open_clip(text_cfg={"vocab_size": HUGE}), "vocab_size"),
    "images by the billion": (_open_clip(vision_cfg={"image_size": HUGE}), "image_size"),
    "width NaN": (_open_clip(embed_dim=float("nan")), "JSON|embed_dim"),
    "width a fraction": (_open_clip(embed_dim=24.5), "embed_dim"),
    "scale infinite": (_text(OPEN_CLIP, OPEN_CLIP_NAME, json.dumps(
        {"model_cfg": tiny().cfg | {"init_logit_scale": "X"}}).replace('"X"', "1e999")), "init_logit_scale"),
    "number of 100 000 digits": (_text(OPEN_CLIP, OPEN_CLIP_NAME, json.dumps(
        {"model_cfg": tiny().cfg | {"embed_dim": "X"}}).replace('"X"', "9" * 100_000)), "JSON|embed_dim"),
    "timm from the hub": (_open_clip(vision_cfg={"timm_model_name": "hf-hub:evil/x"}), "timm_model_name"),
    "timm from a folder": (_open_clip(vision_cfg={"timm_model_name": "local-dir:/etc"}), "timm_model_name"),
    "timm with a path behind its name": (
        _open_clip(vision_cfg={"timm_model_name": "test_vit./../../x"}), "timm_model_name|timm"),
    "timm's largest": (_open_clip(vision_cfg={"timm_model_name": "vit_gigantic_patch14_clip_224"}),
        NOT_THE_WEIGHTS),
    "transformers tower": (_open_clip(text_cfg={"hf_model_name": "evil/x"}), "hf_model_name"),
    "tokenizer that climbs": (_open_clip(text_cfg={"hf_tokenizer_name": "../../etc"}), "tokenizer"),
    "tokenizer of an address": (
        _open_clip(text_cfg={"hf_tokenizer_name": "http://127.0.0.1:9/x"}), "hf_tokenizer_name"),
    "vocabulary of a path": (_open_clip(text_cfg={"bpe_path": "/etc/passwd"}), "bpe_path"),
    "unknown key": (_open_clip(pretrained="/etc/passwd"), "pretrained"),
    "key with escapes": (_open_clip(**{"\x1b[2J\x07owned": 1}), "owned"),
    "tokenizer's cleaning": (
        _open_clip(text_cfg={"tokenizer_kwargs": {"clean": "__import__"}}), "tokenizer_kwargs"),
    "mode of pixels": (_preprocess(mode="eval"), "mode"),
    "deviation 0": (_preprocess(std=[0, 0, 0]), "std"),
    "deep JSON": (_text(OPEN_CLIP, OPEN_CLIP_NAME, "[" * 100_000), "nested too deeply"),
    "not UTF-8": (_text(OPEN_CLIP, OPEN_CLIP_NAME, b'{"\xff": 1}'), "JSON"),
    "a list": (_text(OPEN_CLIP, OPEN_CLIP_NAME, "[]"), "JSON object"),
    "of nothing": (_text(OPEN_CLIP, OPEN_CLIP_NAME, ""), "JSON"),
    "key twice": (_text(OPEN_CLIP, OPEN_CLIP_NAME, '{"model_cfg": {}, "model_cfg": {}}'), "twice"),
    "two megabytes of spaces": (_text(OPEN_CLIP, OPEN_CLIP_NAME, " " * (2 << 20)), "above 1 MB"),
}  # fmt: skip
TRANSFORMERS_CASES: dict[str, tuple[Maker, str]] = {
    "another model": (_transformers(model_type="llama"), "llama"),
    "model_type with escapes": (_transformers(model_type="\x1b[2J\x07owned"), "owned"),
    "model_type a list": (_transformers(model_type=["clip"]), "model_type"),
    "model_type missing": (_text(TRANSFORMERS, "config.json", "{}"), "model_type"),
    "layers by the billion": (_transformers(vision_config={"num_hidden_layers": HUGE}), "num_hidden_layers"),
    "layers of 512": (_transformers(text_config={"num_hidden_layers": 512}), "missing|do not fit"),
    "width by the billion": (_transformers(text_config={"hidden_size": HUGE}), "hidden_size"),
    "width of 65536": (_transformers(vision_config={"hidden_size": 65536, "intermediate_size": 65536}),
        "of another shape|do not fit"),
    "width 0": (_transformers(vision_config={"hidden_size": 0}), "hidden_size"),
    "heads negative": (_transformers(vision_config={"num_attention_heads": -2}), "num_attention_heads"),
    "heads of text": (_transformers(text_config={"num_attention_heads": "1"}), "num_attention_heads"),
    "projection NaN": (_transformers(projection_dim=float("nan")), "JSON|projection_dim"),
    "epsilon infinite": (_text(TRANSFORMERS, "config.json", json.dumps(TRANSFORMERS_CONFIG | {
        "vision_config": {"layer_norm_eps": "X"}}).replace('"X"', "1e999")), "layer_norm_eps"),
    "activation of code": (_transformers(vision_config={"hidden_act": "__import__('os')"}), "hidden_act"),
    "tower a list": (_transformers(vision_config=[1]), "vision_config"),
    "images by the billion": (_transformers(vision_config={"image_size": HUGE}), "image_size"),
    "deep JSON": (_text(TRANSFORMERS, "config.json", "[" * 100_000), "nested too deeply"),
    "two megabytes of spaces": (_text(TRANSFORMERS, "config.json", " " * (2 << 20)), r"config\.json"),
    "preprocessor that lies": (
        _text(TRANSFORMERS, "preprocessor_config.json", '{"image_std": [0, 0, 0]}'), "image_std"),
    "preprocessor of half a file": (_text(TRANSFORMERS, "preprocessor_config.json", "{"), "preprocessor"),
    "vocabulary of another": (_text(TRANSFORMERS, "vocab.json", '{"a": 0}'), "vocab"),
    "tokenizer of deep JSON": (_text(TRANSFORMERS, "tokenizer.json", "[" * 100_000), r"tokenizer\.json"),
}  # fmt: skip

ENTRIES = (
    *(Entry(f"{OPEN_CLIP}, configuration: {name}", make, finds, OPEN_CLIP)
      for name, (make, finds) in OPEN_CLIP_CASES.items()),
    *(Entry(f"{TRANSFORMERS}, configuration: {name}", make, finds, TRANSFORMERS)
      for name, (make, finds) in TRANSFORMERS_CASES.items()),
    Entry(f"{OPEN_CLIP}, configuration: tokenizer of the hub",
          _open_clip(text_cfg={"hf_tokenizer_name": "evil/x"}), "tokenizer evil/x", OPEN_CLIP, unseen=True),
)  # fmt: skip
