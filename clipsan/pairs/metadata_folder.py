"""A folder with `metadata.jsonl` or `metadata.csv` (`file_name`, `text`): Hugging Face's image folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clipsan.pairs.pairset import ImageStore, Index
from clipsan.pairs.reading import Reading
from clipsan.pairs.stores import FileImages
from clipsan.pairs.table_rows import csv_rows, index_rows, jsonl_rows

LABEL = "a folder with metadata.jsonl or metadata.csv (file_name, text)"
TABLES = ("metadata.jsonl", "metadata.csv")


def recognise(path: Path) -> bool:
    """A folder with such a table, or the .jsonl file itself."""
    return (path.is_file() and path.suffix == ".jsonl") or any((path / name).is_file() for name in TABLES)


def read(paths: Sequence[Path], reading: Reading) -> tuple[Index, ImageStore]:
    """Indexes the tables; paths in one must stay inside its folder."""
    index, images = Index(), FileImages()
    for path in paths:
        table = path
        if path.is_dir():
            table = next(path / name for name in TABLES if (path / name).is_file())
        rows = jsonl_rows(table, reading) if table.suffix == ".jsonl" else csv_rows(table, reading)
        index_rows(table, rows, index, images, absolute=False)
    return index, images
