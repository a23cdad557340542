"""The pictures that a report names, read from beside it as if a stranger had put them there."""

from __future__ import annotations

import struct
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clipsan.report.schema import Report

LARGEST_PICTURE = 1 << 20  # bytes
LARGEST_SUM = 1_600_000  # bytes; a page grows by a third more
MOST_PIXELS = 4096  # of a side
_HEAD = struct.Struct(">8sI4sII")
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Picture:
    """A PNG: its bytes and its size in pixels."""

    data: bytes
    width: int
    height: int

    @property
    def uri(self) -> str:
        """A data URI, of characters that need no escaping in HTML."""
        return "data:image/png;base64," + b64encode(self.data).decode()


def picture_names(report: Report) -> list[str]:
    """The pictures of the report's examples, in their order."""
    triggers = report.evaluation.triggers if report.evaluation else ()
    return [example.picture for trigger in triggers for example in trigger.examples.images]


def read_pictures(report: Report, folder: Path) -> Mapping[str, Picture]:
    """Those of the report's pictures that are PNG files in `folder`, as far as a page can hold them.

    What is missing, no plain file, no PNG or too large is left out, and the page says that it is not there.
    """
    found: dict[str, Picture] = {}
    left = LARGEST_SUM
    for name in picture_names(report):
        picture = _read(folder / name, min(left, LARGEST_PICTURE))
        if picture is not None and name not in found:
            found[name] = picture
            left -= len(picture.data)
    return found


def _read(path: Path, most: int) -> Picture | None:
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > most:
            return None
        data = path.read_bytes()
    except OSError:
        return None
    if len(data) < _HEAD.size:
        return None
    signature, _, kind, width, height = _HEAD.unpack_from(data)
    fits = 0 < width <= MOST_PIXELS and 0 < height <= MOST_PIXELS
    return Picture(data, width, height) if (signature, kind) == (_SIGNATURE, b"IHDR") and fits else None
