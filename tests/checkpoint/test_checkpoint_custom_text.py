"""Models with a tower of timm, a text tower apart, or a tokenizer that is not CLIP's own."""

from __future__ import annotations

import copy
import json

import open_clip
import pytest
import torch
from open_clip.model import CLIP, CustomTextCLIP

from clipsan.checkpoint import load, write_folder, write_weights
from clipsan.checkpoint.architecture import settle
from clipsan.checkpoint.named import get_model_config, lookup
from clipsan.checkpoint.skeleton import expected_tensors, skeleton
from clipsan.errors import CheckpointError

TEXTS = ["A photo, of a dog!", "two  red triangles", "unknownword a a a a a a a a a a a a"]
WORDS = ["[PAD]", "[SEP]", "[UNK]", "a", "photo", "of", "dog", "two", "red", "triangles"]
SIGLIP = {
    "embed_dim": 64,
    "custom_text": True,
    "init_logit_bias": -10,
    "vision_cfg": {
        "image_size": 160, "timm_model_name": "test_vit", "timm_model_pretrained": False,
        "timm_pool": "map", "timm_proj": "none",
    },
    "text_cfg": {
        "context_length": 8, "vocab_size": 40, "hf_tokenizer_name": "me/words", "width": 64, "heads": 2,
        "layers": 1, "tokenizer_kwargs": {"clean": "canonicalize"}, "no_causal_mask": True, "proj_bias": True,
        "pool_type": "last", "norm_kwargs": {"eps": 1e-6},
    },
}  # fmt: skip


def write_tokenizer(folder, words=WORDS):
    """A small tokenizer in the form of BERT's, its settings, and code that must never be followed."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    inner = Tokenizer(
        models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]")
    )
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(
        single="$A [SEP]", special_tokens=[("[SEP]", words.index("[SEP]"))]
    )
    inner.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]", "sep_token": "[SEP]",
        "unk_token": "[UNK]", "auto_map": {"AutoTokenizer": ["evil--code.Evil", None]},
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def write_model(folder, cfg, words=WORDS):
    """An open_clip folder of a model with random weights, and the model."""
    built = copy.deepcopy(cfg)
    kind = CustomTextCLIP if built.pop("custom_text", False) else CLIP
    torch.manual_seed(0)
    model = kind(**built).eval()
    folder.mkdir()
    write_weights(folder / "open_clip_model.safetensors", model.state_dict(), {})
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": cfg}))
    if "hf_tokenizer_name" in cfg["text_cfg"]:
        write_tokenizer(folder, words)
    return model


def embed(model, tokens, size):
    pixels = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return torch.cat([model.encode_image(pixels), model.encode_text(tokens)])


@pytest.mark.parametrize("strip", [False, True])
def test_siglip_like_folder_in_and_out(strip, tmp_path):
    pytest.importorskip("transformers")
    cfg = copy.deepcopy(SIGLIP)
    cfg["text_cfg"]["tokenizer_kwargs"]["strip_sep_token"] = strip
    model = write_model(tmp_path / "in", cfg)
    suspect = load(tmp_path / "in")
    (tmp_path / "in" / "tokenizer_config.json").write_text(
        (tmp_path / "in" / "tokenizer_config.json").read_text().replace('"auto_map"', '"was_auto_map"')
    )
    theirs = open_clip.get_tokenizer(f"local-dir:{tmp_path / 'in'}")
    tokens = suspect.tokenizer(TEXTS)
    assert torch.equal(tokens, theirs(TEXTS))
    assert tokens.shape == (3, 8)
    assert (1 in tokens) != strip
    wanted = embed(model, tokens, 160)
    assert torch.equal(embed(suspect.model, tokens, 160), wanted)
    assert "tokenizer: tokenizer.json beside the weights" in suspect.provenance.evidence
    out = tmp_path / "out"
    out.mkdir()
    write_folder(out, suspect, suspect.model.state_dict(), {})
    assert "auto_map" not in (out / "tokenizer_config.json").read_text()
    again, _ = open_clip.create_model_from_pretrained(f"local-dir:{out}")
    assert torch.equal(open_clip.get_tokenizer(f"local-dir:{out}")(TEXTS), tokens)
    assert torch.equal(embed(again.eval(), tokens, 160), wanted)
    assert torch.equal(load(out).tokenizer(TEXTS), tokens)


@pytest.mark.parametrize("tower", ["eva02_tiny_patch14_224", "vit_relpos_small_patch16_224"])
def test_tables_that_state_dicts_leave_out_are_made(tower, tmp_path):
    cfg = {
        "embed_dim": 16,
        "vision_cfg": {"timm_model_name": tower, "image_size": 224, "timm_pool": "", "timm_proj": "linear"},
        "text_cfg": {"context_length": 12, "width": 16, "heads": 1, "layers": 1},
    }
    if tower.startswith("vit"):
        cfg["vision_cfg"]["timm_pool"] = "avg"
    model = write_model(tmp_path / "in", cfg)
    suspect = load(tmp_path / "in")
    tokens = suspect.tokenizer(TEXTS)
    assert torch.equal(embed(suspect.model, tokens, 224), embed(model, tokens, 224))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"timm_model_name": "hf-hub:evil/model"}, "timm_model_name = 'hf-hub:evil/model'"),
        ({"timm_model_name": "../../evil"}, "timm_model_name = "),
        ({"timm_model_name": "test_vit", "timm_pool": "eval"}, "timm_pool = 'eval'"),
    ],
)
def test_towers_are_taken_from_timms_own_table(change, sentence, tmp_path):
    cfg = copy.deepcopy(SIGLIP)
    write_model(tmp_path / "in", cfg)
    cfg["vision_cfg"] |= change
    (tmp_path / "in" / "open_clip_config.json").write_text(json.dumps({"model_cfg": cfg}))
    with pytest.raises(CheckpointError, match=sentence):
        load(tmp_path / "in")


def test_pretrained_weights_of_timm_are_never_asked_for(tmp_path):
    cfg = copy.deepcopy(SIGLIP)
    write_model(tmp_path / "in", cfg)
    cfg["vision_cfg"]["timm_model_pretrained"] = True
    (tmp_path / "in" / "open_clip_config.json").write_text(json.dumps({"model_cfg": cfg}))
    assert "timm_model_pretrained" not in load(tmp_path / "in").model_cfg["vision_cfg"]


LONG = {"type": "Prepend", "prepend": "a" * 5_000_000}


def test_broken_tokenizers_are_named(tmp_path):
    write_model(tmp_path / "in", SIGLIP)
    whole = (tmp_path / "in" / "tokenizer.json").read_text()
    for content, sentence in (
        ("{}", r"its tokenizer\.json cannot be used"),
        ("\0", r"its tokenizer\.json: its JSON cannot be read"),
        (
            whole.replace('"dog": 6', '"dog": 41').replace('"dog":6', '"dog":41'),
            "has the token 41, but the model only 40",
        ),
        (json.dumps(json.loads(whole) | {"normalizer": LONG}), "its rules take 5 MB beside its words"),
    ):
        (tmp_path / "in" / "tokenizer.json").write_text(content)
        with pytest.raises(CheckpointError, match=sentence) as caught:
            load(tmp_path / "in")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["ViT-B-16-SigLIP", "ViT-B-16-SigLIP-384", "ViT-SO400M-14-SigLIP2", "ViT-L-14-CLIPA", "convnext_base_w",
     "EVA02-B-16", "MobileCLIP-S1", "PE-Core-B-16"],
)  # fmt: skip
def test_bare_weights_of_named_models_are_recognised(name):
    infos = expected_tensors(skeleton(lookup(name), name))
    plan = settle(infos, None, "w.safetensors")
    assert lookup(plan.name) == lookup(name)
    assert {key: info.shape for key, info in expected_tensors(skeleton(plan.model_cfg, "w")).items()} == {
        key: info.shape for key, info in infos.items()
    }
    if "SigLIP" in name:
        assert plan.preprocess_cfg["mean"] == [0.5, 0.5, 0.5]
        assert plan.preprocess_cfg["resize_mode"] == "squash"
        assert plan.candidates == ()


def test_every_name_is_loadable_or_refused_with_its_reason():
    refused = {}
    for name in open_clip.list_models():
        try:
            lookup(name)
        except CheckpointError as error:
            refused[name] = str(error)
    for name, sentence in refused.items():
        cfg = get_model_config(name)
        assert cfg.get("multimodal_cfg") or cfg["text_cfg"].get("hf_model_name"), (name, sentence)
        assert "which this version does not load" in sentence
    assert len(refused) < 15
