"""Drawn pairs, and the means to write them in any form."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
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


def drawn_pairs(count: int) -> list[tuple[str, bytes, str]]:
    """(key, JPEG, caption) so many times; the sides differ from picture to picture."""
    return [
        (f"{i:04d}", encode(noise(10 + i % 9, 25 - i % 7, i), "JPEG"), f"picture {i}, with a “quote”")
        for i in range(count)
    ]


def write_parquet(path: Path, columns: dict, row_group_size: int = 64, **settings) -> Path:
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    pq.write_table(table, path, row_group_size=row_group_size, **settings)
    return path
