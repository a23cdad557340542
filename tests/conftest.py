"""Fixtures shared by all rooms."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# tiny models are slower on more threads, and much slower where other work shares the cores
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: a worker that began one last would be waited for."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with `photos/` and `victims/`; skips where it is absent."""
    named = os.environ.get("CLIPSAN_SHARED")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "photos").is_dir() or not (folder / "victims").is_dir():
        pytest.skip("the photographs and victims are not here; set CLIPSAN_SHARED to their folder")
    return folder


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> Path:
    """A folder with `model/`, `model.safetensors`, `pairs/` (40 scenes) and `eval/` (2 of each class)."""
    from tiny_models import make_tiny

    from clipsan.synthesis.shapes import write_labelled, write_pairs

    folder = tmp_path_factory.mktemp("world")
    make_tiny("vit").write_folder(folder / "model")
    (folder / "model.safetensors").hardlink_to(folder / "model" / "open_clip_model.safetensors")
    write_pairs(folder / "pairs", 40, seed=1, size=48)
    write_labelled(folder / "eval", 2, seed=2, size=48)
    return folder
