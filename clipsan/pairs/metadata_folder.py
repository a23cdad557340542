"""A folder with `metadata.jsonl` or `metadata.csv` (`file_name`, `text`): Hugging Face's image folder."""

from __future__ import annotations

from pathlib import Path

from clipsan.pairs.pairset import ImageStore, Index
from clipsan.pairs.table_rows import csv_rows, index_rows, jsonl_rows

LABEL = "a folder with metadata.jsonl or metadata.csv (file_name, text)"
COLUMNS = ("file_name", "text")
TABLES = ("metadata.jsonl", "metadata.csv")


def recognise(path: Path) -> bool:
    """A folder with such a table, or the .jsonl file itself."""
    return (path.is_file() and path.suffix == ".jsonl") or any((path / name).is_file() for name in TABLES)


def read(path: Path) -> tuple[Index, ImageStore]:
    """Indexes the table; paths in it must stay inside its folder."""
    table = path
    if path.is_dir():
        table = next(path / name for name in TABLES if (path / name).is_file())
    rows = jsonl_rows(table, *COLUMNS) if table.suffix == ".jsonl" else csv_rows(table, [COLUMNS])
    return index_rows(table, rows, absolute=False)
