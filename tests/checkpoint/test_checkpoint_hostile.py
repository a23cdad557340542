"""What is said of broken checkpoints: each wrong key, shape and value by its name, in one sentence.

The files made to harm are in tests/hostile; here are the sentences and the errors of the library.
"""

from __future__ import annotations

import json
import pickle
import random
import struct

import pytest
import torch

from clipsan.checkpoint import inspect, load
from clipsan.checkpoint.write import write_weights
from clipsan.errors import CheckpointError, UnsafeFileError


class Canary:
    """Writes a file when unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return exec, (f"open({self.path!r}, 'w').close()",)


@pytest.mark.parametrize("zipped", [True, False])
def test_file_that_runs_code_is_an_error_of_its_own(zipped, tiny_vit, tmp_path):
    path = tmp_path / "model.safetensors"  # the suffix is not trusted
    bad = dict(tiny_vit.state) | {"x": Canary(tmp_path / "canary")}
    torch.save(bad, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(UnsafeFileError, match=r"model\.safetensors was not read because its pickle names"):
        load(path)
    found = inspect(path)
    assert found.unsafe == ("__builtin__.exec",)
    assert found.format == "pickle with code"
    assert not found.loadable
    assert found.tensors is None
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_code_is_named_in_every_protocol(protocol, tmp_path):
    (tmp_path / "evil.pt").write_bytes(pickle.dumps({"state_dict": Canary(tmp_path / "canary")}, protocol))
    with pytest.raises(UnsafeFileError, match=r"(builtins|__builtin__)\.exec, which could run code"):
        load(tmp_path / "evil.pt")
    assert not (tmp_path / "canary").exists()


def test_pickled_module_is_named(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pt")
    with pytest.raises(UnsafeFileError, match=r"torch\.nn\.modules\.linear\.Linear"):
        load(tmp_path / "module.pt")


def test_missing_file(tmp_path):
    with pytest.raises(CheckpointError, match="There is no file or folder"):
        load(tmp_path / "nothing.safetensors")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load("a\0b")


@pytest.mark.parametrize(
    ("shape", "size", "sentence"),
    [
        ([2], 4, r"'a' is given 4 bytes, but its shape \[2\] of F32 takes 8"),
        ([1], 8, "4 bytes after its last tensor belong to none"),
        ([1], 2, "its tensors need 4 bytes and the file has 2"),
    ],
)
def test_safetensors_whose_sizes_disagree(shape, size, sentence, tmp_path):
    header = json.dumps({"a": {"dtype": "F32", "shape": shape, "data_offsets": [0, 4]}}).encode()
    (tmp_path / "bad.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(size))
    with pytest.raises(CheckpointError, match=sentence):
        load(tmp_path / "bad.safetensors")


@pytest.mark.parametrize("zipped", [True, False])
def test_flipped_bytes_give_sentences(zipped, tiny_vit, tmp_path):
    """Damage anywhere in the structure of a torch file ends in a clipsan error or in a load."""
    path = tmp_path / "flipped.pt"
    torch.save(tiny_vit.state, path, _use_new_zipfile_serialization=zipped)
    whole, chance = path.read_bytes(), random.Random(0)
    refused = 0
    for _ in range(25):
        damaged = bytearray(whole)
        for _ in range(3):
            place = chance.choice([chance.randrange(3000), -1 - chance.randrange(3000)])
            damaged[place] = chance.randrange(256)
        path.write_bytes(damaged)
        try:
            inspect(path)
        except CheckpointError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 5


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ([1, 2], "without a state dict"),
        ({"state_dict": [1]}, "its state_dict is a list"),
        ({"a": 1}, "'a' holds a int instead of a tensor"),
        ({1: torch.zeros(1)}, "a key that is not text: 1"),
        ({"a": torch.eye(2).to_sparse()}, "not a plain dense tensor"),
        ({"a": torch.zeros(1).expand(10**12)}, "claim 4000000000000 bytes"),
    ],
)
def test_odd_torch_content(content, sentence, tmp_path):
    torch.save(content, tmp_path / "odd.pt")
    with pytest.raises(CheckpointError, match=sentence):
        load(tmp_path / "odd.pt")


def test_all_wrong_keys_are_named_together(tiny_vit, tmp_path):
    state = dict(tiny_vit.state)
    del state["ln_final.weight"], state["ln_final.bias"]
    state |= {f"extra.{n:02}": torch.zeros(1) for n in range(12)}
    state["visual.ln_post.bias"] = torch.zeros(3)
    state["visual.ln_post.weight"] = torch.zeros(128, dtype=torch.int8)
    write_weights(tmp_path / "keys.safetensors", state, {})
    with pytest.raises(CheckpointError) as caught:
        load(tmp_path / "keys.safetensors")
    assert str(caught.value) == (
        "The keys of keys.safetensors do not fit its architecture; missing: ln_final.bias, ln_final.weight;"
        f" unexpected: {', '.join(f'extra.{n:02}' for n in range(10))} and 2 more;"
        " of another shape: visual.ln_post.bias [3] instead of [128];"
        " of a dtype that clipsan does not take: visual.ln_post.weight int8."
    )


def test_values_that_are_not_finite_are_counted(tiny_vit, tmp_path):
    state = {key: tensor.clone() for key, tensor in tiny_vit.state.items()}
    state["visual.proj"][3, 4:6] = torch.tensor([float("nan"), -float("inf")])
    torch.save(state, tmp_path / "nan.pt")
    with pytest.raises(CheckpointError, match=r"visual\.proj holds 2 values that are not finite"):
        load(tmp_path / "nan.pt")


CONFIG_FAULTS = {
    "nothing": ({"vision_cfg": None}, "needs embed_dim, vision_cfg and text_cfg"),
    "coca": ({"multimodal_cfg": {"width": 1}}, "CoCa"),
    "zero patch": ({"vision_cfg": {"patch_size": 0}}, "patch_size = 0"),
    "boolean as number": ({"embed_dim": True}, "embed_dim = True"),
    "text as number": ({"embed_dim": "24"}, "embed_dim = '24'"),
    "heads": ({"text_cfg": {"heads": 3}}, "open_clip cannot build"),
    "no heads": ({"vision_cfg": {"head_width": 4096}}, "open_clip cannot build"),
    "no patch": ({"vision_cfg": {"patch_size": None}}, "open_clip cannot build"),
    "small image": ({"vision_cfg": {"image_size": 15}}, "smaller than one patch"),
    "flat ResNet": (
        {"vision_cfg": {"layers": [1, 1, 1, 1], "image_size": [64, 32]}},
        "ResNet image tower cannot take images of 64 x 32 pixels",
    ),
    "act": ({"vision_cfg": {"act_kwargs": {"inplace": True}}}, "act_kwargs"),
}


@pytest.mark.parametrize("case", CONFIG_FAULTS)
def test_config_that_no_clip_has(case, tiny_vit, tmp_path):
    change, sentence = CONFIG_FAULTS[case]
    merged = {
        key: tiny_vit.cfg[key] | value if isinstance(value, dict) and key in tiny_vit.cfg else value
        for key, value in change.items()
    }
    with pytest.raises(CheckpointError, match=sentence) as caught:
        load(tiny_vit.write_folder(tmp_path / "bad", **merged))
    assert "\n" not in str(caught.value)


def test_vocabulary_that_is_not_clips(tiny_vit, tmp_path):
    folder = tiny_vit.write_folder(
        tmp_path / "other", text_cfg=tiny_vit.cfg["text_cfg"] | {"vocab_size": 32000}
    )
    fewer = {"token_embedding.weight": tiny_vit.state["token_embedding.weight"][:32000].clone()}
    write_weights(folder / "open_clip_model.safetensors", dict(tiny_vit.state) | fewer, {})
    with pytest.raises(CheckpointError, match="a vocabulary of 32000 tokens"):
        load(folder)
