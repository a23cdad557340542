"""Encoded images that came from elsewhere, one after the other in a temporary file."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from array import array
from pathlib import Path
from typing import Any

from clipsan.errors import DataError
from clipsan.pairs.stores import read_part

FREE_BYTES = 1 << 30
"""What must stay free where the temporary file lies."""

_CHECKED_EVERY = 64 << 20


class Spool:
    """Takes images in any number and keeps none in memory: 16 bytes an image.

    The file lies in the system's folder for temporary files (TMPDIR) and goes away with this object, in the
    process that made it.
    """

    def __init__(self) -> None:
        handle, name = tempfile.mkstemp(prefix="clipsan-", suffix=".images")
        self._path = name
        self._file: Any = os.fdopen(handle, "ab", buffering=1 << 20)
        self._offsets = array("q")
        self._sizes = array("q")
        self._end = 0
        self._checked = 0
        weakref.finalize(self, _remove, name, os.getpid(), self._file)

    def add(self, data: bytes) -> None:
        """DataError where the disk would become full."""
        if self._end + len(data) >= self._checked:
            self._checked = self._end + _CHECKED_EVERY
            free = shutil.disk_usage(Path(self._path).parent).free
            if free < FREE_BYTES + _CHECKED_EVERY:
                raise DataError(
                    f"Only {free >> 20} MiB are free in {Path(self._path).parent}, where {len(self._sizes)} "
                    f"images took {self._end >> 20} MiB: take fewer with --max-pairs, or set "
                    "TMPDIR to a larger one."
                )
        self._file.write(data)
        self._offsets.append(self._end)
        self._sizes.append(len(data))
        self._end += len(data)

    def done(self) -> None:
        """No more images come."""
        self._file.close()

    def size(self, place: int) -> int:
        return self._sizes[place]

    def read(self, place: int) -> bytes:
        return read_part(self._path, self._offsets[place], self._sizes[place])

    def tail(self, place: int, length: int) -> bytes:
        size = self._sizes[place]
        return read_part(self._path, self._offsets[place] + max(0, size - length), min(size, length))

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_file": None}


def _remove(name: str, owner: int, file: Any) -> None:
    if os.getpid() == owner:
        file.close()
        Path(name).unlink(missing_ok=True)
