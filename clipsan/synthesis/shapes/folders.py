"""Scenes written to disk in the forms that the rest of clipsan reads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clipsan.errors import OutputError, UsageError
from clipsan.synthesis.shapes.captions import TEMPLATES
from clipsan.synthesis.shapes.scenes import CLASSES, draw_scene

TEMPLATES_FILE = "zeroshot_classification_templates.txt"


def write_pairs(
    folder: str | Path,
    num: int,
    seed: int,
    size: int = 64,
) -> Path:
    """Draw `num` scenes into a folder: `NNNNNN.png` and `metadata.jsonl` (`file_name`, `text`).

    The metadata is written last: a folder without it is unfinished.

    Args:
        folder: made here; empty if it exists.
        num: scenes of the series, from its start.
        seed: of the series; another seed shares no scene with it.
        size: height and width in pixels.

    Returns:
        The folder.

    Raises:
        UsageError: a number, seed or size is out of range; nothing was written.
        OutputError: the folder is not empty or cannot be written.
    """
    if num < 1:
        raise UsageError(f"{num} scenes cannot be written; give a number of at least 1")
    draw_scene(seed, num - 1, size)  # refuses a bad setting before anything is written
    root = Path(folder)
    lines = []
    try:
        _make_empty(root)
        for index in range(num):
            scene = draw_scene(seed, index, size)
            name = f"{index:06d}.png"
            save_png(scene.pixels, root / name)
            lines.append(json.dumps({"file_name": name, "text": scene.caption}) + "\n")
        (root / "metadata.jsonl").write_text("".join(lines), encoding="utf-8", newline="\n")
    except OSError as error:
        raise OutputError(f"{root} cannot be written ({error.strerror}); choose another folder") from error
    return root


def write_labelled(folder: str | Path, per_class: int, seed: int, size: int = 64) -> Path:
    """Draw `per_class` scenes of each class into a folder: `<class>/NNNNNN.png`, and the zero-shot templates.

    Else like `write_pairs`; the templates are written last.
    """
    if per_class < 1:
        raise UsageError(f"{per_class} scenes a class cannot be written; give a number of at least 1")
    total = per_class * len(CLASSES)
    draw_scene(seed, total - 1, size)
    root = Path(folder)
    try:
        _make_empty(root)
        for name in CLASSES:
            (root / name).mkdir()
        for index in range(total):
            scene = draw_scene(seed, index, size)
            save_png(scene.pixels, root / CLASSES[scene.label] / f"{index:06d}.png")
        (root / TEMPLATES_FILE).write_text(
            "".join(f"{text}\n" for text in TEMPLATES), encoding="utf-8", newline="\n"
        )
    except OSError as error:
        raise OutputError(f"{root} cannot be written ({error.strerror}); choose another folder") from error
    return root


def save_png(pixels: NDArray[np.uint8], path: Path) -> None:
    """Save uint8 RGB [h x w x 3] without loss, quickly rather than small."""
    Image.fromarray(pixels).save(path, format="PNG", compress_level=1)


def _make_empty(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    if any(root.iterdir()):
        raise OutputError(f"{root} is not empty; choose another folder or empty it")
