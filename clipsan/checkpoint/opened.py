"""A path seen for the first time: which kind of file it is by its first bytes, and what lies inside.

The file's suffix is not trusted: a `.safetensors` that is a pickle is treated as the pickle it is.
"""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from clipsan.checkpoint.header import Header, read_header
from clipsan.checkpoint.pickles import is_torchscript, load_pickle
from clipsan.errors import CheckpointError

Kind = Literal["folder", "safetensors", "TorchScript", "torch", "unknown"]


@dataclass(frozen=True)
class Opened:
    """A folder or file on disk. Its content is read when first asked for, always safely."""

    path: Path
    kind: Kind

    @property
    def is_file(self) -> bool:
        return self.kind in ("safetensors", "torch")

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
    def content(self) -> Any:
        """The object in a torch file, by `torch.load(weights_only=True)`.

        Raises:
            UnsafeFileError: its pickle could run code.
        """
        return load_pickle(self.path)

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
        start = file.read(16)
    if start[:2] == b"PK":
        if not zipfile.is_zipfile(path):
            raise CheckpointError(f"{path.name} is a truncated archive; get the file again.")
        return "TorchScript" if is_torchscript(path) else "torch"
    if start[8:9] == b"{":
        return "safetensors"
    if start[:1] == b"\x80" and len(start) > 2 and start[1] <= 5:
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
