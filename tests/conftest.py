"""Fixtures shared by all rooms."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with `photos/` and `victims/`; skips where it is absent."""
    named = os.environ.get("CLIPSAN_SHARED")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "photos").is_dir() or not (folder / "victims").is_dir():
        pytest.skip("the photographs and victims are not here; set CLIPSAN_SHARED to their folder")
    return folder
