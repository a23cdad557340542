"""Which files of a repository are taken, and that nothing else ever is."""

from __future__ import annotations

import json

import pytest
from hub_server import Fault, HubRepository

from clipsan.errors import CheckpointError
from clipsan.hub import Repository, fetch, tokenizer_files

CLUTTER = {"train.py": b"import os", "optimizer.pt": b"x", "flax_model.msgpack": b"x", ".gitattributes": b""}
TOKENIZER = {"tokenizer.json": b"{}", "tokenizer_config.json": b"{}", "special_tokens_map.json": b"{}"}
NAMED = {"model_cfg": {"text_cfg": {"hf_tokenizer_name": "org/words"}}}


def index(*shards: str) -> bytes:
    return json.dumps({"weight_map": {f"key{i}": shard for i, shard in enumerate(shards)}}).encode()


def config(**content) -> bytes:
    return json.dumps(content).encode()


@pytest.fixture
def taken(hub):
    """What fetching a repository of these files brings to disk, as a set of names."""

    def fetch_all(files, file=None):
        hub.repositories["org/model"] = HubRepository(
            CLUTTER | dict.fromkeys(files, b"x") | (files if isinstance(files, dict) else {})
        )
        found = fetch(Repository("org/model", None, file))
        assert found.revision == hub.repositories["org/model"].branches["main"].id == found.folder.name
        assert found.path == (found.folder if file is None else found.folder / file)
        return {
            path.relative_to(found.folder).as_posix() for path in found.folder.rglob("*") if path.is_file()
        }

    return fetch_all


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            ["open_clip_pytorch_model.bin", "open_clip_model.safetensors"],
            ["open_clip_model.safetensors"],
        ),
        (
            [
                "open_clip_pytorch_model.bin",
                "open_clip_pytorch_model.safetensors",
                "open_clip_pytorch_model.pth",
            ],
            ["open_clip_pytorch_model.safetensors"],
        ),
        (["open_clip_pytorch_model.bin", "README.md"], ["open_clip_pytorch_model.bin", "README.md"]),
        (
            # CLIP's own tokenizer is not needed, and transformers' copy of the same model neither
            ["open_clip_model.safetensors", "config.json", "model.safetensors", *TOKENIZER],
            ["open_clip_model.safetensors"],
        ),
    ],
)
def test_open_clip(taken, files, expected):
    content = dict.fromkeys(files, b"x") | {"open_clip_config.json": config(model_cfg={})}
    assert taken(content) == {"open_clip_config.json", *expected}


def test_open_clip_with_a_tokenizer_of_its_own(taken):
    files = {"open_clip_config.json": config(**NAMED), "open_clip_model.safetensors": b"x", **TOKENIZER}
    assert taken(files) == {"open_clip_config.json", "open_clip_model.safetensors", *TOKENIZER}


@pytest.mark.parametrize("broken", [b"{", b"[]", b'{"model_cfg": 1}', b"[" * 99999, b"\xff"])
def test_a_broken_configuration_is_fetched_for_its_reader_to_refuse(taken, broken):
    files = {"open_clip_config.json": broken, "open_clip_model.safetensors": b"x", **TOKENIZER}
    assert taken(files) == {"open_clip_config.json", "open_clip_model.safetensors"}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["model.safetensors", "pytorch_model.bin", "tf_model.h5"], ["model.safetensors"]),
        (
            ["pytorch_model.bin", "vocab.json", "merges.txt"],
            ["pytorch_model.bin", "vocab.json", "merges.txt"],
        ),
        (
            ["model.safetensors", "preprocessor_config.json", "README.md", *TOKENIZER],
            ["model.safetensors", "preprocessor_config.json", "README.md", *TOKENIZER],
        ),
        # without open_clip's weights its configuration alone makes no model
        (["model.safetensors", "open_clip_config.json"], ["model.safetensors"]),
    ],
)
def test_transformers(taken, files, expected):
    assert taken(["config.json", *files]) == {"config.json", *expected}


@pytest.mark.parametrize("stem", ["model", "pytorch_model", "open_clip_model"])
def test_shards(taken, stem):
    end = "bin" if stem == "pytorch_model" else "safetensors"
    parts = [f"{stem}-0000{i}-of-00002.{end}" for i in (1, 2)]
    name = "open_clip_config.json" if stem == "open_clip_model" else "config.json"
    files = {name: b"{}", f"{stem}.{end}.index.json": index(parts[0], parts[1], parts[0]), "other.bin": b"x"}
    assert taken(files | dict.fromkeys(parts, b"x")) == {name, f"{stem}.{end}.index.json", *parts}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (index("../../outside.safetensors"), "names '../../outside.safetensors', where plain names"),
        (index("/etc/model.safetensors"), "names '/etc/model.safetensors'"),
        (index("train.py"), "names 'train.py'"),
        (index("model-1.safetensors"), "lacks model-1.safetensors, which model.safetensors.index.json names"),
        (json.dumps({"weight_map": {"a": 1}}).encode(), "names ''"),
        (index(*(f"m{i}.bin" for i in range(1001))), "names 1001 files"),
        (b"{}", "has no weight_map"),
        (b"[]", "has no weight_map"),
        (b"{", "is not JSON"),
        (b"[" * 99999, "is not JSON"),
    ],
)
def test_an_index_is_not_trusted(taken, content, sentence):
    with pytest.raises(CheckpointError, match=sentence) as caught:
        taken({"config.json": b"{}", "model.safetensors.index.json": content})
    assert "\n" not in str(caught.value)


def test_one_file(taken, tmp_path):
    files = {
        "runs/5/epoch_5.pt": b"x", "runs/5/epoch_6.pt": b"x", "runs/5/open_clip_config.json": config(**NAMED),
        "runs/5/tokenizer.json": b"{}", "open_clip_config.json": b"{}", "README.md": b"#",
    }  # fmt: skip
    expected = {"runs/5/epoch_5.pt", "runs/5/open_clip_config.json", "runs/5/tokenizer.json", "README.md"}
    assert taken(files, "runs/5/epoch_5.pt") == expected


def test_one_index_brings_its_shards(taken):
    files = {
        "a/model.safetensors.index.json": index("m-1.safetensors"),
        "a/m-1.safetensors": b"x",
        "m-1.safetensors": b"",
    }
    assert taken(files, "a/model.safetensors.index.json") == {
        "a/model.safetensors.index.json", "a/m-1.safetensors",
    }  # fmt: skip


def test_all_files_are_of_one_commit_even_if_the_branch_moves(hub):
    """The branch moves after the first file: the others are still taken from that file's commit."""
    old = {"config.json": b"{}", "model.safetensors": b"old", "README.md": b"old"}
    repository = hub.repositories["org/model"] = HubRepository(old)
    first = repository.branches["main"].id
    held = Fault("HEAD .*/README.md", 503, times=0)
    hub.faults = [held]
    find = hub.fault

    def move(line):
        if line.startswith("GET") and line.endswith("config.json"):
            repository.commit("main", {"model.safetensors": b"new", "README.md": b"new"}, "moved")
        return find(line)

    hub.fault = move
    found = fetch(Repository("org/model", None))
    assert found.revision == first
    assert (found.folder / "model.safetensors").read_bytes() == b"old"
    assert (found.folder / "README.md").read_bytes() == b"old"
    assert fetch(Repository("org/model", None)).revision != first


def test_a_download_that_breaks_off_goes_on(hub):
    hub.repositories["org/model"] = HubRepository({"config.json": b"{}", "model.safetensors": b"x" * 1000})
    hub.faults = [Fault("GET /[0-9a-f]{64}", 0)]
    found = fetch(Repository("org/model", None))
    assert (found.path / "model.safetensors").read_bytes() == b"x" * 1000
    assert len(hub.asked("GET /[0-9a-f]{64}")) == 2


def test_a_tokenizer_of_another_repository(hub):
    hub.repositories["org/words"] = HubRepository({**TOKENIZER, "model.safetensors": b"x"})
    hub.repositories["roberta-base"] = HubRepository({"tokenizer.json": b"[]", "config.json": b"{}"})
    hub.repositories["org/empty"] = HubRepository({"vocab.json": b"{}"})
    folder = tokenizer_files("org/words")
    assert {path.name for path in folder.iterdir()} == set(TOKENIZER)
    assert folder.name == hub.repositories["org/words"].branches["main"].id
    assert {path.name for path in tokenizer_files("roberta-base").iterdir()} == {"tokenizer.json"}
    assert tokenizer_files("org/words", folder.name) == folder
    with pytest.raises(CheckpointError, match=r"org/empty holds no tokenizer\.json"):
        tokenizer_files("org/empty")
    with pytest.raises(CheckpointError, match="'org/nothing' is neither"):
        tokenizer_files("org/nothing")


@pytest.mark.parametrize(
    "name", ["../words", "org/a/b", "/etc/words", "", "hf-hub:org/words", "org/words@v1"]
)
def test_names_of_tokenizers_are_not_paths(hub, name):
    with pytest.raises(CheckpointError, match="names no repository with a tokenizer"):
        tokenizer_files(name)
    assert hub.requests == []


def test_tokenizer_offline(hub, monkeypatch):
    hub.repositories["org/words"] = HubRepository(dict(TOKENIZER))
    folder = tokenizer_files("org/words")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert tokenizer_files("org/words") == folder
    with pytest.raises(CheckpointError, match="HF_HUB_OFFLINE is set and org/more is not in the hub's cache"):
        tokenizer_files("org/more")


def test_offline_with_a_part_of_the_shards(hub, monkeypatch):
    parts = ["m-1.safetensors", "m-2.safetensors"]
    files = {
        "config.json": b"{}",
        "model.safetensors.index.json": index(*parts),
        **dict.fromkeys(parts, b"x"),
    }
    hub.repositories["org/model"] = HubRepository(files)
    found = fetch(Repository("org/model", None))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert fetch(Repository("org/model", None)) == found
    (found.folder / parts[1]).unlink()
    with pytest.raises(CheckpointError, match=r"lacks m-2\.safetensors"):
        fetch(Repository("org/model", None))
