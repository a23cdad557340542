"""Architectures inferred from shapes alone equal the configuration they were built from."""

from __future__ import annotations

import copy

import pytest
import torch
from open_clip.model import CLIP

from clipsan.checkpoint.architecture import settle
from clipsan.checkpoint.infer import infer
from clipsan.checkpoint.named import lookup
from clipsan.checkpoint.tensors import TensorInfo
from clipsan.errors import CheckpointError, UsageError


def shapes_of(cfg):
    """Keys and shapes of a configuration, without allocating it."""
    with torch.device("meta"):
        state = CLIP(**copy.deepcopy(cfg)).state_dict()
    return {key: TensorInfo(tuple(value.shape), value.dtype) for key, value in state.items()}


@pytest.mark.parametrize(
    "name",
    ["RN50", "RN101", "RN50x4", "RN50x64", "ViT-B-32", "ViT-B-32-256", "ViT-B-16-plus-240", "ViT-L-14-336",
     "ViT-M-16-alt", "ViT-S-32", "ViT-H-14", "ViT-g-14", "ViT-bigG-14"],
)  # fmt: skip
def test_named_architectures_are_recognised(name):
    plan = settle(shapes_of(lookup(name)), None, "w.safetensors")
    assert plan.name == name
    assert plan.model_cfg == lookup(name)
    assert plan.activation is None
    assert {candidate.label.partition(",")[0] for candidate in plan.candidates} == {
        "activation gelu", "activation quickgelu",
    }  # fmt: skip


def test_twins_are_named_in_the_evidence():
    plan = settle(shapes_of(lookup("RN50")), None, "w.safetensors", activation="quickgelu")
    assert plan.name == "RN50-quickgelu"
    assert plan.activation == "quickgelu"
    assert plan.candidates == ()
    assert plan.evidence[0] == "architecture RN50: its shapes are these (also RN50-quickgelu)"


def test_head_width_of_a_named_tower_at_another_size():
    cfg = lookup("ViT-H-14")
    cfg["vision_cfg"]["image_size"] = 448
    plan = settle(shapes_of(cfg), None, "w.safetensors")
    assert plan.model_cfg["vision_cfg"]["head_width"] == 80
    assert plan.model_cfg["vision_cfg"]["image_size"] == 448
    assert plan.name == "ViT-custom width 1280 layers 32 patch 14 448px"


@pytest.mark.parametrize(
    ("vision", "text"),
    [
        (
            {"image_size": 96, "layers": [2, 1, 3, 1], "width": 6, "patch_size": None},
            {"context_length": 5, "vocab_size": 77, "width": 128, "heads": 2, "layers": 3},
        ),
        (
            {
                "image_size": 40,
                "layers": 3,
                "width": 192,
                "head_width": 64,
                "patch_size": 8,
                "mlp_ratio": 2.5,
            },
            {"context_length": 9, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 1},
        ),
        (
            {"image_size": 32, "layers": 1, "width": 64, "head_width": 64, "patch_size": 8, "no_ln_pre": True}
            | {"ls_init_value": 1e-4},
            {"context_length": 9, "vocab_size": 9, "width": 64, "heads": 1, "layers": 2, "mlp_ratio": 2.0},
        ),
    ],
)
def test_unnamed_shapes(vision, text):
    cfg = {"embed_dim": 20, "vision_cfg": vision, "text_cfg": text}
    found, _ = infer(shapes_of(cfg), "w.safetensors")
    assert found == cfg


def test_mlp_width_is_met_exactly():
    for width in range(64, 320, 64):
        for hidden in (width + 1, 3 * width - 1, 5 * width + 7):
            cfg = lookup("ViT-S-32")
            cfg["vision_cfg"] |= {"width": width, "layers": 1, "mlp_ratio": (hidden + 0.5) / width}
            infos = shapes_of(cfg)
            assert infos["visual.transformer.resblocks.0.mlp.c_fc.weight"].shape == (hidden, width)
            found, _ = infer(infos, "w.safetensors")
            assert shapes_of(found) == infos


def test_logit_bias_and_shape():
    cfg = lookup("ViT-S-32") | {"init_logit_bias": -10, "nonscalar_logit_scale": True}
    plan = settle(shapes_of(cfg), None, "w.safetensors")
    assert shapes_of(plan.model_cfg) == shapes_of(cfg)


def test_arch_says_the_activation_only_where_it_is_unambiguous():
    infos = shapes_of(lookup("ViT-B-32"))
    assert settle(infos, None, "w", arch="ViT-B-32-quickgelu").activation == "quickgelu"
    assert settle(infos, None, "w", arch="ViT-B-32").activation is None
    assert settle(infos, None, "w", arch="ViT-M-32").activation == "gelu"
    assert settle(infos, None, "w", arch="ViT-B-32", said=("quickgelu", "said")).activation == "quickgelu"


def test_what_shapes_cannot_tell_is_listed():
    tower = {"image_size": 40, "layers": 3, "width": 192, "head_width": 64, "patch_size": 8}
    text = {"context_length": 9, "vocab_size": 49408, "width": 128, "heads": 2, "layers": 1}
    plan = settle(shapes_of({"embed_dim": 20, "vision_cfg": tower, "text_cfg": text}), None, "w")
    heads = {
        (c.model_cfg["vision_cfg"]["head_width"], c.model_cfg["text_cfg"]["heads"]) for c in plan.candidates
    }
    assert heads == {(image, texts) for image in (64, 32) for texts in (2, 4, 1)}  # 192 is no multiple of 128
    assert len(plan.candidates) == 12
    assert plan.candidates[0].label == "activation gelu, image heads of 64, text heads of 64"
    assert plan.candidates[0].model_cfg == plan.model_cfg
    assert len({candidate.label for candidate in plan.candidates}) == 12
    assert plan.evidence[-2].startswith("undecided, 12 ways fit alike: activation gelu, image heads of 64")


def test_published_weights_of_one_name_may_differ_in_their_pixels():
    plan = settle(shapes_of(lookup("ViT-L-14")), None, "w", activation="gelu")
    means = {tuple(candidate.preprocess_cfg["mean"]) for candidate in plan.candidates}
    assert means == {(0.48145466, 0.4578275, 0.40821073), (0.5, 0.5, 0.5)}
    assert "pixels as for openai" in plan.candidates[0].label


def test_unknown_arch_gets_a_suggestion():
    with pytest.raises(UsageError, match=r"did you mean .*RN50"):
        lookup("RN5O")
    with pytest.raises(CheckpointError, match="a text tower from transformers"):
        lookup("roberta-ViT-B-32")
    with pytest.raises(UsageError, match="gelu or quickgelu"):
        settle({}, None, "w", activation="relu")


def change(infos, key, shape):
    return infos | {key: TensorInfo(shape, torch.float32)}


@pytest.mark.parametrize(
    ("key", "shape", "sentence"),
    [
        ("visual.positional_embedding", (8, 384), "7 places, no square"),
        ("visual.positional_embedding", (0, 384), "instead of 2 dimensions"),
        ("visual.conv1.weight", (384, 3), "instead of 4 dimensions"),
        ("visual.conv1.weight", (200, 3, 32, 32), "does not divide into 3 heads"),
        ("text_projection", (384,), "instead of 2 dimensions"),
        ("token_embedding.weight", (49408, 200), "does not divide into 3 heads"),
    ],
)
def test_impossible_shapes(key, shape, sentence):
    with pytest.raises(CheckpointError, match=sentence):
        infer(change(shapes_of(lookup("ViT-S-32")), key, shape), "w.safetensors")


def test_something_else_than_clip():
    with pytest.raises(CheckpointError, match=r"does not hold a CLIP that clipsan knows.*a\.weight"):
        infer({"a.weight": TensorInfo((1,), torch.float32)}, "w.safetensors")
