"""What the operating system says when it will not write, in one sentence each."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clipsan.errors import OutputError

WRITE_REFUSALS = {
    errno.ENOSPC: "the disk is full; make room or choose another --out",
    errno.EDQUOT: "your disk quota is used up; make room or choose another --out",
    errno.EACCES: "you may not write there; choose another --out",
    errno.EPERM: "you may not write there; choose another --out",
    errno.EROFS: "the file system is read-only; choose another --out",
    errno.EFBIG: "the file system takes no file of that size; choose another --out",
    errno.ENOTEMPTY: "something else was written there meanwhile; choose another --out",
    errno.EEXIST: "something else was written there meanwhile; choose another --out",
}


@contextmanager
def plain_os_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write into one sentence each; let other errors pass."""
    try:
        yield
    except OSError as error:
        if error.errno not in WRITE_REFUSALS or not _concerns(error, path):
            raise
        raise OutputError(f"{str(path)!r} cannot be written: {WRITE_REFUSALS[error.errno]}.") from error


def _concerns(error: OSError, path: Path) -> bool:
    """True where an error names no file (as `write` does), or `path`, or a hidden sibling of it."""
    if error.filename is None:
        return True
    try:
        first = Path(os.fsdecode(error.filename)).relative_to(path.parent).parts[:1]
    except ValueError:
        return False
    return bool(first) and (first[0] == path.name or first[0].startswith(f".{path.name}."))
