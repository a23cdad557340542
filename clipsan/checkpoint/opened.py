"""A path seen for the first time: which kind of file it is by its first bytes, and what lies inside.

The file's suffix is not trusted: a `.safetensors` that is a pickle is treated as the pickle it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from clipsan.checkpoint.header import Header, read_header
from clipsan.checkpoint.torch_files import Look, TorchFile, is_tar, is_torchscript, look_at
from clipsan.errors import CheckpointError

Kind = Literal["folder", "safetensors", "TorchScript", "torch", "unknown"]
PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz"}  # by the first bytes


@dataclass(frozen=True)
class Opened:
    """A folder or file on disk. Its content is read when first asked for, always safely."""

    path: Path
    kind: Kind

    @cached_property
    def names(self) -> frozenset[str]:
        """Names in the folder; none for a file."""
        if self.kind != "folder":
            return frozenset()
        return frozenset(child.name for child in self.path.iterdir())

    @cached_property
    def header(self) -> Header:
        """The header of a safetensors file."""
        return read_header(self.path)

    @cached_property
    def look(self) -> Look:
        """A torch file or a TorchScript archive, looked through without trusting it."""
        return look_at(self.path)

    @cached_property
    def torch_file(self) -> TorchFile:
        """What a torch file or a TorchScript archive holds, as inert data.

        Raises:
            UnsafeFileError: its pickle could run code elsewhere.
        """
        return self.look.open()

    @property
    def content(self) -> Any:
        """The object in a torch file: plain data and records, never anything that its pickle names.

        Raises:
            UnsafeFileError: its pickle could run code elsewhere.
        """
        return self.torch_file.content

    @cached_property
    def keys(self) -> frozenset[str]:
        """The keys at the top of the file: of its tensors, or of the dict around the state dict."""
        if self.kind == "safetensors":
            return frozenset(self.header.infos)
        if self.kind == "torch" and isinstance(self.content, dict):
            return frozenset(key for key in self.content if isinstance(key, str))
        return frozenset()


def open_path(path: Path) -> Opened:
    """Look at a path without reading its content.

    Raises:
        CheckpointError: nothing is there, or it cannot be read.
    """
    try:
        return Opened(path, _kind(path))
    except FileNotFoundError:
        raise CheckpointError(f"There is no file or folder {str(path)!r}; check the path.") from None
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
        reason = getattr(error, "strerror", None) or error
        raise CheckpointError(f"{str(path)!r} cannot be read ({reason}).") from None


def _kind(path: Path) -> Kind:
    if path.is_dir():
        return "folder"
    if not path.is_file() and path.exists():
        raise CheckpointError(f"{str(path)!r} is neither a file nor a folder.")
    with path.open("rb") as file:
        start = file.read(512)
    if start[:2] == b"PK":
        return "TorchScript" if is_torchscript(path) else "torch"
    if start[8:9] == b"{":
        return "safetensors"
    for magic, packer in PACKED.items():
        if start.startswith(magic):
            raise CheckpointError(
                f"{path.name} is compressed with {packer}; unpack it and give what was inside."
            )
    if (start[:1] == b"\x80" and len(start) > 2 and start[1] <= 5) or is_tar(start):
        return "torch"
    # The length of a safetensors header may itself be what is damaged, and a pickle of protocol 0 is text.
    if path.suffix == ".safetensors":
        return "safetensors"
    return "torch" if path.suffix in (".pt", ".pth", ".bin", ".ckpt", ".pkl") else "unknown"


def file_digest(path: Path) -> str:
    """SHA-256 of a file, as hex, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def files_digest(paths: Sequence[Path]) -> str:
    """SHA-256 of one file; of several, that of the lines `sha256sum` prints for them, sorted by name."""
    if len(paths) == 1:
        return file_digest(paths[0])
    lines = sorted((path.name, file_digest(path)) for path in paths)
    return hashlib.sha256("".join(f"{found}  {name}\n" for name, found in lines).encode()).hexdigest()
