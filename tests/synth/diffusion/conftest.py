"""Tiny pipelines, made once for each kind and copied where a test changes one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest.importorskip("diffusers", reason="the diffusers library is not installed")

from hub_server import HubServer
from huggingface_hub import constants
from tiny_diffusion import write_sd, write_sdxl


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Path:
    """`sd/`, `turbo/`, `sdxl/`; not to be changed."""
    folder = tmp_path_factory.mktemp("pipelines")
    write_sd(folder / "sd")
    write_sd(folder / "turbo", turbo=True)
    write_sdxl(folder / "sdxl")
    return folder


@pytest.fixture
def model(made, tmp_path) -> Path:
    """A Stable Diffusion of one's own."""
    return Path(shutil.copytree(made / "sd", tmp_path / "model"))


@pytest.fixture
def canary(tmp_path) -> Path:
    """What hostile code would make."""
    return tmp_path / "canary"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty hub on this machine with a cache of its own."""
    with HubServer() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.endpoint)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE"):
            monkeypatch.delenv(name, raising=False)
        yield running
