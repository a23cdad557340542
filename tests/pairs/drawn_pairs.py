"""Thirty drawn pairs, and the means to write them in any form."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image


def encode(pixels: np.ndarray, form: str = "PNG", **settings) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form, **settings)
    return buffer.getvalue()


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.RandomState(seed).randint(0, 256, (height, width, 3)).astype(np.uint8)


def write_tar(path: Path, members: list[tuple[str, bytes]], **settings) -> None:
    with tarfile.open(path, "w", **settings) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def thirty_pairs() -> list[tuple[str, bytes, str]]:
    """(key, JPEG, caption) thirty times; the sides differ from picture to picture."""
    return [
        (f"{i:04d}", encode(noise(20 + i, 50 - i, i), "JPEG"), f"picture {i}, with a “quote”")
        for i in range(30)
    ]
