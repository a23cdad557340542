"""A file that is written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from clipsan.errors import OutputError


def write_whole(path: Path, data: bytes) -> None:
    """Write under a temporary name beside `path` and rename it, with the user's umask.

    Raises OutputError if the file cannot be written; what was at `path` then stays.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
