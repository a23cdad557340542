"""A CSV or TSV table: open_clip's `filepath`, `title` (tabs) and PAR's `image,caption` (commas)."""

from __future__ import annotations

from pathlib import Path

from clipsan.pairs.pairset import ImageStore, Index
from clipsan.pairs.table_rows import csv_rows, index_rows

LABEL = "a .csv or .tsv table (filepath, title or image, caption)"
COLUMNS = (("filepath", "title"), ("image", "caption"), ("file_name", "text"))


def recognise(path: Path) -> bool:
    """A file by its ending; the separator is taken from the header, whatever the ending says."""
    return path.is_file() and path.suffix.lower() in (".csv", ".tsv")


def read(path: Path) -> tuple[Index, ImageStore]:
    """Indexes the table; paths are relative to its folder, or absolute."""
    return index_rows(path, csv_rows(path, COLUMNS), absolute=True)
