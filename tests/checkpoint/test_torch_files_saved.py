"""What torch.save writes, read as data, equals what torch.load(weights_only=True) reads."""

from __future__ import annotations

import argparse
import collections
import pathlib
import pickle
import struct
import tarfile
import zipfile

import numpy
import pytest
import torch

from clipsan.checkpoint.formats import read
from clipsan.checkpoint.torch_files import load_torch, scan
from clipsan.checkpoint.torch_files.records import Call, StoredTensor
from clipsan.errors import CheckpointError, UnsafeFileError


def with_attribute(tensor):
    tensor.note = "kept beside the numbers"
    return tensor


def numbers(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3))


BASE = numbers(6, 8)
STATES = {
    "float": {"w": numbers(3, 4)},
    "double": {"w": numbers(3).double()},
    "half": {"w": numbers(3, 4).half()},
    "bfloat16": {"w": numbers(3, 4).bfloat16()},
    "integers": {f"{kind}": torch.arange(5).to(kind) for kind in (torch.int64, torch.int32, torch.int16)},
    "bytes": {"i": torch.arange(-2, 3, dtype=torch.int8), "u": torch.arange(5, dtype=torch.uint8)},
    "bool": {"w": torch.tensor([True, False, True])},
    "scalar": {"w": torch.tensor(2.5), "n": torch.tensor(7)},
    "empty": {"w": torch.zeros(0, 3), "v": torch.zeros(3, 0, 2)},
    "transposed": {"w": numbers(3, 4).t()},
    "permuted": {"w": numbers(2, 3, 4).permute(2, 0, 1)},
    "a part": {"w": BASE[2:4, 1:7:2]},
    "parts of one storage": {"a": BASE[0], "b": BASE[1:], "c": BASE},
    "tied": {"a": BASE, "b": BASE},
    "expanded": {"w": numbers(3, 1).expand(3, 4), "rest": numbers(100)},
    "parameter": {"w": torch.nn.Parameter(numbers(2, 2)), "v": torch.nn.Parameter(numbers(2), False)},
    "parameter with attributes": {"w": with_attribute(torch.nn.Parameter(numbers(2)))},
    "tensor with attributes": {"w": with_attribute(numbers(2, 3))},
    "ordered": collections.OrderedDict([("b", numbers(2)), ("a", numbers(1))]),
    "module": torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3)).state_dict(),
    "channels last": {"w": numbers(2, 3, 4, 4).to(memory_format=torch.channels_last)},
}


def assert_same(path, weights_only=True):
    """The tensors that clipsan reads are those that torch reads: same keys, dtypes, shapes and values."""
    expected = torch.load(path, weights_only=weights_only)
    tensors = read(path).tensors
    assert list(tensors.infos) == list(expected)
    for key, want in expected.items():
        found = tensors.read(key)
        assert (tensors.infos[key].shape, tensors.infos[key].dtype) == (tuple(want.shape), want.dtype)
        assert found.dtype == want.dtype
        assert torch.equal(found, want)
        assert not found.requires_grad


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("case", STATES)
def test_a_state_dict(case, zipped, tmp_path):
    torch.save(STATES[case], tmp_path / "m.pt", _use_new_zipfile_serialization=zipped)
    assert_same(tmp_path / "m.pt")


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_each_pickle_protocol(protocol, zipped, tmp_path):
    state = STATES["module"] | STATES["parameter"] | STATES["half"]
    path = tmp_path / "m.pt"
    torch.save(state, path, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    assert_same(path, weights_only=protocol < 4)  # torch's own safe reader knows no newer opcodes


def test_bits_survive(tmp_path):
    odd = torch.tensor([float("nan"), float("inf"), -0.0, 1e-45])
    torch.save({"w": odd}, tmp_path / "m.pt")
    found = read(tmp_path / "m.pt").tensors.read("w")
    assert torch.equal(found.view(torch.int32), odd.view(torch.int32))


def test_numbers_that_are_not_aligned(tmp_path):
    """The old layout puts numbers wherever its pickles end: one more letter in a key moves them."""
    starts = set()
    for length in range(1, 9):
        torch.save({"k" * length: BASE}, tmp_path / "m.pt", _use_new_zipfile_serialization=False)
        ((start, _),) = load_torch(tmp_path / "m.pt").storages.places.values()
        starts.add(start % 4)
        assert_same(tmp_path / "m.pt")
    assert starts == {0, 1, 2, 3}


def test_the_file_is_never_altered(tmp_path):
    torch.save(STATES["module"], tmp_path / "m.pt")
    before = (tmp_path / "m.pt").read_bytes()
    tensors = read(tmp_path / "m.pt").tensors
    for key in tensors.infos:
        tensors.read(key).fill_(1)
    assert (tmp_path / "m.pt").read_bytes() == before


def test_numbers_are_mapped_and_not_copied(tmp_path):
    torch.save({"w": numbers(1000)}, tmp_path / "m.pt")
    tensors = read(tmp_path / "m.pt").tensors
    assert tensors.read("w").data_ptr() == tensors.read("w").data_ptr()


TRAINING = {
    "epoch": numpy.int64(7),
    "name": "run",
    "loss": numpy.float32(0.5),
    "args": argparse.Namespace(lr=1e-5, best=numpy.float64(2), path=pathlib.PosixPath("a"), names=["x"]),
    "optimizer": {
        "state": {0: {"step": torch.tensor(3.0), "exp_avg": numbers(2)}},
        "param_groups": [{"lr": 0.1}],
    },
    "scaler": collections.defaultdict(list, {"a": [1]}),
    "history": numpy.arange(3),
    "seen": {1, 2},
    "dtype": torch.float16,
    "shape": torch.Size([2, 3]),
    "device": torch.device("cpu"),
    "bytes": b"abc",
}


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_training_file(protocol, zipped, tmp_path):
    state = {f"module.{key}": value for key, value in STATES["module"].items()}
    torch.save(
        TRAINING | {"state_dict": state},
        tmp_path / "epoch_7.pt",
        pickle_protocol=protocol,
        _use_new_zipfile_serialization=zipped,
    )
    assert scan(tmp_path / "epoch_7.pt").unsafe == ()
    weights = read(tmp_path / "epoch_7.pt")
    assert weights.format == "training checkpoint"
    assert "trained for 7 epochs: from the file" in weights.evidence
    assert "prefix module. of all keys: dropped" in weights.evidence
    for key, want in STATES["module"].items():
        assert torch.equal(weights.tensors.read(key), want)
    content = load_torch(tmp_path / "epoch_7.pt").content
    assert (content["epoch"], content["loss"], content["seen"]) == (7, 0.5, [1, 2])
    assert content["args"].state["best"] == 2.0
    assert (content["shape"], content["scaler"]) == ((2, 3), {"a": [1]})
    assert isinstance(content["history"], Call)
    assert isinstance(content["optimizer"]["state"][0]["exp_avg"], StoredTensor)


@pytest.mark.parametrize(
    ("content", "taken", "line"),
    [
        (
            {"state_dict_ema": 2},
            2,
            "state_dict_ema: taken, the average over training; the file has no other weights",
        ),
        ({"model": 2}, 2, "weights: from model in the file"),
        ({"model_state_dict": 2}, 2, "weights: from model_state_dict in the file"),
        (
            {"state_dict_ema": 1, "state_dict": 2},
            2,
            "state_dict_ema: left in the file, because state_dict was taken",
        ),
        ({"model": 2, "state_dict_ema": 1}, 2, "state_dict_ema: left in the file, because model was taken"),
    ],
)
def test_where_the_weights_of_a_training_file_lie(content, taken, line, tmp_path):
    content = {key: {"w": torch.full((1,), float(value))} for key, value in content.items()}
    torch.save(content | {"epoch": 1}, tmp_path / "m.pt")
    weights = read(tmp_path / "m.pt")
    assert line in weights.evidence
    assert weights.tensors.read("w").item() == taken


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "clip.", "module._orig_mod.model."])
def test_prefixes_of_all_keys_are_dropped(prefix, tmp_path):
    torch.save({f"{prefix}{key}": value for key, value in STATES["module"].items()}, tmp_path / "m.pt")
    weights = read(tmp_path / "m.pt")
    assert set(weights.tensors.infos) == set(STATES["module"])
    assert sum(line.startswith("prefix ") for line in weights.evidence) == prefix.count(".")


def test_a_prefix_of_some_keys_stays(tmp_path):
    torch.save({"model.a": numbers(1), "b": numbers(1)}, tmp_path / "m.pt")
    assert set(read(tmp_path / "m.pt").tensors.infos) == {"model.a", "b"}


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (numbers(2, 2).to_sparse(), "'w' is not a plain dense tensor"),
        (torch.ones(2, dtype=torch.cfloat).conj(), "'w' is not a plain dense tensor"),
        (numbers(2).to(torch.float8_e5m2), "'w' is not a plain dense tensor"),
        (torch.zeros(2, device="meta"), "'w' is not a plain dense tensor"),
        (numpy.arange(2), "'w' holds a numpy.\\w+.multiarray._reconstruct instead of a tensor"),
        ([numbers(2)], "'w' holds a list instead of a tensor"),
        (argparse.Namespace(a=1), "'w' holds a argparse.Namespace instead of a tensor"),
        (numbers(1).expand(2**47), "claim 562949953421320 bytes"),
        (numbers(1).expand(2**40, 2**20), "has a shape that no tensor can have"),
    ],
)
def test_what_is_no_dense_tensor_is_named(value, sentence, tmp_path):
    torch.save({"a": numbers(2), "w": value}, tmp_path / "m.pt")
    with pytest.raises(CheckpointError, match=sentence):
        read(tmp_path / "m.pt")


@pytest.mark.filterwarnings("ignore:.*quantize")
def test_a_quantised_tensor_is_named(tmp_path):
    torch.save({"w": torch.quantize_per_tensor(numbers(2), 0.1, 0, torch.qint8)}, tmp_path / "m.pt")
    with pytest.raises(CheckpointError, match="'w' is not a plain dense tensor"):
        read(tmp_path / "m.pt")


@pytest.mark.parametrize("key", [3, None, (1, 2), b"w", "a\nb", "\x1b[31m", "\ud800", "k" * 2000])
def test_keys_that_cannot_be_said(key, tmp_path):
    torch.save({key: numbers(2)}, tmp_path / "m.pt", pickle_protocol=4)
    with pytest.raises(CheckpointError, match="has a key that is not text") as caught:
        read(tmp_path / "m.pt")
    assert str(caught.value).isprintable()


def test_tied_tensors_may_claim_the_file_twice_and_no_more(tmp_path):
    large = numbers(10_000)
    torch.save({"a": large, "b": large}, tmp_path / "twice.pt")
    assert_same(tmp_path / "twice.pt")
    torch.save({"a": large, "b": large, "c": large}, tmp_path / "thrice.pt")
    with pytest.raises(CheckpointError, match="claim 120000 bytes"):
        read(tmp_path / "thrice.pt")
    torch.save({f"{n}": large[n:] for n in range(2)}, tmp_path / "shifted.pt")
    with pytest.raises(CheckpointError, match="claim 79996 bytes"):
        read(tmp_path / "shifted.pt")


class Forged:
    """Pickles to a tensor with claims of the test's choice."""

    def __init__(self, *arguments):
        self.arguments = arguments

    def __reduce__(self):
        return torch._utils._rebuild_tensor_v2, (*self.arguments, False, collections.OrderedDict())


@pytest.mark.parametrize(
    ("offset", "size", "stride", "sentence"),
    [
        (0, (7,), (1,), "'w' reaches beyond its numbers"),
        (6, (1,), (1,), "'w' reaches beyond its numbers"),
        (0, (2, 3), (4, 1), "'w' reaches beyond its numbers"),
        (2**61, (1,), (1,), "'w' reaches beyond its numbers"),
        (0, (2,), (2**61,), "'w' reaches beyond its numbers"),
        (0, (0, 2**60), (1, 1), "'w' has a shape that no tensor can have"),
        (-1, (2,), (1,), "'w' is not a plain dense tensor"),
        (0, (-2,), (1,), "'w' is not a plain dense tensor"),
        (4, (2,), (-1,), "'w' is not a plain dense tensor"),
        (0, (2, 3), (1,), "'w' is not a plain dense tensor"),
        (0, (True,), (1,), "'w' is not a plain dense tensor"),
        (0, (2**70,), (0,), "'w' is not a plain dense tensor"),
        (0, (1,) * 33, (1,) * 33, "'w' is not a plain dense tensor"),
        (0, "ab", (1, 1), "'w' is not a plain dense tensor"),
    ],
)
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.filterwarnings("ignore:TypedStorage")
def test_claims_of_a_tensor_are_checked(offset, size, stride, sentence, zipped, tmp_path):
    forged = Forged(numbers(6).storage(), offset, size, stride)
    torch.save({"w": forged, "v": numbers(100)}, tmp_path / "m.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=sentence):
        read(tmp_path / "m.pt")


def rewrite(path, change, skip=()):
    """Write a zip again with `change(name, content)` for each member, and without some."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            if name not in skip:
                archive.writestr(name, change(name, content))


def test_storages_that_are_short_or_missing(tmp_path):
    torch.save({"w": numbers(6)}, tmp_path / "m.pt")
    rewrite(tmp_path / "m.pt", lambda name, content: content[:20] if name == "m/data/0" else content)
    with pytest.raises(CheckpointError, match="'w' claims more numbers than the file has for it"):
        read(tmp_path / "m.pt")
    rewrite(tmp_path / "m.pt", lambda name, content: content, skip=["m/data/0"])
    with pytest.raises(CheckpointError, match="'w' has no numbers in the file"):
        read(tmp_path / "m.pt")


def test_the_other_byte_order_is_refused(tmp_path):
    torch.save({"w": numbers(6)}, tmp_path / "m.pt")
    rewrite(tmp_path / "m.pt", lambda name, content: b"big" if name == "m/byteorder" else content)
    with pytest.raises(CheckpointError, match="its numbers are in the byte order 'big'"):
        read(tmp_path / "m.pt")
    torch.save({"w": numbers(6)}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    content = (tmp_path / "old.pt").read_bytes()
    place = content.index(b"little_endian") + len(b"little_endian")
    place = content.index(b"\x88", place)
    (tmp_path / "old.pt").write_bytes(content[:place] + b"\x89" + content[place + 1 :])
    with pytest.raises(CheckpointError, match="another order of bytes"):
        read(tmp_path / "old.pt")


def test_legacy_files_that_are_cut_or_lie(tmp_path):
    path = tmp_path / "old.pt"
    torch.save({"w": numbers(6)}, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    place = content.rindex(struct.pack("<q", 6))
    for damaged in (
        content[:-1],
        content[: place + 4],
        content[:place] + struct.pack("<q", -6) + content[place + 8 :],
        content[:place] + struct.pack("<q", 2**61) + content[place + 8 :],
    ):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="the numbers behind its pickles are cut off"):
            read(path)
    path.write_bytes(content[:place] + struct.pack("<q", 5) + content[place + 8 :])
    with pytest.raises(CheckpointError, match="'w' claims more numbers than the file has for it"):
        read(path)


def test_views_of_storages_as_torch_0_3_wrote_them(tmp_path):
    """A sixth entry of the persistent id gave (key, first element, elements) of a part of the storage."""
    path = tmp_path / "old.pt"
    torch.save({"w": numbers(6)[:4]}, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    place = content.index(b"K\x06Nt")
    view = b"K\x06(X\x01\0\0\0vK\x02K\x04tt"
    path.write_bytes(content[:place] + view + content[place + 4 :])
    assert torch.equal(read(path).tensors.read("w"), numbers(6)[2:])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"a": 1}, "a pickle of its own, without torch's magic number"),
        (0x1950A86A20F9469CFC6C, "damaged"),
    ],
)
def test_pickles_that_torch_did_not_write(content, sentence, tmp_path):
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(content, 2))
    with pytest.raises(CheckpointError, match=sentence):
        read(tmp_path / "m.pkl")


@pytest.mark.parametrize("name", ["m.pt", "m.dat"])
def test_the_tar_layout_is_refused(name, tmp_path):
    (tmp_path / "sys_info").write_bytes(pickle.dumps({"protocol_version": 1000}, 2))
    with tarfile.open(tmp_path / name, "w") as archive:
        archive.add(tmp_path / "sys_info", "sys_info")
    with pytest.raises(CheckpointError, match=r"a tar archive, as torch before 0\.1\.10 wrote"):
        read(tmp_path / name)


def test_an_unsafe_name_is_told_although_the_file_is_damaged(tmp_path):
    (tmp_path / "m.pt").write_bytes(b"\x80\x02cos\nsystem\nX\x02\0\0\0ls\x85R\xff\xff")
    with pytest.raises(UnsafeFileError, match=r"its pickle names os\.system, which could run code"):
        read(tmp_path / "m.pt")
    assert scan(tmp_path / "m.pt").unsafe == ("os.system",)


def test_names_of_any_bytes_stay_in_one_line(tmp_path):
    name = "evil\n\x1b[2J\u202e" + "x" * 300
    content = b"\x80\x04\x8c\x01m" + b"X" + struct.pack("<I", len(name.encode())) + name.encode() + b"\x93."
    (tmp_path / "m.pt").write_bytes(content)
    with pytest.raises(UnsafeFileError) as caught:
        read(tmp_path / "m.pt")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600
