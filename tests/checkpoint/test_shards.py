"""Weights in several files: an index that nobody vouches for, and plans for writing."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from clipsan.checkpoint.shards import index_json, open_shards, read_index, shard_plan, shards_of
from clipsan.checkpoint.tensors import TensorInfo, Tensors
from clipsan.errors import CheckpointError

INDEX = "model.safetensors.index.json"
STATE = {
    "a": {"one": torch.tensor([1.0]), "two": torch.tensor([2.0, 3.0])},
    "b": {"three": torch.tensor([[4]])},
}


def write_index(folder, weight_map):
    folder.mkdir(parents=True, exist_ok=True)
    found = weight_map if isinstance(weight_map, bytes) else json.dumps({"weight_map": weight_map}).encode()
    (folder / INDEX).write_bytes(found)
    return folder / INDEX


def write_all(folder):
    """Two files `a` and `b`, and their index."""
    index = write_index(folder, {key: name for name, state in STATE.items() for key in state})
    for name, state in STATE.items():
        torch.save(state, folder / name)
    return index


def open_torch(path):
    state = torch.load(path, weights_only=True)
    return Tensors({k: TensorInfo(tuple(t.shape), t.dtype) for k, t in state.items()}, state.__getitem__)


def test_all_files_become_one(tmp_path):
    index = write_all(tmp_path)
    opened = []
    tensors = open_shards(index, lambda path: opened.append(path.name) or open_torch(path))
    assert opened == ["a", "b"]
    assert tensors.infos == {
        "one": TensorInfo((1,), torch.float32),
        "two": TensorInfo((2,), torch.float32),
        "three": TensorInfo((1, 1), torch.int64),
    }
    assert all(torch.equal(tensors.read(key), t) for state in STATE.values() for key, t in state.items())
    assert shards_of(index) == [tmp_path / "a", tmp_path / "b"]
    assert read_index(index) == {"one": "a", "two": "a", "three": "b"}


def test_index_in_the_working_folder(tmp_path, monkeypatch):
    write_all(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert [str(path) for path in shards_of(tmp_path.__class__(INDEX))] == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"[]", "needs a weight_map"),
        (b"{}", "needs a weight_map"),
        (b'{"weight_map": {}}', "needs a weight_map"),
        (b'{"weight_map": ["a"]}', "needs a weight_map"),
        (b'{"weight_map": {"one": "a", "one": "b"}}', "the key 'one' twice"),
        (b'{"weight_map": {"one": 3}}', "names the file 3, which is no plain name"),
        (b'{"weight_map": {"one": ["a"]}}', "which is no plain name"),
        (b'{"weight_map": {"one": null}}', "which is no plain name"),
        (b'{"weight_map"', "JSON cannot be read"),
        (b" " * (8 << 20) + b"{}", "above 8 MB"),
    ],
)
def test_broken_index(content, sentence, tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(CheckpointError, match=sentence):
        read_index(write_index(tmp_path, content))


@pytest.mark.parametrize(
    "name",
    ["../a", "/etc/passwd", "sub/a", "..", ".", "", ".hidden", "a\\b", "C:a", "a\0", "a\n", "~", "x" * 300],
)
def test_index_cannot_leave_its_folder(name, tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(CheckpointError, match="which is no plain name in its own folder") as caught:
        read_index(write_index(tmp_path / "folder", {"one": name}))
    assert "\n" not in str(caught.value)


def test_no_index(tmp_path):
    with pytest.raises(CheckpointError, match=r"index\.json' is no file, and an index of weights is needed"):
        read_index(tmp_path / INDEX)


def test_missing_files_are_named_together(tmp_path):
    index = write_all(tmp_path)
    for name in STATE:
        (tmp_path / name).unlink()
    (tmp_path / "a").mkdir()  # a folder is no file
    with pytest.raises(CheckpointError, match=r"names a, b, not found beside it"):
        shards_of(index)


def test_link_out_of_the_folder_is_refused(tmp_path):
    index = write_all(tmp_path / "model")
    (tmp_path / "model" / "a").rename(tmp_path / "secret")
    (tmp_path / "model" / "a").symlink_to("../secret")
    with pytest.raises(CheckpointError, match=r"a beside .* is a link out of its folder"):
        read_index(index)


def test_link_within_the_folder_is_followed(tmp_path):
    index = write_all(tmp_path)
    (tmp_path / "a").rename(tmp_path / "other")
    (tmp_path / "a").symlink_to("other")
    assert len(open_shards(index, open_torch).infos) == 3


@pytest.mark.parametrize("shared", [False, True], ids=["blobs of the repository", "blobs of the cache"])
def test_links_of_the_hubs_cache_are_followed(shared, tmp_path):
    repository = tmp_path / "cache" / "models--me--clip"
    folder = repository / "snapshots" / "0123abc"
    write_all(folder)
    for name in (*STATE, INDEX):
        blob = repository / "blobs" / f"hash-of-{name}"
        blob.parent.mkdir(exist_ok=True)
        (folder / name).rename(blob)
        (folder / name).symlink_to(f"../../blobs/{blob.name}")
        if shared:
            store = tmp_path / "cache" / "blobs" / "01" / name
            store.parent.mkdir(parents=True, exist_ok=True)
            blob.rename(store)
            blob.symlink_to(f"../../blobs/01/{name}")
    assert len(open_shards(folder / INDEX, open_torch).infos) == 3


def test_what_poses_as_the_hubs_cache_gets_no_further(tmp_path):
    folder = tmp_path / "cache" / "models--me--clip" / "snapshots" / "0123abc"
    index = write_all(folder)
    (folder / "a").rename(tmp_path / "secret")
    (folder / "a").symlink_to("../../../../secret")
    with pytest.raises(CheckpointError, match="is a link out of its folder"):
        read_index(index)


def test_keys_of_index_and_files_must_agree(tmp_path):
    index = write_all(tmp_path)
    torch.save({"one": torch.zeros(1), "extra": torch.zeros(1)}, tmp_path / "a")
    with pytest.raises(
        CheckpointError, match=f"^a does not fit {INDEX}: it lacks two and holds the unexpected extra;"
    ):
        open_shards(index, open_torch)
    torch.save(STATE["a"] | STATE["b"], tmp_path / "a")
    with pytest.raises(CheckpointError, match="it holds the unexpected three;"):
        open_shards(index, open_torch)


def test_small_weights_stay_in_one_file():
    assert shard_plan({"b": 4, "a": 6}, 10, "model") == [("model.safetensors", ["a", "b"])]


def test_plan_fills_each_file_by_the_order_of_keys():
    sizes = {"c": 3, "a": 5, "b": 5, "d": 100, "e": 1, "f": 9}
    plan = shard_plan(sizes, 10, "open_clip_model")
    assert plan == [
        ("open_clip_model-00001-of-00004.safetensors", ["a", "b"]),
        ("open_clip_model-00002-of-00004.safetensors", ["c"]),
        ("open_clip_model-00003-of-00004.safetensors", ["d"]),
        ("open_clip_model-00004-of-00004.safetensors", ["e", "f"]),
    ]
    assert index_json(plan, sizes) == {
        "metadata": {"total_size": 123},
        "weight_map": {
            "a": plan[0][0],
            "b": plan[0][0],
            "c": plan[1][0],
            "d": plan[2][0],
            "e": plan[3][0],
            "f": plan[3][0],
        },
    }


def test_what_is_planned_reads_back(tmp_path):
    state = {f"layer.{i}": torch.full((i,), float(i)) for i in range(1, 9)}
    sizes = {key: t.numel() * 4 for key, t in state.items()}
    plan = shard_plan(sizes, 40, "model")
    for name, keys in plan:
        assert sum(sizes[key] for key in keys) <= 40
        save_file({key: state[key] for key in keys}, tmp_path / name)
    (tmp_path / INDEX).write_text(json.dumps(index_json(plan, sizes)))
    assert shards_of(tmp_path / INDEX) == [tmp_path / name for name, _ in plan]
    assert read_index(tmp_path / INDEX).keys() == state.keys()
