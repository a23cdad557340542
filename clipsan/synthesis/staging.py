"""A temporary folder with nothing in it but what was checked, for a library to load a model from.

The JSON files are written anew from what was read, so they cannot change between the check and the use, and
no pickle, program or setting that the check left out can be found by the library. The weights are links.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clipsan.checkpoint.opened import file_digest
from clipsan.errors import OutputError

Content = Mapping[str, "Path | bytes | dict[str, Any]"]
"""Name in the folder, with "/" -> a file to link, bytes, or a JSON object."""


@contextmanager
def staged(content: Content) -> Iterator[Path]:
    """Make the folder; it is gone at the end of the context.

    Raises:
        OutputError: there is no place for it.
    """
    with tempfile.TemporaryDirectory(prefix="clipsan-model-") as place:
        root = Path(place)
        try:
            for name, value in content.items():
                target = root / name
                target.parent.mkdir(parents=True, exist_ok=True)
                if isinstance(value, Path):
                    _link(value.resolve(), target)
                elif isinstance(value, bytes):
                    target.write_bytes(value)
                else:
                    target.write_bytes(_json(value))
        except OSError as error:
            raise OutputError(
                f"The temporary folder {place} cannot be written ({error.strerror})."
            ) from error
        yield root


def digest_of(content: Content) -> str:
    """SHA-256 of the lines that `sha256sum` would print for the staged files, sorted by name."""
    lines = []
    for name, value in sorted(content.items()):
        if isinstance(value, Path):
            found = file_digest(value)
        else:
            found = hashlib.sha256(value if isinstance(value, bytes) else _json(value)).hexdigest()
        lines.append(f"{found}  {name}\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _link(source: Path, target: Path) -> None:
    """A symbolic link; where the system has none for this user, a hard link or a copy."""
    for place in (os.symlink, os.link):
        try:
            place(source, target)
            return
        except OSError:
            continue
    shutil.copyfile(source, target)
