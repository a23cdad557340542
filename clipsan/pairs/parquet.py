"""Parquet files: a column of image bytes, of Hugging Face's `{bytes, path}`, or of paths; and captions.

Nothing is unpacked to disk. Each file is gone through once in a process with bounded memory
(`parquet_process.py`), which finds captions and image sizes and which row groups cannot be used; images are
then read from their row group, of which the last ones are kept.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from array import array
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from clipsan.errors import DataError
from clipsan.pairs.captions import caption_from_text
from clipsan.pairs.columns import fitting, none_fits
from clipsan.pairs.pairset import UNCAPTIONED, ImageStore, Index
from clipsan.pairs.reading import Reading
from clipsan.pairs.stores import MAX_IMAGE_BYTES
from clipsan.pairs.table_rows import locate

LABEL = "a .parquet file or a folder of them (image bytes or paths, caption)"
KEPT_BYTES = 160 << 20
"""Image columns of row groups kept in memory; a set with more images than that is shuffled in windows."""

MAX_CRASHES = 20


def recognise(path: Path) -> bool:
    """A file by its ending, or a folder with such files directly in it."""
    return bool(_files(path))


def read(paths: Sequence[Path], reading: Reading) -> tuple[Index, ImageStore]:
    """Indexes every row with an image and a caption; a list of captions makes as many pairs.

    Raises:
        DataError: pyarrow is missing, or no columns fit.
    """
    if find_spec("pyarrow") is None:
        raise DataError(f"Reading {paths[0]} takes pyarrow: pip install 'clipsan[data]'.")
    index, images = Index(), ParquetImages()
    with _Scanner() as scanner:
        for file in (file for path in paths for file in _files(path)):
            try:
                columns = scanner.open(file)
            except DataError as error:
                index.skip(file.name, str(error))
                continue
            names = fitting(columns, reading)
            if names is None:
                raise none_fits(f"The parquet file {file}", list(columns), reading)
            images.open_file(file, names[0], columns[names[0]])
            _index_rows(file, scanner.rows(*names), index, images, captioned=bool(names[1]))
    total = sum(images.size(place) for place in range(len(index.names)))
    if total > KEPT_BYTES:
        index.window = max(1, len(index.names) * (KEPT_BYTES // 2) // total)
    return index, images


def _index_rows(
    file: Path,
    rows: Iterator[tuple[int, int, list[Any] | str]],
    index: Index,
    images: ParquetImages,
    *,
    captioned: bool,
) -> None:
    for group, number, row in rows:
        name = f"{file.name}/{group}/{number}"
        if isinstance(row, str):
            index.skip(f"{file.name} row group {group}", row)
            continue
        size, path, captions = row
        try:
            place = _image_of(file, size, path)
        except DataError as error:
            index.skip(name, str(error))
            continue
        for caption in (captions or [None]) if isinstance(captions, list) else [captions]:
            try:
                text = caption_or_fault(caption) if captioned else UNCAPTIONED
            except DataError as error:
                index.skip(name, str(error))
                continue
            images.add(group, number, *place)
            index.add(name, text)


def caption_or_fault(value: object) -> str:
    """The caption that a cell holds; DataError with the reason where it holds none."""
    if not isinstance(value, str):
        raise DataError("it has no caption" if value is None else "its caption is not text")
    return caption_from_text(value)


def _image_of(file: Path, size: int, path: str | None) -> tuple[int, str | None]:
    """(encoded size, None) of an image in the file, or (size, path) of one beside it."""
    if size >= 0:
        if size > MAX_IMAGE_BYTES:
            raise DataError(f"the image is larger than {MAX_IMAGE_BYTES >> 20} MiB")
        return size, None
    if path is None:
        raise DataError("it has no image")
    beside, size = locate(file.parent, path, absolute=True)
    return size, str(beside)


class ParquetImages:
    """Images in row groups, or in files that parquet rows name: 24 bytes an image, and the groups kept."""

    def __init__(self) -> None:
        self._files: list[tuple[str, list[str], bool]] = []  # path, leaves of the image column, is a struct
        self._file_of = array("i")
        self._groups = array("i")
        self._rows = array("q")
        self._sizes = array("q")
        self._beside: dict[int, str] = {}
        self._forget()

    def open_file(self, path: Path, column: str, kind: str) -> None:
        """Images added from now on lie in this column of `path`; its kind is `bytes`, `struct` or `text`."""
        self._files.append(
            (str(path), [f"{column}.bytes"] if kind == "struct" else [column], kind == "struct")
        )

    def add(self, group: int, row: int, size: int, beside: str | None) -> None:
        if beside is not None:
            self._beside[len(self._rows)] = beside
        self._file_of.append(len(self._files) - 1)
        self._groups.append(group)
        self._rows.append(row)
        self._sizes.append(size)

    def size(self, place: int) -> int:
        return self._sizes[place]

    def read(self, place: int) -> bytes:
        if place in self._beside:
            with Path(self._beside[place]).open("rb") as file:
                return file.read(MAX_IMAGE_BYTES)
        column = self._group(self._file_of[place], self._groups[place])
        data: bytes = column[self._rows[place]].as_buffer().to_pybytes()
        return data

    def tail(self, place: int, length: int) -> bytes:
        return self.read(place)[-length:]

    def _group(self, file: int, group: int) -> Any:
        """The image column of a row group; one is read at a time, since each takes its memory."""
        with self._lock:
            if (file, group) in self._kept:
                self._kept.move_to_end((file, group))
                return self._kept[file, group]
            column = self._load(file, group)
            self._kept[file, group] = column
            while len(self._kept) > 1 and sum(one.nbytes for one in self._kept.values()) > KEPT_BYTES:
                self._kept.popitem(last=False)
            return column

    def _load(self, file: int, group: int) -> Any:
        from pyarrow import ArrowException, compute, parquet

        path, leaves, is_struct = self._files[file]
        try:
            with parquet.ParquetFile(path, memory_map=False) as opened:
                column = opened.read_row_group(group, columns=leaves, use_threads=False).column(0)
        except (ArrowException, ValueError) as error:
            raise DataError(f"cannot be read (its row group: {error})") from error
        return compute.struct_field(column, "bytes") if is_struct else column

    def _forget(self) -> None:
        self._kept: OrderedDict[tuple[int, int], Any] = OrderedDict()
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_kept", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget()


class _Scanner:
    """The process of `parquet_process.py`, started anew where a file crashed it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._file: Path | None = None
        self._groups = 0
        self._crashes = 0

    def __enter__(self) -> _Scanner:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def open(self, file: Path) -> dict[str, str]:
        """Column -> kind, of those that can be used; DataError with the reason where the file is broken."""
        self._file = file
        answer = self._ask({"path": str(file.resolve())})
        if answer is None or "error" in answer:
            self._stop()
            reason = "reading it took too much memory" if answer is None else answer["error"]
            raise DataError(f"the file is damaged ({reason})")
        self._groups = int(answer["groups"])
        columns: dict[str, str] = answer["columns"]
        return columns

    def rows(self, image: str, caption: str) -> Iterator[tuple[int, int, list[Any] | str]]:
        """(group, row in it, [size, path, caption or captions]); (group, 0, reason) for one left out."""
        assert self._file is not None  # noqa: S101 - open() comes first
        group = number = 0
        answer = self._ask({"image": image, "caption": caption, "first": 0})
        while answer is None or "end" not in answer:
            if answer is None:
                self._stop()
                yield group, 0, "the row group crashed its reader or took too much memory"
                group, number = group + 1, 0
                self._crashes += 1
                if group >= self._groups:
                    return
                if self._crashes > MAX_CRASHES:
                    yield group, 0, f"the row groups from this on were not tried after {MAX_CRASHES} crashes"
                    return
                if self._ask({"path": str(self._file.resolve())}) is not None:
                    answer = self._ask({"image": image, "caption": caption, "first": group})
                continue
            if answer["group"] != group:
                group, number = answer["group"], 0
            if "error" in answer:
                yield group, 0, f"the row group cannot be used ({answer['error']})"
            for row in answer.get("rows", ()):
                yield group, number, row
                number += 1
            answer = self._next()

    def _ask(self, asked: dict[str, Any]) -> dict[str, Any] | None:
        """The answer; None where the process died."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(Path(__file__).with_name("parquet_process.py"))],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                env={key: value for key, value in os.environ.items() if key in ("PATH", "SYSTEMROOT")},
            )  # fmt: skip
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        try:
            self._process.stdin.write(json.dumps(asked) + "\n")
            self._process.stdin.flush()
        except OSError:
            return None
        return self._next()

    def _next(self) -> dict[str, Any] | None:
        if self._process is None or self._process.stdout is None:
            return None
        line = self._process.stdout.readline()
        answer: dict[str, Any] | None = json.loads(line) if line.endswith("\n") else None
        return answer

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    try:
                        pipe.close()
                    except OSError:
                        continue
            self._process.wait()
            self._process = None


def _files(path: Path) -> list[Path]:
    """The parquet files that a path stands for, sorted by name."""
    if path.is_dir():
        return sorted(
            entry for entry in path.glob("*.parquet") if entry.is_file() and not entry.name.startswith(".")
        )
    return [path] if path.is_file() and path.suffix == ".parquet" else []
