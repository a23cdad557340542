"""Where encoded images lie: files of their own, a file of many, several stores one after the other."""

from __future__ import annotations

import os
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

MAX_IMAGE_BYTES = 128 << 20
"""A larger file is no picture one trains on, and reading it would only use up memory."""


class ImageStore(Protocol):
    """Where encoded images lie, by place (0, 1, 2, ... in the order they were added).

    Any thread may read, and a pickled copy in another process reads the same images.
    """

    def size(self, place: int) -> int: ...

    def read(self, place: int) -> bytes: ...

    def tail(self, place: int, length: int) -> bytes:
        """The last `length` bytes of the image, or all where there are fewer."""
        ...


class FileImages:
    """Images that are files of their own."""

    def __init__(self) -> None:
        self._paths: list[str] = []
        self._sizes = array("q")

    def add(self, path: Path, size: int) -> None:
        self._paths.append(str(path))
        self._sizes.append(size)

    def size(self, place: int) -> int:
        return self._sizes[place]

    def read(self, place: int) -> bytes:
        with Path(self._paths[place]).open("rb") as file:
            return file.read(MAX_IMAGE_BYTES)

    def tail(self, place: int, length: int) -> bytes:
        return read_part(self._paths[place], max(0, self._sizes[place] - length), length)


class JoinedImages:
    """Images at some places of several stores, one store after the other."""

    def __init__(self, parts: Sequence[tuple[ImageStore, Sequence[int]]]) -> None:
        """`parts`: a store and the places of it that count."""
        self._parts = list(parts)
        self._starts = [0]
        for _, places in parts:
            self._starts.append(self._starts[-1] + len(places))

    def size(self, place: int) -> int:
        store, inside = self._find(place)
        return store.size(inside)

    def read(self, place: int) -> bytes:
        store, inside = self._find(place)
        return store.read(inside)

    def tail(self, place: int, length: int) -> bytes:
        store, inside = self._find(place)
        return store.tail(inside, length)

    def _find(self, place: int) -> tuple[ImageStore, int]:
        number = bisect_right(self._starts, place) - 1
        store, places = self._parts[number]
        return store, places[place - self._starts[number]]


def read_part(path: str | Path, offset: int, size: int) -> bytes:
    """`size` bytes of a file from `offset`. Opened each time, so any thread may call it."""
    with Path(path).open("rb", buffering=0) as file:
        file.seek(offset, os.SEEK_SET)
        parts = []
        while size > 0 and (part := file.read(size)):
            parts.append(part)
            size -= len(part)
    return b"".join(parts)
