"""Loading from a hub that speaks the real protocol, on this machine."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest
import torch
from hub_server import Fault, HubRepository

from clipsan.checkpoint import inspect, load
from clipsan.errors import CheckpointError


@pytest.fixture
def server(hub, tiny_vit, tmp_path):
    folder = tiny_vit.write_folder(tmp_path / "upload", quick_gelu=True)
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    whole["README.md"] = b"---\nlicense: mit\n---\n# A model"
    torch.save(tiny_vit.state, tmp_path / "w.bin")
    pickled = {
        "open_clip_config.json": whole["open_clip_config.json"],
        "open_clip_pytorch_model.bin": (tmp_path / "w.bin").read_bytes(),
    }
    inside = {f"runs/a/{name}": content for name, content in whole.items() if name != "README.md"}
    hub.repositories |= {
        "org/clip": HubRepository(whole, revisions=("main", "v1.0")),
        "org/pickled": HubRepository(pickled),
        "org/gated": HubRepository(whole, gated=True),
        "org/private": HubRepository(whole, private=True),
        "org/other": HubRepository({"config.json": b"{}", "train.py": b"", "flax_model.msgpack": b""}),
        "org/inside": HubRepository({**inside, "README.md": b"---\nlicense: mit\n---\n", "notes.txt": b""}),
        "org/vanished": HubRepository({k: v for k, v in whole.items() if k.endswith(".json")}),
    }
    return hub


def commit(server, name="org/clip"):
    return server.repositories[name].branches["main"].id


def downloads(server):
    return [line.split(" ")[1].split("/resolve/")[1] for line in server.asked("GET .*/resolve/")]


@pytest.mark.parametrize("source", ["hf-hub:org/clip", "org/clip", "org/clip@v1.0", "hf-hub:org/clip@COMMIT"])
def test_repository_is_loaded_and_its_commit_recorded(source, server, tiny_vit):
    source = source.replace("COMMIT", commit(server))
    suspect = load(source)
    assert suspect.provenance.source == source
    assert suspect.provenance.format == "hub repository"
    assert suspect.provenance.revision == commit(server)
    assert (suspect.provenance.repository, suspect.provenance.card) == ("org/clip", {"license": "mit"})
    assert suspect.activation == "quickgelu"
    assert torch.equal(suspect.model.state_dict()["visual.proj"], tiny_vit.state["visual.proj"])
    asked = source.partition("@")[2] or "main"
    # the configuration by the revision's name, everything else from the commit that this turned out to be;
    # the weights come from the storage that the hub sends to
    assert downloads(server) == [f"{asked}/open_clip_config.json", f"{commit(server)}/README.md"]
    assert len(server.asked("GET /[0-9a-f]{64}$")) == 1


def test_the_token_never_reaches_the_storage(server, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_org")
    load("org/private")
    sent = {path: headers for path, headers in server.authorizations.items() if "/" not in path.strip("/")}
    assert set.union(*sent.values()) == {""}
    assert {"Bearer hf_org"} == set.union(
        *(h for path, h in server.authorizations.items() if path not in sent)
    )


def test_pickled_weights_are_read_safely(server):
    assert load("org/pickled").provenance.path.endswith("open_clip_pytorch_model.bin")


def test_inspect_names_repository_and_format(server):
    found = inspect("org/clip")
    assert found.format == "hub repository (open_clip folder)"
    assert found.revision == commit(server)
    assert json.loads(json.dumps(found.to_dict()))["activation"] == "quickgelu"


def test_one_file_of_a_repository_with_its_configuration(server, tiny_vit):
    suspect = load("hf-hub:org/inside/runs/a/open_clip_model.safetensors")
    assert suspect.activation == "quickgelu"
    assert suspect.provenance.revision == commit(server, "org/inside")
    assert (suspect.provenance.repository, suspect.provenance.card) == ("org/inside", {"license": "mit"})
    assert suspect.provenance.path.endswith("runs/a/open_clip_model.safetensors")
    assert torch.equal(suspect.model.state_dict()["visual.proj"], tiny_vit.state["visual.proj"])
    assert [file.partition("/")[2] for file in downloads(server)] == [
        "runs/a/open_clip_config.json",
        "README.md",
    ]


def test_existing_path_comes_before_the_hub(server, tiny_vit, tmp_path):
    (tmp_path / "org").mkdir()
    tiny_vit.write_folder(tmp_path / "org" / "clip")
    assert load("org/clip").provenance.format == "open_clip folder"
    assert server.requests == []


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("org/nothing", "'org/nothing' is neither a path here nor a repository on the hub"),
        ("org/private", "'org/private' is neither a path here nor .* set HF_TOKEN if it is private"),
        ("org/clip@v9", "org/clip has no revision 'v9'"),
        ("org/gated", "org/gated is gated: accept its terms on its page and set HF_TOKEN"),
        (
            "org/other",
            "but config.json, flax_model.msgpack, train.py; name one file as hf-hub:org/other/FILE",
        ),
        ("org/vanished", "org/vanished holds no CLIP by the file names"),
        (
            "hf-hub:org/clip/epoch.pt",
            "org/clip has no file 'epoch.pt'; it has open_clip_model.safetensors, README",
        ),
        ("hf-hub:clip", "names no repository"),
        ("org/model.safetensors", "There is no file or folder"),
        ("a/b/c", "There is no file or folder"),
    ],
)
def test_what_cannot_be_loaded(source, sentence, server):
    with pytest.raises(CheckpointError, match=sentence) as caught:
        load(source)
    assert "\n" not in str(caught.value)


def test_token_opens_what_is_gated_or_private(server, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_org")
    assert load("org/gated").provenance.revision == commit(server, "org/gated")
    assert load("org/private").provenance.revision == commit(server, "org/private")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(CheckpointError, match=r"does not accept your token \(401\) for org/clip") as caught:
        load("org/clip")
    assert "hf_wrong" not in str(caught.value)


def test_offline_takes_the_cache_only(server, monkeypatch):
    load("org/clip")
    load("hf-hub:org/inside/runs/a/open_clip_model.safetensors")
    asked = len(server.requests)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for source in ("org/clip", f"org/clip@{commit(server)}"):
        again = load(source).provenance
        assert (again.revision, again.card) == (commit(server), {"license": "mit"})
    assert load("hf-hub:org/inside/runs/a/open_clip_model.safetensors").activation == "quickgelu"
    for source in ("org/pickled", "org/inside", "hf-hub:org/clip/epoch.pt", "org/clip@v1.0"):
        with pytest.raises(
            CheckpointError, match=r"HF_HUB_OFFLINE is set and org/.* is not in the hub's cache"
        ):
            load(source)
    assert len(server.requests) == asked


def test_offline_in_a_fresh_process(server, tmp_path):
    load("org/clip@v1.0")
    code = "from clipsan import hub; print(hub.fetch(hub.parse_source('org/clip@v1.0')).revision)"
    env = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_CACHE": str(tmp_path / "cache"),
        "HF_ENDPOINT": "http://127.0.0.1:9",
    }
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=100)
    assert done.stdout.strip() == commit(server), done.stderr


def test_no_network(server, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
    with pytest.raises(CheckpointError, match=r"could not be reached for org/clip .*HF_HUB_OFFLINE=1"):
        load("org/clip")


def test_a_rate_limit_says_how_long_to_wait(server):
    limits = {"RateLimit": '"api";r=0;t=55', "Retry-After": "56"}
    server.faults = [Fault("GET /api/models", 429, "Too many requests", limits)]
    with pytest.raises(
        CheckpointError, match="rate limit is used up; wait 55 seconds, then ask for org/clip"
    ):
        load("org/clip")
    server.faults = [Fault("GET /api/models", 429, headers={"Retry-After": "soon"})]
    with pytest.raises(CheckpointError, match="wait some minutes"):
        load("org/clip")


def test_something_else_than_a_hub_answers(server):
    server.faults = [Fault("GET /api/models", 200)]  # JSON, but not of a repository
    with pytest.raises(CheckpointError, match=r"does not speak the hub's language .*check HF_ENDPOINT"):
        load("org/clip")
