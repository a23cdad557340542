"""What is written loads in the transformers library, with open_clip's own embeddings, tokens and pixels."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
import torch
from open_clip.model import CLIP
from open_clip.tokenizer import SimpleTokenizer
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from safetensors.torch import save_file
from tiny_models import CONFIGS
from tiny_transformers import (
    assert_close,
    embeddings_of_open_clip,
    embeddings_of_transformers,
    transformers,
)

from clipsan.checkpoint.config import DEFAULT_PREPROCESS
from clipsan.checkpoint.shards import index_json, shard_plan
from clipsan.checkpoint.transformers_clip import (
    check_expressible,
    companion_files,
    from_open_clip,
    read_clip_config,
)
from clipsan.errors import UsageError

TEXT = {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2}
VISION = {"image_size": 48, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16}
TANH = {"act_kwargs": {"approximate": "tanh"}}
CFG = {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": TEXT}
MODELS = {
    "quick_gelu": CFG | {"quick_gelu": True},
    "gelu": CFG | {"text_cfg": TEXT | {"mlp_ratio": 2.7}, "vision_cfg": VISION | {"mlp_ratio": 1.3}},
    "tanh": CFG | {"text_cfg": TEXT | TANH, "vision_cfg": VISION | TANH | {"norm_kwargs": {"eps": 1e-6}}},
    "one tanh": CFG | {"vision_cfg": VISION | TANH | {"head_width": 16}, "text_cfg": TEXT | {"heads": 4}},
    "defaults": {
        "embed_dim": 16,
        "vision_cfg": {"layers": 1, "image_size": 32, "patch_size": 16, "mlp_ratio": 0.1},
        "text_cfg": {"layers": 1, "width": 64, "context_length": 12},
    },
}
TEXTS = [
    "a photo of a dog",
    "IT'S  two RED triangles,\n\tupside-down!! don't 12345",
    "café — naïve 日本語 😀 #tag_x",
    "word " * 40,
    "",
]


def write(folder, cfg, preprocess=DEFAULT_PREPROCESS, dtype=torch.float32, largest=1 << 30):
    """An open_clip model with random weights, written as a transformers folder; returns the model."""
    torch.manual_seed(0)
    model = CLIP(**copy.deepcopy(cfg)).eval()
    with torch.no_grad():
        for value in model.parameters():
            value.mul_(2) if value.ndim > 1 else value.add_(0.1 * torch.randn(value.shape))
            value.copy_(value.to(dtype))
    weights = from_open_clip(model.state_dict(), dict.fromkeys(model.state_dict(), dtype))
    sizes = {key: t.numel() * t.element_size() for key, t in weights.items()}
    plan = shard_plan(sizes, largest, "model")
    for name, keys in plan:
        save_file({key: weights[key] for key in keys}, folder / name, metadata={"format": "pt"})
    if len(plan) > 1:
        (folder / "model.safetensors.index.json").write_text(json.dumps(index_json(plan, sizes)))
    for name, content in companion_files(cfg, preprocess, dtype).items():
        (folder / name).write_bytes(content)
    return model


def inputs(cfg):
    side = cfg["vision_cfg"]["image_size"]
    return torch.rand(2, 3, side, side), SimpleTokenizer(context_length=12)(TEXTS[:2])


@pytest.mark.parametrize("name", MODELS)
def test_embeddings_are_equal(name, tmp_path):
    cfg = MODELS[name]
    ours = write(tmp_path, cfg)
    theirs, info = transformers.CLIPModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info[fault] for fault in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    given = inputs(cfg)
    expected = embeddings_of_open_clip(ours, *given)
    assert_close(expected, embeddings_of_transformers(theirs, *given))
    assert theirs.logit_scale == ours.logit_scale
    with torch.no_grad():
        image = transformers.CLIPVisionModelWithProjection.from_pretrained(tmp_path)(given[0]).image_embeds
        text = transformers.CLIPTextModelWithProjection.from_pretrained(tmp_path)(given[1]).text_embeds
        pooled = transformers.CLIPVisionModel.from_pretrained(tmp_path)(given[0]).pooler_output
    found = (image, text, pooled @ ours.visual.proj)
    assert_close((*expected, expected[0]), [torch.nn.functional.normalize(t, dim=-1) for t in found])


@pytest.mark.parametrize("name", MODELS)
def test_what_is_written_reads_back_as_the_same_model(name, tmp_path):
    cfg = MODELS[name]
    preprocess = DEFAULT_PREPROCESS | {"mean": [0.5, 0.25, 0.1], "resize_mode": "squash"}
    ours = write(tmp_path, cfg, preprocess)
    found = read_clip_config(tmp_path)
    again = CLIP(**found.model_cfg).eval()
    again.load_state_dict(ours.state_dict(), strict=True)
    given = inputs(cfg)
    for a, b in zip(
        embeddings_of_open_clip(ours, *given), embeddings_of_open_clip(again, *given), strict=True
    ):
        assert torch.equal(a, b)
    assert found.preprocess_cfg == preprocess


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_halves_in_several_files(dtype, tmp_path):
    ours = write(tmp_path, CFG, dtype=dtype, largest=200_000)
    assert len(list(tmp_path.glob("model-*-of-*.safetensors"))) > 2
    theirs = transformers.CLIPModel.from_pretrained(tmp_path, dtype="auto")
    assert theirs.dtype == dtype
    given = inputs(CFG)
    assert_close(embeddings_of_open_clip(ours, *given), embeddings_of_transformers(theirs, *given))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    write(folder, CFG)
    return folder


def test_tokens_are_those_of_open_clip(written):
    expected = SimpleTokenizer(context_length=12)(TEXTS)
    for loader in (transformers.CLIPTokenizer, transformers.CLIPTokenizerFast, transformers.AutoTokenizer):
        tokenizer = loader.from_pretrained(written)
        found = tokenizer(TEXTS, padding="max_length", truncation=True, return_tensors="pt")
        assert torch.equal(found["input_ids"] * found["attention_mask"], expected)  # open_clip pads with 0
        assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (
            49406,
            49407,
            49407,
        )


def test_padding_changes_no_embedding(written):
    model = transformers.CLIPModel.from_pretrained(written)
    given = transformers.AutoTokenizer.from_pretrained(written)(
        TEXTS, padding=True, truncation=True, return_tensors="pt"
    )
    pixels, _ = inputs(CFG)
    with torch.no_grad():
        found = model(pixel_values=pixels, **given).text_embeds
    expected = embeddings_of_transformers(model, pixels, SimpleTokenizer(context_length=12)(TEXTS))[1]
    assert_close([found], [expected])


@pytest.mark.parametrize("mode", ["shortest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_pixels_are_those_of_open_clip(mode, interpolation, tmp_path):
    preprocess = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]}
    preprocess |= {"interpolation": interpolation, "resize_mode": mode}
    for name, content in companion_files(CFG, preprocess).items():
        (tmp_path / name).write_bytes(content)
    noise = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    image = Image.open(tmp_path / "noise.png")
    expected = image_transform_v2(PreprocessCfg(size=48, **preprocess), is_train=False)
    for loader in (transformers.CLIPProcessor, transformers.AutoProcessor):
        processor = loader.from_pretrained(tmp_path)
        found = processor(images=image, return_tensors="pt")["pixel_values"][0]
        assert (found - expected(image)).abs().max() <= 1e-5
        # of another shape: the libraries round the resized pixels differently, the cut is the same
        wide = image.resize((96, 60))
        assert (
            processor(images=wide, return_tensors="pt")["pixel_values"][0] - expected(wide)
        ).abs().mean() < 0.01


def test_files_are_plain_and_equal_in_every_run():
    files = companion_files(MODELS["tanh"], DEFAULT_PREPROCESS, torch.bfloat16)
    assert files == companion_files(MODELS["tanh"], DEFAULT_PREPROCESS, torch.bfloat16)
    assert sorted(files) == [
        "config.json",
        "merges.txt",
        "preprocessor_config.json",
        "special_tokens_map.json",
        "tokenizer_config.json",
        "vocab.json",
    ]
    for name, content in files.items():
        assert content.endswith(b"\n")
        if name.endswith(".json"):
            assert list(json.loads(content)) == sorted(json.loads(content))
    config = json.loads(files["config.json"])
    assert (config["model_type"], config["architectures"]) == ("clip", ["CLIPModel"])
    assert config["torch_dtype"] == "bfloat16"
    assert config["projection_dim"] == config["text_config"]["projection_dim"] == 24
    assert config["text_config"]["eos_token_id"] == 49407
    assert config["logit_scale_init_value"] == pytest.approx(2.6592600)
    assert config["vision_config"]["hidden_act"] == "gelu_pytorch_tanh"
    assert "torch_dtype" not in json.loads(companion_files(CFG, DEFAULT_PREPROCESS)["config.json"])


REFUSED = [
    (CONFIGS["rn"], "no ResNet image tower"),
    (CFG | {"vision_cfg": {"timm_model_name": "vit_base_patch16_siglip_224"}}, "no image tower of timm"),
    (CFG | {"vision_cfg": VISION | {"ls_init_value": 1e-4}}, "no layer scale"),
    (CFG | {"text_cfg": TEXT | {"ls_init_value": 0.0}}, "no layer scale"),
    (CFG | {"vision_cfg": VISION | {"no_ln_pre": True}}, "without its first norm"),
    (CFG | {"vision_cfg": VISION | {"attentional_pool": True}}, "no attentional pooling"),
    (CFG | {"vision_cfg": VISION | {"pool_type": "avg"}}, "no image tower pooled by avg"),
    (CFG | {"vision_cfg": VISION | {"image_size": [48, 64]}}, r"not square \(48 x 64\)"),
    (CFG | {"vision_cfg": VISION | {"qk_norm": True}}, "no norms of query and key"),
    (CFG | {"vision_cfg": VISION | {"block_type": "custom"}}, "no blocks of another type"),
    (CFG | {"text_cfg": TEXT | {"pool_type": "last"}}, "no text tower pooled by last"),
    (CFG | {"text_cfg": TEXT | {"pool_type": "eos", "eos_id": 2}}, "no text tower pooled by eos"),
    (CFG | {"text_cfg": TEXT | {"no_causal_mask": True}}, "without a causal mask"),
    (CFG | {"text_cfg": TEXT | {"proj_bias": True}}, "no other text projection than a matrix"),
    (CFG | {"text_cfg": TEXT | {"proj_type": "none"}}, "no other text projection than a matrix"),
    (CFG | {"text_cfg": TEXT | {"vocab_size": 32000}}, "no tokenizer but CLIP's own of 49408"),
    (CFG | {"text_cfg": TEXT | {"hf_tokenizer_name": "bert-base-uncased"}}, "no tokenizer but CLIP's own"),
    (
        CFG | {"text_cfg": TEXT | {"tokenizer_kwargs": {"clean": "canonicalize"}}},
        r"otherwise \(canonicalize\)",
    ),
    (CFG | {"init_logit_bias": -10}, "no logit bias"),
    (CFG | {"custom_text": True}, "custom_text"),
    (CFG | {"quick_gelu": True, "text_cfg": TEXT | TANH}, "no QuickGELU with settings in its text tower"),
]


@pytest.mark.parametrize(("cfg", "sentence"), REFUSED, ids=[sentence for _, sentence in REFUSED])
def test_what_transformers_cannot_hold_is_refused(cfg, sentence):
    with pytest.raises(UsageError, match=f"The CLIP of transformers has .*{sentence}.*; write the open_clip"):
        check_expressible(cfg, DEFAULT_PREPROCESS)
    with pytest.raises(UsageError, match=sentence):
        companion_files(cfg, DEFAULT_PREPROCESS, torch.float32)


def test_padded_images_are_refused():
    with pytest.raises(UsageError, match="no images padded to a square"):
        check_expressible(CFG, DEFAULT_PREPROCESS | {"resize_mode": "longest"})


def test_all_reasons_are_in_one_sentence():
    cfg = CFG | {"init_logit_bias": -10, "text_cfg": TEXT | {"no_causal_mask": True}}
    with pytest.raises(
        UsageError,
        match=r"has no text tower without a causal mask, no logit bias; write the open_clip layout",
    ):
        check_expressible(cfg, DEFAULT_PREPROCESS)


@pytest.mark.parametrize(
    "extra",
    [
        {"text_cfg": TEXT | {"pool_type": "eos", "eos_id": 49407}},
        {"vision_cfg": VISION | {"image_size": [48, 48], "patch_dropout": 0.5, "final_ln_after_pool": True}},
    ],
)
def test_settings_that_change_nothing_are_taken(extra, tmp_path):
    cfg = CFG | extra
    ours = write(tmp_path, cfg)
    given = inputs(CFG)
    theirs = transformers.CLIPModel.from_pretrained(tmp_path)
    assert_close(embeddings_of_open_clip(ours, *given), embeddings_of_transformers(theirs, *given))
