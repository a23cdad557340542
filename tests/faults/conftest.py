"""A folder to run in, and the outcome of the run that nothing happened to."""

from __future__ import annotations

import shutil

import pytest
from faults.runs import clean, outcome


@pytest.fixture(scope="session")
def prepared(tmp_path_factory, world):
    """`model/` and `pairs/` with a broken image, and what an undisturbed run of `clean` makes of them."""
    folder = tmp_path_factory.mktemp("faults") / "w"
    shutil.copytree(world, folder)
    broken = sorted((folder / "pairs").rglob("*.png"))[7]
    broken.write_bytes(broken.read_bytes()[:60])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        clean()
    whole = outcome(folder / "cleaned")
    shutil.rmtree(folder / "cleaned")
    return folder, whole


@pytest.fixture
def here(prepared, tmp_path, monkeypatch):
    """The working folder of a test."""
    shutil.copytree(prepared[0], tmp_path / "w")
    monkeypatch.chdir(tmp_path / "w")
    return tmp_path / "w"


@pytest.fixture
def whole(prepared):
    """The outcome of the undisturbed run."""
    return prepared[1]
