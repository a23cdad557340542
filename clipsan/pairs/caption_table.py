"""A CSV or TSV table: open_clip's `filepath`, `title`, PAR's `image,caption`, or whatever its header says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clipsan.pairs.pairset import ImageStore, Index
from clipsan.pairs.reading import Reading
from clipsan.pairs.stores import FileImages
from clipsan.pairs.table_rows import csv_rows, index_rows

LABEL = "a .csv or .tsv table (filepath, title or image, caption)"


def recognise(path: Path) -> bool:
    """A file by its ending; the separator is taken from the header, whatever the ending says."""
    return path.is_file() and path.suffix.lower() in (".csv", ".tsv")


def read(paths: Sequence[Path], reading: Reading) -> tuple[Index, ImageStore]:
    """Indexes the tables; paths are relative to a table's folder, or absolute."""
    index, images = Index(), FileImages()
    for path in paths:
        index_rows(path, csv_rows(path, reading), index, images, absolute=True)
    return index, images
