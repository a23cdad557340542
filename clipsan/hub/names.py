"""How a repository, a revision and a file of it are named."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from clipsan.errors import CheckpointError

PREFIX = "hf-hub:"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_FILE_ENDINGS = (".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".pkl", ".json", ".zip")


@dataclass(frozen=True)
class Repository:
    """A model repository as the user named it, or one file in it."""

    name: str
    revision: str | None
    file: str | None = None

    def __str__(self) -> str:
        path = self.name if self.file is None else f"{self.name}/{self.file}"
        return path if self.revision is None else f"{path}@{self.revision}"


def parse_source(source: str) -> Repository | None:
    """`hf-hub:org/name` or `hf-hub:org/name/path/to/file`, or `org/name` where no such path exists.

    Each may end in `@revision`. A file of a repository needs the prefix: without it a misspelt path would
    be asked of the hub.

    Returns:
        None for a path.

    Raises:
        CheckpointError: the prefix is there but no repository name follows.
    """
    named = source.removeprefix(PREFIX)
    prefixed = named != source
    if not prefixed and (Path(source).exists() or source.endswith(_FILE_ENDINGS)):
        return None
    path, at, revision = named.partition("@")
    parts = path.split("/")
    name, file = "/".join(parts[:2]), "/".join(parts[2:])
    known = _NAME.fullmatch(name) and (revision or not at)
    if not known or (len(parts) > 2 and not (prefixed and is_plain_path(file))):
        if prefixed:
            raise CheckpointError(
                f"{source!r:.200} names no repository; write hf-hub:org/name, hf-hub:org/name@revision or"
                " hf-hub:org/name/file."
            )
        return None
    return Repository(name, revision or None, file or None)


def is_plain_path(path: str) -> bool:
    """True for a path that stays inside its folder and holds nothing that a terminal would obey."""
    parts = path.split("/")
    return path.isprintable() and "\\" not in path and not any(part in ("", ".", "..") for part in parts)
