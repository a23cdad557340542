"""Broken and hostile files: one sentence each, nothing executed, nothing large allocated."""

from __future__ import annotations

import json
import pickle
import random
import struct
import zipfile

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


def safetensors_bytes(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(begin, end, dtype="F32", shape=None):
    shape = [(end - begin) // 4] if shape is None else shape
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


HEADERS = {
    "short": (b"\1\2", "too few for a safetensors file"),
    "oversized header": (struct.pack("<Q", 10**9) + b"{}", "above the 100 MB"),
    "truncated header": (struct.pack("<Q", 1000) + b"{}", "is truncated"),
    "truncated data": (safetensors_bytes({"a": entry(0, 8)}, b"1234"), "is truncated"),
    "trailing data": (safetensors_bytes({"a": entry(0, 4)}, b"12345678"), "4 bytes after its last tensor"),
    "overlap": (safetensors_bytes({"a": entry(0, 8), "b": entry(4, 12)}, b"0" * 12), "overlaps"),
    "hole": (safetensors_bytes({"a": entry(0, 4), "b": entry(8, 12)}, b"0" * 12), "leaves a hole"),
    "wrong size": (safetensors_bytes({"a": entry(0, 4, shape=[2])}, b"0" * 4), "takes 8"),
    "huge shape": (safetensors_bytes({"a": entry(0, 4, shape=[2**61])}, b"0" * 4), "is given 4 bytes"),
    "negative": (safetensors_bytes({"a": entry(-4, 0)}), "not counts"),
    "boolean": (safetensors_bytes({"a": entry(0, 4, shape=[True])}, b"0" * 4), "not counts"),
    "dtype": (safetensors_bytes({"a": entry(0, 4, dtype="F3")}, b"0" * 4), "the dtype 'F3'"),
    "extra field": (
        safetensors_bytes({"a": entry(0, 4) | {"x": 1}}, b"0" * 4),
        "data_offsets alone",
    ),
    "twice": (safetensors_bytes(b'{"a": {}, "a": {}}'), "the key 'a' twice"),
    "not JSON": (safetensors_bytes(b"{]"), "JSON cannot be read"),
    "deep JSON": (safetensors_bytes(b"[" * 200_000), "nested too deeply"),
    "list": (safetensors_bytes([]), "not a JSON object"),
    "not UTF-8": (safetensors_bytes(b'{"\xff": 1}'), "JSON cannot be read"),
    "metadata": (safetensors_bytes({"__metadata__": {"a": 1}}), "must map text to text"),
    "empty": (safetensors_bytes({}), "does not hold a CLIP"),
}


@pytest.mark.parametrize("case", HEADERS)
def test_broken_safetensors(case, tmp_path):
    content, sentence = HEADERS[case]
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=sentence) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    if case != "empty":
        with pytest.raises(CheckpointError, match=sentence):
            inspect(path)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_pickle_that_runs_code(protocol, tmp_path):
    path = tmp_path / "evil.pt"
    path.write_bytes(pickle.dumps({"state_dict": Canary(tmp_path / "canary")}, protocol))
    with pytest.raises(UnsafeFileError, match=r"evil\.pt was not read because its pickle names .*exec"):
        load(path)
    found = inspect(path)
    assert any("exec" in name for name in found.unsafe)
    assert found.format == "pickle with code"
    assert not found.loadable
    assert found.tensors is None
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_torch_file_that_runs_code(zipped, tiny_vit, tmp_path):
    path = tmp_path / "model.safetensors"  # the suffix is not trusted
    bad = dict(tiny_vit.state) | {"x": Canary(tmp_path / "canary")}
    torch.save(bad, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(UnsafeFileError, match=r"names .*exec.*, which could run code"):
        load(path)
    assert any("exec" in name for name in inspect(path).unsafe)
    assert not (tmp_path / "canary").exists()


def test_pickled_module_is_named(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pt")
    with pytest.raises(UnsafeFileError, match=r"torch\.nn\.modules\.linear\.Linear"):
        load(tmp_path / "module.pt")


def test_stack_global_cannot_pose_as_harmless(tmp_path):
    # The texts pushed last are not the ones that STACK_GLOBAL takes: two are popped again.
    texts = [b"\x8c" + bytes([len(t)]) + t for t in (b"builtins", b"exec", b"collections", b"OrderedDict")]
    (tmp_path / "posing.pt").write_bytes(b"\x80\x04" + b"".join(texts) + b"00\x93.")
    with pytest.raises(UnsafeFileError, match="named on the stack"):
        load(tmp_path / "posing.pt")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("empty.pt", b"", "is empty"),
        ("noise.pt", b"\x80\x02" + bytes(range(256)), "damaged"),
        ("text.pt", b"hello, this is no pickle", "damaged"),
        ("cut.pt", b"PK\x03\x04" + b"0" * 100, "truncated archive"),
        ("photo.jpg", b"\xff\xd8\xff\xe0" + b"0" * 100, "neither safetensors nor a file of torch.save"),
    ],
)
def test_not_a_checkpoint(name, content, sentence, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=sentence):
        load(tmp_path / name)


def test_missing_file(tmp_path):
    with pytest.raises(CheckpointError, match="There is no file or folder"):
        load(tmp_path / "nothing.safetensors")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load("a\0b")


def test_compressed_archive_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data.pkl", b"\x80\x02}." + b"0" * 50_000_000)
    with pytest.raises(CheckpointError, match="claim more than the file holds"):
        load(tmp_path / "bomb.pt")


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
            damaged[chance.choice([chance.randrange(3000), -1 - chance.randrange(3000)])] = chance.randrange(
                256
            )
        path.write_bytes(damaged)
        try:
            inspect(path)
        except CheckpointError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 5


def test_tensor_larger_than_its_file(tmp_path):
    torch.save({"a": torch.zeros(1).expand(10**12)}, tmp_path / "huge.pt")
    with pytest.raises(CheckpointError, match="claim 4000000000000 bytes"):
        load(tmp_path / "huge.pt")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ([1, 2], "without a state dict"),
        ({"state_dict": [1]}, "its state_dict is a list"),
        ({"a": 1}, "'a' holds a int instead of a tensor"),
        ({1: torch.zeros(1)}, "a key that is not text"),
        ({"a": torch.eye(2).to_sparse()}, "not a plain dense tensor"),
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


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_non_finite_weights_name_the_key(value, tiny_vit, tmp_path):
    state = {key: tensor.clone() for key, tensor in tiny_vit.state.items()}
    state["visual.proj"][3, 4] = value
    torch.save(state, tmp_path / "nan.pt")
    with pytest.raises(CheckpointError, match=r"visual\.proj holds 1 values that are not finite"):
        load(tmp_path / "nan.pt")


def test_double_too_large_for_float32(tiny_vit, tmp_path):
    torch.save(dict(tiny_vit.state) | {"logit_scale": torch.tensor(1e300).double()}, tmp_path / "d.pt")
    with pytest.raises(CheckpointError, match="logit_scale holds 1 values"):
        load(tmp_path / "d.pt")


def test_config_that_lies_about_size_allocates_nothing(tiny_vit, tmp_path):
    vision = tiny_vit.cfg["vision_cfg"] | {"width": 65536, "layers": 4, "head_width": 64}  # 100 GB of weights
    folder = tiny_vit.write_folder(tmp_path / "lie", vision_cfg=vision)
    with pytest.raises(CheckpointError, match=r"of another shape: visual\.class_embedding \[128\] instead"):
        load(folder)


CONFIG_FAULTS = {
    "timm": ({"vision_cfg": {"timm_model_name": "vit_base"}}, "an image tower from timm"),
    "hf model": ({"text_cfg": {"hf_model_name": "roberta-base"}}, "a text tower from transformers"),
    "hf tokenizer": (
        {"text_cfg": {"hf_tokenizer_name": "a/b"}},
        "a tokenizer from the Hugging Face hub",
    ),
    "custom": ({"custom_text": True}, "custom_text"),
    "coca": ({"multimodal_cfg": {"width": 1}}, "CoCa"),
    "unknown": ({"pretrained_path": "/etc"}, "unknown key pretrained_path"),
    "unknown deep": ({"text_cfg": {"bpe_path": "/etc"}}, "text_cfg has the unknown key bpe_path"),
    "layers": ({"vision_cfg": {"layers": 10**9}}, "layers = 1000000000"),
    "zero patch": ({"vision_cfg": {"patch_size": 0}}, "patch_size = 0"),
    "text as number": ({"embed_dim": "24"}, "embed_dim = '24'"),
    "boolean as number": ({"embed_dim": True}, "embed_dim = True"),
    "heads": ({"text_cfg": {"heads": 3}}, "open_clip cannot build"),
    "no heads": ({"vision_cfg": {"head_width": 4096}}, "open_clip cannot build"),
    "no patch": ({"vision_cfg": {"patch_size": None}}, "open_clip cannot build"),
    "vocabulary": ({"text_cfg": {"vocab_size": 32000}}, "a vocabulary of 32000 tokens"),
    "small image": ({"vision_cfg": {"image_size": 15}}, "smaller than one patch"),
    "flat ResNet": (
        {"vision_cfg": {"layers": [1, 1, 1, 1], "image_size": [64, 32]}},
        "ResNet image tower cannot take images of 64 x 32 pixels",
    ),
    "act": ({"vision_cfg": {"act_kwargs": {"inplace": True}}}, "act_kwargs"),
}


@pytest.mark.parametrize("case", CONFIG_FAULTS)
def test_hostile_config(case, tiny_vit, tmp_path):
    change, sentence = CONFIG_FAULTS[case]
    merged = {
        key: tiny_vit.cfg[key] | value if isinstance(value, dict) and key in tiny_vit.cfg else value
        for key, value in change.items()
    }
    with pytest.raises(CheckpointError, match=sentence) as caught:
        load(tiny_vit.write_folder(tmp_path / "bad", **merged))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[]", "must be a JSON object"),
        ("{", "JSON cannot be read"),
        ('{"model_cfg": {}}', "needs embed_dim"),
        ('{"model_cfg": {"embed_dim": NaN}}', "JSON cannot be read"),
        ("[" * 100_000, "nested too deeply"),
        (" " * (2 << 20), "above 1 MB"),
    ],
)
def test_unreadable_config(text, sentence, tiny_vit, tmp_path):
    folder = tiny_vit.write_folder(tmp_path / "bad")
    (folder / "open_clip_config.json").write_text(text)
    with pytest.raises(CheckpointError, match=sentence):
        load(folder)


def test_folder_without_weights(tiny_vit, tmp_path):
    folder = tiny_vit.write_folder(tmp_path / "bare")
    (folder / "open_clip_model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="but no weights such as"):
        load(folder)
