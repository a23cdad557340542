"""A hub on this machine, asked by the real client, with a cache of its own."""

from __future__ import annotations

import shutil

import pytest
from hub_server import Account, HubServer
from huggingface_hub import constants
from outputs import write_output
from tiny_models import Tiny, make_tiny

ACCOUNTS = {
    "hf_mine": Account("me", ("lab",)),
    "hf_reader": Account("me", ("lab",), role="read"),
    "hf_other": Account("other"),
    "hf_org": Account("org"),
}


@pytest.fixture(scope="session")
def tiny_vit() -> Tiny:
    return make_tiny("vit")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty hub with accounts; the client has no token and sends large files the plain way."""
    with HubServer(accounts=dict(ACCOUNTS)) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.endpoint)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.setattr(constants, "HF_STORED_TOKENS_PATH", str(tmp_path / "stored_tokens"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.chdir(tmp_path)
        yield running


@pytest.fixture(scope="session")
def outputs(tmp_path_factory):
    """Output folders of every kind that tests push, made once; tests copy what they change."""
    made = tmp_path_factory.mktemp("outputs")
    write_output(made / "passed")
    write_output(made / "failed", verdict="fail")
    write_output(made / "poisoned", poisoned=True, verdict="inconclusive")
    write_output(made / "both", formats=("open_clip", "transformers"))
    write_output(made / "sharded", formats=("transformers",), largest_shard=1_000_000)
    return made


@pytest.fixture
def output(outputs, tmp_path):
    """A function that copies one of `outputs` into the working directory, as `cleaned`."""

    def copy(kind="passed"):
        shutil.copytree(outputs / kind, tmp_path / "cleaned")
        return tmp_path / "cleaned"

    return copy


@pytest.fixture
def mine(hub, monkeypatch):
    """Logged in as one who may write to `me` and `lab`."""
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
