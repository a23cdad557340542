"""config.json, preprocessor_config.json and vocabularies: what the library writes, and what nobody should."""

from __future__ import annotations

import json
import re

import pytest
from tiny_transformers import KINDS, make_config, transformers

from clipsan.checkpoint.config import OPENAI_MEAN, OPENAI_STD
from clipsan.checkpoint.transformers_clip import read_clip_config
from clipsan.checkpoint.transformers_clip.vocabulary import clip_vocabulary, tokenizer_files
from clipsan.errors import CheckpointError


def write(folder, name, found):
    (folder / name).write_bytes(found if isinstance(found, bytes) else json.dumps(found).encode())


def read(folder, found):
    write(folder, "config.json", found)
    return read_clip_config(folder)


def numbers(cfg):
    """The numbers of an open_clip configuration under transformers' names."""
    vision, text = cfg["vision_cfg"], cfg["text_cfg"]
    return {
        "projection_dim": cfg["embed_dim"],
        "vision_config": {
            "hidden_size": vision["width"],
            "intermediate_size": int(vision["width"] * vision.get("mlp_ratio", 4.0)),
            "num_hidden_layers": vision["layers"],
            "num_attention_heads": vision["width"] // vision["head_width"],
            "image_size": vision["image_size"],
            "patch_size": vision["patch_size"],
            "layer_norm_eps": vision.get("norm_kwargs", {"eps": 1e-5})["eps"],
        },
        "text_config": {
            "hidden_size": text["width"],
            "intermediate_size": int(text["width"] * text.get("mlp_ratio", 4.0)),
            "num_hidden_layers": text["layers"],
            "num_attention_heads": text["heads"],
            "max_position_embeddings": text["context_length"],
            "vocab_size": text["vocab_size"],
            "layer_norm_eps": text.get("norm_kwargs", {"eps": 1e-5})["eps"],
        },
    }


def same_numbers(cfg, theirs):
    """True where transformers' own configuration object has all those numbers."""
    known = theirs.to_dict()
    ours = numbers(cfg)
    towers = ("vision_config", "text_config")
    return ours["projection_dim"] == known["projection_dim"] and all(
        ours[tower].items() <= known[tower].items() for tower in towers
    )


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_library_saves(kind, tmp_path):
    theirs = make_config(kind)
    theirs.save_pretrained(tmp_path)
    found = read_clip_config(tmp_path)
    assert same_numbers(found.model_cfg, theirs)
    assert found.activation == ("quickgelu" if kind in ("quick_gelu", "narrow") else "gelu")
    tanh = {"approximate": "tanh"} if kind == "tanh" else None
    assert all(found.model_cfg[part].get("act_kwargs") == tanh for part in ("vision_cfg", "text_cfg"))
    assert found.source == "config.json"


def test_defaults_are_those_of_the_library(tmp_path):
    found = read(tmp_path, {"model_type": "clip"})
    assert same_numbers(found.model_cfg, transformers.CLIPConfig())
    assert found.activation == "quickgelu"
    assert found.preprocess_cfg["mean"] == list(OPENAI_MEAN)
    assert found.preprocess_cfg["std"] == list(OPENAI_STD)


@pytest.mark.parametrize(
    "early",
    [
        {"text_config": {"hidden_size": 64}, "text_config_dict": None},
        {
            "text_config": {"hidden_size": 64, "num_hidden_layers": 3},
            "text_config_dict": {"hidden_size": 128},
        },
        {"vision_config": {"patch_size": 14}, "vision_config_dict": {}},
        {"vision_config_dict": {"patch_size": 16, "num_hidden_layers": 1}},
    ],
)
def test_early_names_of_the_towers(early, tmp_path):
    given = {"model_type": "clip"} | early
    assert same_numbers(read(tmp_path, given).model_cfg, transformers.CLIPConfig(**early))


def test_image_tower_alone(tmp_path):
    config = make_config("gelu").vision_config
    transformers.CLIPVisionModelWithProjection(config).save_pretrained(tmp_path)
    found = read_clip_config(tmp_path)
    assert "text_cfg" not in found.model_cfg
    assert (found.model_cfg["embed_dim"], found.model_cfg["vision_cfg"]["patch_size"]) == (24, 8)
    assert any(line.startswith("image tower alone") for line in found.evidence)


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("siglip", "of type 'siglip'; .* hf-hub:timm/ViT-B-16-SigLIP"),
        ("siglip2", "hf-hub:timm/ViT-B-16-SigLIP"),
        ("chinese_clip", "of type 'chinese_clip'; .* reads clip and clip_vision_model; give the checkpoint"),
        ("clipseg", "of type 'clipseg'"),
        ("altclip", "of type 'altclip'"),
        ("clip_text_model", "text tower alone"),
        (None, "without a model_type"),
        (["clip"], "without a model_type"),
        ("x" * 5000, "of type 'xxx"),
    ],
)
def test_other_models(kind, sentence, tmp_path):
    with pytest.raises(CheckpointError, match=sentence) as caught:
        read(tmp_path, {"model_type": kind})
    assert len(str(caught.value)) < 400


BAD = {
    "vision_config.hidden_size": [True, "768", 0, -1, 768.0, None, 10**30, [768]],
    "vision_config.num_attention_heads": [7, 0],
    "vision_config.num_channels": [1, 4],
    "vision_config.image_size": [[224, 224], 0, 10**6],
    "vision_config.patch_size": [0, 225, [16, 16]],
    "vision_config.hidden_act": ["relu", None, 3, ["gelu"], {}],
    "vision_config.layer_norm_eps": [0, -1e-5, "1e-5", 2],
    "text_config.num_hidden_layers": [0, 10**5],
    "text_config.vocab_size": [0, 10**9],
    "text_config.max_position_embeddings": [0, 10**6],
    "text_config.eos_token_id": [0, 49406, None, [49407], 2.0],
    "text_config.intermediate_size": [0, 1.5, 10**12, 5, 512 * 64 + 1],
    "projection_dim": [0, "512", None],
    "vision_config": ["a", [], 3],
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in BAD.items() for v in values])
def test_impossible_values_are_named(name, value, tmp_path):
    outer, _, inner = name.partition(".")
    found = {"model_type": "clip", outer: {inner: value} if inner else value}
    with pytest.raises(CheckpointError, match=f"{inner or outer} = ") as caught:
        read(tmp_path, found)
    assert "config.json" in str(caught.value)


def test_two_activations_are_refused(tmp_path):
    towers = {"text_config": {"hidden_act": "quick_gelu"}, "vision_config": {"hidden_act": "gelu"}}
    with pytest.raises(CheckpointError, match="quick_gelu in one tower and another activation in the other"):
        read(tmp_path, {"model_type": "clip"} | towers)
    towers = {"text_config": {"hidden_act": "gelu_pytorch_tanh"}, "vision_config": {"hidden_act": "gelu"}}
    found = read(tmp_path, {"model_type": "clip"} | towers).model_cfg
    assert found["text_cfg"]["act_kwargs"] == {"approximate": "tanh"}
    assert "act_kwargs" not in found["vision_cfg"]


def test_both_ways_to_end_a_text(tmp_path):
    for end in (2, 49407):
        found = read(tmp_path, {"model_type": "clip", "text_config": {"eos_token_id": end}})
        assert "pool_type" not in found.model_cfg["text_cfg"]  # open_clip's own way


# width * (hidden / width) falls just below hidden in the first three
@pytest.mark.parametrize(("width", "hidden"), [(22, 60), (176, 109), (208, 454), (1408, 6144), (1664, 8192)])
def test_every_width_of_the_mlp_is_met(width, hidden, tmp_path):
    tower = {"hidden_size": width, "intermediate_size": hidden, "num_attention_heads": 1}
    vision = read(tmp_path, {"model_type": "clip", "vision_config": tower}).model_cfg["vision_cfg"]
    assert int(vision["width"] * vision.get("mlp_ratio", 4.0)) == hidden


def test_code_named_by_the_configuration_is_never_run(tmp_path):
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w')\nclass Evil: pass\n")
    code = {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil"}
    found = read(tmp_path, {"model_type": "clip", "auto_map": code, "some_new_key": {"a": 1}})
    assert found.model_cfg["embed_dim"] == 512
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"[]", "must be a JSON object"),
        (b"{", "JSON cannot be read"),
        (b'{"model_type": "clip", "model_type": "siglip"}', "the key 'model_type' twice"),
        (b'{"projection_dim": NaN}', "JSON cannot be read"),
        (b"[" * 100_000, "nested too deeply|JSON cannot be read"),
        (b" " * (1 << 20) + b"{}", "above the 1048576"),
    ],
)
def test_broken_files(content, sentence, tmp_path):
    with pytest.raises(CheckpointError, match=sentence):
        read(tmp_path, content)


def test_no_file(tmp_path):
    with pytest.raises(CheckpointError, match=r"config\.json' is not a file"):
        read_clip_config(tmp_path)
    (tmp_path / "config.json").mkdir()
    with pytest.raises(CheckpointError, match=r"config\.json' is not a file"):
        read_clip_config(tmp_path)


PREPARATIONS = [
    # preprocessor_config.json, what it must come to, a line of evidence
    ({}, {"resize_mode": "shortest", "interpolation": "bicubic", "mean": list(OPENAI_MEAN)}, None),
    ({"size": 224, "crop_size": 224}, {"resize_mode": "shortest"}, None),
    ({"image_mean": [0.5, 0.4, 0.3], "image_std": 0.5}, {"mean": [0.5, 0.4, 0.3], "std": [0.5] * 3}, None),
    ({"do_normalize": False}, {"mean": [0.0] * 3, "std": [1.0] * 3}, None),
    ({"resample": 2}, {"interpolation": "bilinear"}, None),
    ({"size": {"height": 224, "width": 224}, "do_center_crop": False}, {"resize_mode": "squash"}, None),
    ({"size": {"height": 224, "width": 224}}, {"resize_mode": "squash"}, None),
    (
        {"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}},
        {"resize_mode": "shortest"},
        "resized to 256 pixels",
    ),
    (
        {"size": {"shortest_edge": 336}, "crop_size": 336},
        {"resize_mode": "shortest"},
        r"images of 336 x 336 pixels .* takes 224 x 224",
    ),
    ({"do_center_crop": False}, {"resize_mode": "shortest"}, "are not made square"),
    ({"do_resize": False}, {"resize_mode": "shortest"}, "are not resized"),
    (
        {"size": {"height": 256, "width": 300}, "crop_size": 224},
        {"resize_mode": "shortest"},
        "resized to 256 x 300",
    ),
]


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(("found", "expected", "line"), PREPARATIONS)
def test_preparation_of_the_pixels(found, expected, line, nested, tmp_path):
    name = "processor_config.json" if nested else "preprocessor_config.json"
    write(tmp_path, name, {"image_processor": found} if nested else found)
    config = read(tmp_path, {"model_type": "clip"})
    assert expected.items() <= config.preprocess_cfg.items()
    assert config.preprocess_cfg.keys() == {"mean", "std", "interpolation", "resize_mode"}
    remarks = [text for text in config.evidence if text.startswith("images ")]
    assert len(remarks) == (line is not None)
    assert line is None or re.search(line, remarks[0])
    assert any(text.startswith("preparation of the pixels: from " + name) for text in config.evidence)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("image_mean", [0.5, 0.5]),
        ("image_mean", "0.5"),
        ("image_mean", [True, 0, 0]),
        ("image_std", [0, 0, 0]),
        ("image_std", [1e9] * 3),
        ("resample", 1),
        ("resample", "bicubic"),
        ("resample", True),
        ("size", {"longest_edge": 224}),
        ("size.shortest_edge", 0),
        ("size.height", "224"),
        ("size", [224, 224]),
        ("crop_size", -1),
        ("do_rescale", False),
        ("do_rescale", 1),
        ("rescale_factor", 1),
        ("do_center_crop", "yes"),
        ("do_normalize", None),
    ],
    ids=str,
)
def test_impossible_preparations(name, value, tmp_path):
    outer, _, inner = name.partition(".")
    found = {outer: {"width": 224, inner: value} if inner else value}
    write(tmp_path, "preprocessor_config.json", found)
    with pytest.raises(CheckpointError, match=rf"^preprocessor_config\.json.* has {inner or outer} = "):
        read(tmp_path, {"model_type": "clip"})


def test_without_a_preprocessor_the_evidence_says_so(tmp_path):
    found = read(tmp_path, {"model_type": "clip"})
    assert any(line.startswith("no preprocessor_config.json") for line in found.evidence)


@pytest.fixture(scope="module")
def tokenizer_json(tmp_path_factory):
    """What the library itself makes of CLIP's vocabulary."""
    folder = tmp_path_factory.mktemp("tokenizer")
    for name, content in tokenizer_files(77).items():
        (folder / name).write_bytes(content)
    transformers.CLIPTokenizer.from_pretrained(folder).save_pretrained(folder / "saved")
    return (folder / "saved" / "tokenizer.json").read_bytes()


def test_vocabulary_of_clip_passes(tokenizer_json, tmp_path):
    write(tmp_path, "tokenizer.json", tokenizer_json)
    write(tmp_path, "vocab.json", clip_vocabulary())
    found = read(tmp_path, {"model_type": "clip"})
    assert [line for line in found.evidence if line.startswith("vocabulary")] == [
        "vocabulary: CLIP's own, as vocab.json has it",
        "vocabulary: CLIP's own, as tokenizer.json has it",
    ]


def test_vocabulary_without_the_ends_of_a_text_passes(tmp_path):
    write(tmp_path, "vocab.json", dict(list(clip_vocabulary().items())[:-2]))
    assert read(tmp_path, {"model_type": "clip"}).model_cfg["text_cfg"]["vocab_size"] == 49408


@pytest.mark.parametrize("name", ["vocab.json", "tokenizer.json"])
def test_other_vocabulary_of_the_same_size_is_refused(name, tmp_path):
    other = dict(clip_vocabulary())
    other["dog</w>"], other["cat</w>"] = other["cat</w>"], other["dog</w>"]
    write(tmp_path, name, other if name == "vocab.json" else {"model": {"vocab": other}})
    with pytest.raises(CheckpointError, match=f"{name} holds another vocabulary than CLIP's"):
        read(tmp_path, {"model_type": "clip"})


@pytest.mark.parametrize(
    "found", [{}, {"model": []}, {"model": {"vocab": [["a", -1.0]]}}, {"model": {"vocab": {}}}]
)
def test_tokenizers_of_another_kind_are_refused(found, tmp_path):
    write(tmp_path, "tokenizer.json", found)
    with pytest.raises(CheckpointError, match=r"tokenizer\.json holds another vocabulary"):
        read(tmp_path, {"model_type": "clip"})


def test_vocabulary_is_not_read_beyond_its_limit(tmp_path):
    with (tmp_path / "vocab.json").open("wb") as file:
        file.truncate(1 << 40)  # takes no room on disk
    with pytest.raises(CheckpointError, match="above the 4194304"):
        read(tmp_path, {"model_type": "clip"})
