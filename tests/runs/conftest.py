"""The working folder of a test that runs commands."""

from __future__ import annotations

import shutil

import pytest


@pytest.fixture
def here(tmp_path, monkeypatch, world):
    """The world, to work in: `model/`, `model.safetensors`, `pairs/` and `eval/`."""
    shutil.copytree(world, tmp_path / "w")
    monkeypatch.chdir(tmp_path / "w")
    return tmp_path / "w"
