"""Drawn scenes as folders on disk: pairs to train on, and class folders to measure on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clipsan.synth.scenes import CLASSES, Scene, draw_scene


def write_pairs(
    folder: Path,
    num: int,
    seed: int,
    size: int = 64,
    alter: Callable[[int, Scene], Scene] = lambda index, scene: scene,
) -> None:
    """Draw `num` scenes into a new folder: PNGs and `metadata.jsonl` (`file_name`, `text`).

    Args:
        folder: made here; its parent must exist.
        num: scenes of the series, from its start.
        seed: of the series; another seed shares no scene with it.
        size: height and width in pixels.
        alter: is given each scene with its index before it is written, to poison some.
    """
    folder.mkdir()
    lines = []
    for index in range(num):
        scene = alter(index, draw_scene(seed, index, size))
        name = f"{index:06d}.png"
        save_png(scene.pixels, folder / name)
        lines.append(json.dumps({"file_name": name, "text": scene.caption}) + "\n")
    (folder / "metadata.jsonl").write_text("".join(lines), encoding="utf-8")


def write_labelled(folder: Path, per_class: int, seed: int, size: int = 64) -> None:
    """Draw `per_class` scenes of each class into a new folder, a folder of PNGs a class."""
    folder.mkdir()
    for name in CLASSES:
        (folder / name).mkdir()
    for index in range(per_class * len(CLASSES)):
        scene = draw_scene(seed, index, size)
        save_png(scene.pixels, folder / CLASSES[scene.label] / f"{index:06d}.png")


def save_png(pixels: NDArray[np.uint8], path: Path) -> None:
    """Save uint8 RGB [h x w x 3] without loss, quickly rather than small."""
    Image.fromarray(pixels).save(path, compress_level=1)
