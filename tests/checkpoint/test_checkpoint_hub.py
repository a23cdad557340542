"""Loading from a hub that speaks the real protocol, on this machine."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest
import torch
from hub_server import HubRepository, HubServer
from huggingface_hub import constants

from clipsan import hub
from clipsan.checkpoint import inspect, load
from clipsan.errors import CheckpointError

COMMIT = HubRepository({}).commit


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def server(tiny_vit, tmp_path, monkeypatch):
    whole = files_of(tiny_vit.write_folder(tmp_path / "upload", quick_gelu=True))
    torch.save(tiny_vit.state, tmp_path / "w.bin")
    pickled = {
        "open_clip_config.json": whole["open_clip_config.json"],
        "open_clip_pytorch_model.bin": (tmp_path / "w.bin").read_bytes(),
    }
    repositories = {
        "org/clip": HubRepository(whole, revisions=("main", "v1.0")),
        "org/pickled": HubRepository(pickled),
        "org/gated": HubRepository(whole, gated=True, token="hf_right"),
        "org/transformers": HubRepository({"config.json": b"{}", "model.safetensors": b""}),
        "org/vanished": HubRepository({k: v for k, v in whole.items() if k.endswith(".json")}),
    }
    with HubServer(repositories) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.endpoint)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.delenv("HF_TOKEN", raising=False)
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        monkeypatch.chdir(tmp_path)
        yield running


@pytest.mark.parametrize(
    "source", ["hf-hub:org/clip", "org/clip", "org/clip@v1.0", f"hf-hub:org/clip@{COMMIT}"]
)
def test_repository_is_loaded_and_its_commit_recorded(source, server, tiny_vit):
    suspect = load(source)
    assert suspect.provenance.source == source
    assert suspect.provenance.format == "hub repository"
    assert suspect.provenance.revision == COMMIT
    assert suspect.activation == "quickgelu"
    assert torch.equal(suspect.model.state_dict()["visual.proj"], tiny_vit.state["visual.proj"])
    asked = source.partition("@")[2] or "main"
    downloads = [line for line in server.requests if line.startswith("GET") and "resolve" in line]
    assert downloads == [
        f"GET /org/clip/resolve/{asked}/open_clip_config.json",
        f"GET /org/clip/resolve/{COMMIT}/open_clip_model.safetensors",
    ]


def test_pickled_weights_are_read_safely(server):
    assert load("org/pickled").provenance.path.endswith("open_clip_pytorch_model.bin")


def test_inspect_names_repository_and_format(server):
    found = inspect("org/clip")
    assert found.format == "hub repository (open_clip folder)"
    assert found.revision == COMMIT
    assert json.loads(json.dumps(found.to_dict()))["activation"] == "quickgelu"


def test_existing_path_comes_before_the_hub(server, tiny_vit, tmp_path):
    (tmp_path / "org").mkdir()
    tiny_vit.write_folder(tmp_path / "org" / "clip")
    assert load("org/clip").provenance.format == "open_clip folder"
    assert server.requests == []


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("org/nothing", "'org/nothing' is neither a path here nor a repository on the hub"),
        ("org/clip@v9", "org/clip has no revision 'v9'"),
        ("org/gated", "org/gated is gated: accept its terms on its page and set HF_TOKEN"),
        ("org/transformers", "org/transformers holds a transformers model"),
        ("org/vanished", "org/vanished holds no open_clip model"),
        ("hf-hub:clip", "names no repository"),
        ("hf-hub:org/clip@", "names no repository"),
        ("org/model.safetensors", "There is no file or folder"),
        ("a/b/c", "There is no file or folder"),
    ],
)
def test_what_cannot_be_loaded(source, sentence, server):
    with pytest.raises(CheckpointError, match=sentence) as caught:
        load(source)
    assert "\n" not in str(caught.value)


def test_token_opens_a_gated_repository(server, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    assert load("org/gated").provenance.revision == COMMIT


def test_offline_takes_the_cache_only(server, monkeypatch, tmp_path):
    load("org/clip")
    asked = len(server.requests)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert load("org/clip").provenance.revision == COMMIT
    assert load(f"org/clip@{COMMIT}").provenance.revision == COMMIT
    with pytest.raises(CheckpointError, match="HF_HUB_OFFLINE is set and org/pickled is not in"):
        load("org/pickled")
    assert len(server.requests) == asked


def test_offline_in_a_fresh_process(server, tmp_path):
    load("org/clip@v1.0")
    code = "from clipsan.checkpoint import load; print(load('org/clip@v1.0').provenance.revision)"
    env = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_CACHE": str(tmp_path / "cache"),
        "HF_ENDPOINT": "http://127.0.0.1:9",
    }
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=100)
    assert done.stdout.strip() == COMMIT, done.stderr


def test_no_network(server, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
    with pytest.raises(CheckpointError, match=r"could not be reached for org/clip .*HF_HUB_OFFLINE=1"):
        load("org/clip")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("org/name", hub.Repository("org/name", None)),
        ("org/name@main", hub.Repository("org/name", "main")),
        ("hf-hub:org/name@refs/pr/1", hub.Repository("org/name", "refs/pr/1")),
        ("./org/name", None),
        ("/org/name", None),
        ("name", None),
        ("org/name.pt", None),
    ],
)
def test_parse_source(source, expected):
    assert hub.parse_source(source) == expected
