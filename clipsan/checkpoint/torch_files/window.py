"""A file mapped into memory and looked at through a window that never hands out too much of it."""

from __future__ import annotations

import mmap
from pathlib import Path

from clipsan.errors import CheckpointError

LONGEST_LINE = (
    4000  # characters of a number written as text: below Python's own limit, where int() is quadratic
)


def map_file(path: Path) -> mmap.mmap:
    """The file as memory, copy-on-write: what is written there never reaches the disk.

    Raises:
        CheckpointError: the file is empty or cannot be mapped.
    """
    try:
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                raise CheckpointError(f"{path.name} is empty; get the file again.")
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path.name} cannot be mapped into memory ({error!s:.120}).") from None


class TooLargeError(ValueError):
    """More was asked for at once than a window hands out."""


class Window:
    """The bytes from `position` to `stop` of a mapped file, with the methods that genops and zipfile use.

    Args:
        mapped: the file.
        start: where reading begins; positions are counted from the start of the file.
        stop: where the window ends, or earlier where the file does.
        largest: bytes that one `read` may return.
    """

    __slots__ = ("largest", "mapped", "position", "stop")

    def __init__(self, mapped: mmap.mmap, start: int, stop: int, largest: int) -> None:
        self.mapped = mapped
        self.position = start
        self.stop = min(stop, len(mapped))
        self.largest = largest

    def read(self, count: int | None = -1) -> bytes:
        """At most `count` bytes, fewer at the end.

        Raises:
            TooLargeError: more than `largest` bytes would be returned.
        """
        position = self.position
        if count == 1 and position < self.stop:  # every opcode: the path that its speed depends on
            self.position = position + 1
            return self.mapped[position : position + 1]
        left = max(self.stop - position, 0)
        take = left if count is None or count < 0 else min(count, left)
        if take > self.largest:
            raise TooLargeError(f"a piece of {take} bytes, above the limit of {self.largest}")
        self.position = position + take
        return self.mapped[position : position + take]

    def readline(self) -> bytes:
        """Bytes up to and including the next newline.

        Raises:
            ValueError: the line is longer than any that torch writes.
        """
        stop = min(self.stop, self.position + LONGEST_LINE)
        end = self.mapped.find(b"\n", self.position, stop)
        if end < 0:
            raise ValueError(f"a line of text without an end, or above {LONGEST_LINE} characters")
        return self.read(end + 1 - self.position)

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = 0) -> int:
        """As of files; only zipfile needs it.

        Raises:
            OSError: the place lies before the start of the file.
        """
        place = offset + (0, self.position, self.stop)[whence]
        if place < 0:
            raise OSError("a place before the start of the file")
        self.position = place
        return place

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        """Nothing to do: the mapping is freed with its last user."""
