"""A model from a hub that speaks the real protocol, on this machine."""

from __future__ import annotations

import pytest
from hub_server import HubRepository
from tiny_diffusion import requests

from clipsan.errors import CheckpointError, UnsafeFileError
from clipsan.synthesis.diffusion import Options, open_maker
from clipsan.synthesis.diffusion.source import open_source


@pytest.fixture
def server(hub, made):
    folder = made / "sd"
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    files["README.md"] = b"---\nlicense: openrail++\n---\n# Mine"
    extra = {"unet/diffusion_pytorch_model.bin": b"pickle", "whole.ckpt": b"pickle", "images/cat.png": b"x"}
    pickled = {name: content for name, content in files.items() if not name.startswith("vae/diff")}
    hub.repositories |= {
        "org/sd": HubRepository(files | extra, revisions=("main", "v1")),
        "org/pickled": HubRepository(pickled | {"vae/diffusion_pytorch_model.bin": b"pickle"}),
        "org/clip": HubRepository({"config.json": b"{}"}),
    }
    return hub


@pytest.mark.parametrize("name", ["org/sd", "hf-hub:org/sd@v1"])
def test_a_repository_is_loaded_and_its_commit_recorded(server, made, name):
    commit = server.repositories["org/sd"].branches["main"].id
    maker = open_maker(Options(name, device="cpu", steps=1))
    found = maker.make(requests(1))[0]
    assert found.record == {
        "prompt": "a photo of a dog", "model": "org/sd", "revision": commit, "licence": "openrail++",
        "steps": 1, "guidance": 7.5,
    }  # fmt: skip
    assert maker.settings()["revision"] == commit
    same = open_maker(Options(str(made / "sd"), device="cpu", steps=1)).make(requests(1))[0]
    assert (found.pixels == same.pixels).all()
    taken = {line.split("/resolve/")[1].split("/", 1)[1] for line in server.asked(".*/resolve/")}
    assert not any(file.endswith((".bin", ".ckpt", ".png")) for file in taken)
    assert len(taken) == 12  # of 15: the model and its card


def test_offline_the_cache_is_enough(server, monkeypatch):
    open_source("org/sd")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    before = len(server.requests)
    assert open_source("org/sd").located.licence == "openrail++"
    with pytest.raises(CheckpointError, match="not in the hub's cache"):
        open_source("org/pickled")
    assert len(server.requests) == before


def test_repositories_that_are_refused(server):
    with pytest.raises(UnsafeFileError, match="part vae has its weights only as a pickle"):
        open_source("org/pickled")
    assert not server.asked(".*vae/diffusion_pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"holds no model_index\.json, but config\.json"):
        open_source("org/clip")
    with pytest.raises(CheckpointError, match="names one file"):
        open_source("hf-hub:org/sd/whole.ckpt")
    with pytest.raises(CheckpointError, match="neither a path here nor a repository"):
        open_source("org/nothing")
    with pytest.raises(CheckpointError, match="no revision"):
        open_source("org/sd@nothing")
