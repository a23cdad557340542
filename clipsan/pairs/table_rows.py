"""Rows of caption tables (CSV, TSV, JSON lines): an image's path and its caption, fault by fault.

A row that is broken is one skipped row, never the end of the table.
"""

from __future__ import annotations

import csv
import json
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath

from clipsan.errors import DataError
from clipsan.pairs.captions import caption_from_text, is_utf8
from clipsan.pairs.columns import choose, none_fits
from clipsan.pairs.pairset import UNCAPTIONED, Index
from clipsan.pairs.reading import Reading
from clipsan.pairs.stores import MAX_IMAGE_BYTES, FileImages

MAX_FIELD = 16 << 20
"""Characters in one field of a CSV table: far above any caption, and it bounds an unclosed quote."""

MAX_RECORD_LINES = 100
"""A record of more lines is a stray quote that swallowed the rows after it, which must not go unnoticed."""


@dataclass(frozen=True)
class Row:
    """One row of a table: what it says, or why it says nothing (`fault`); caption None: no such column."""

    line: int
    image: str = ""
    caption: str | None = ""
    fault: str | None = None


def jsonl_rows(table: Path, reading: Reading) -> Iterator[Row]:
    """Rows of a JSON lines file with `file_name` and `text`, or as asked; blank lines are passed over."""
    image_key, caption_key = reading.image_column or "file_name", reading.caption_column or "text"
    with table.open("rb") as file:
        for number, line in enumerate(file, start=1):
            text = line.removeprefix(b"\xef\xbb\xbf").strip()
            if text:
                yield _json_row(number, text, image_key, caption_key)


def _json_row(number: int, text: bytes, image_key: str, caption_key: str) -> Row:
    try:
        record = json.loads(text.decode("utf-8"))
    except UnicodeDecodeError:
        return Row(number, fault="the line is not UTF-8")
    except (ValueError, RecursionError):
        return Row(number, fault="the line is not JSON")
    values = (
        [record.get(key) for key in (image_key, caption_key)] if isinstance(record, dict) else [None, None]
    )
    if not (isinstance(values[0], str) and isinstance(values[1], str)):
        return Row(number, fault=f"the line lacks {image_key} or {caption_key}, or they are not text")
    return Row(number, values[0], values[1])


def csv_rows(table: Path, reading: Reading) -> Iterator[Row]:
    """Rows of a table whose first line names its columns; separator and columns are found in that line.

    Bytes that are not UTF-8 become surrogates, which cost only the rows they are in.
    """
    with table.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file, _long_fields():
        header_line = file.readline(MAX_FIELD)
        delimiter, width, image_at, caption_at = _layout(table, header_line, reading)
        for line, values in _parsed(file, delimiter):
            if values is None:
                yield Row(line + 1, fault="the row cannot be read as CSV, perhaps for an unclosed quote")
            elif values and len(values) != width:
                yield Row(line + 1, fault=f"the row has {len(values)} values for {width} columns")
            elif values:
                caption = values[caption_at] if caption_at is not None else None
                yield Row(line + 1, values[image_at], caption)


def _layout(table: Path, header_line: str, reading: Reading) -> tuple[str, int, int, int | None]:
    """(separator, number of columns, where the image is, where the caption is) by a table's first line."""
    widest: list[str] = []
    for delimiter in reading.separators:
        _, header = next(_parsed(iter([header_line]), delimiter), (1, None))
        names = [name.strip() for name in header or []]
        chosen = choose(names, reading)
        if chosen is not None:
            caption_at = names.index(chosen[1]) if chosen[1] else None
            return delimiter, len(names), names.index(chosen[0]), caption_at
        widest = max(widest, names, key=len)
    raise none_fits(f"The first line of the table {table}", widest, reading)


def _parsed(lines: Iterator[str], delimiter: str) -> Iterator[tuple[int, list[str] | None]]:
    """(first line, values) of each record; None for one that is no CSV (a NUL byte, an unclosed quote)."""
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        line = reader.line_num + 1
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield line, None
            continue
        yield line, values if reader.line_num - line < MAX_RECORD_LINES else None


@contextmanager
def _long_fields() -> Iterator[None]:
    """Lifts csv's limit of 128 KiB a field, which is the interpreter's, while a table is read."""
    before = csv.field_size_limit(MAX_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def index_rows(table: Path, rows: Iterable[Row], index: Index, images: FileImages, *, absolute: bool) -> None:
    """Indexes the rows whose image is there and whose caption is usable.

    Args:
        table: paths in it are relative to its folder.
        rows: of the table.
        index: gets the pairs and what was skipped.
        images: get the image files.
        absolute: whether the table may name absolute paths.
    """
    for row in rows:
        name = f"{table.name}:{row.line}"
        if row.fault is not None:
            index.skip(name, row.fault)
            continue
        try:
            path, size = locate(table.parent, row.image, absolute=absolute)
            caption = caption_from_text(row.caption) if row.caption is not None else UNCAPTIONED
        except DataError as error:
            index.skip(f"{name} ({row.image})", str(error))
            continue
        images.add(path, size)
        index.add(row.image, caption)


def locate(folder: Path, written: str, *, absolute: bool) -> tuple[Path, int]:
    """The image file that a table names, and its size in bytes; DataError with the reason if unusable."""
    if not is_utf8(written):
        raise DataError("the image's path is not UTF-8")
    inside = PurePath(written)
    if ".." in inside.parts:
        raise DataError("the image's path leaves the folder")
    if inside.is_absolute() and not absolute:
        raise DataError("the image's path is absolute")
    path = folder / inside
    try:
        return path, file_size(path)
    except ValueError as error:  # a NUL in the path
        raise DataError("the image is missing") from error


def file_size(path: Path) -> int:
    """Bytes in an image file; DataError with the reason if it is missing, no plain file, or too large."""
    try:
        found = path.stat()
    except OSError as error:
        raise DataError("the image is missing") from error
    if not stat.S_ISREG(found.st_mode):  # opening a pipe would wait for ever
        raise DataError("the image is not a file")
    if found.st_size > MAX_IMAGE_BYTES:
        raise DataError(f"the image's file is larger than {MAX_IMAGE_BYTES >> 20} MiB")
    return found.st_size
