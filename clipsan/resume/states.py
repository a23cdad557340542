"""One saved state of a run: a folder that is complete or not there, and that tells when it is damaged.

update-00000200/
  tensors.safetensors   every part's tensors, as `part/name`
  state.json            which run it is of, and every part's other values
  SHA256SUMS            of both, as `sha256sum -c` reads it
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from clipsan.checkpoint import write_weights
from clipsan.checkpoint.header import Header, parse_json, read_header, read_tensor
from clipsan.checkpoint.opened import file_digest
from clipsan.disk import plain_os_errors
from clipsan.errors import ClipsanError, ResumeError
from clipsan.training.state import State

FORMAT = 1
PARTIAL = ".partial"
NAME = re.compile(r"update-(\d{8,})")
_TENSORS, _VALUES, _SUMS = "tensors.safetensors", "state.json", "SHA256SUMS"


@dataclass(frozen=True)
class Saved:
    """A state that was read back and is whole.

    Attributes:
        folder: where it lies.
        update: updates done.
        identity: of the run.
        states: each part's.
    """

    folder: Path
    update: int
    identity: Mapping[str, Any]
    states: Mapping[str, State]


class _OnDisk(Mapping[str, Tensor]):
    """One part's tensors in a file, each read anew when it is asked for."""

    def __init__(self, path: Path, header: Header, part: str) -> None:
        self._path, self._header = path, header
        self._keys = {key.partition("/")[2]: key for key in header.infos if key.partition("/")[0] == part}

    def __getitem__(self, name: str) -> Tensor:
        return read_tensor(self._path, self._header, self._keys[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def saved_updates(folder: Path) -> list[Path]:
    """The folders of saved states in `folder`, the newest first; whether they are whole is not looked at."""
    try:
        found = [path for path in folder.iterdir() if NAME.fullmatch(path.name)]
    except FileNotFoundError:
        return []
    return sorted(found, key=update_of, reverse=True)


def update_of(state: Path) -> int:
    """Updates done, by a state's name."""
    match = NAME.fullmatch(state.name)
    if match is None:
        raise ValueError(f"{state} is not named as a saved state")
    return int(match[1])


def write_state(folder: Path, update: int, identity: Mapping[str, Any], states: Mapping[str, State]) -> Path:
    """Write a state into `folder`, on the disk before it gets its name.

    Raises:
        OutputError: the disk refuses, or a weight is not finite; nothing is left of it then.
    """
    partial, target = folder / PARTIAL, folder / f"update-{update:08d}"
    tensors = {f"{part}/{name}": t for part, state in states.items() for name, t in state.tensors.items()}
    values = {
        "format": FORMAT, "update": update, "identity": identity,
        "parts": {part: dict(state.values) for part, state in states.items()},
    }  # fmt: skip
    text = (json.dumps(values, allow_nan=False, separators=(",", ":")) + "\n").encode()
    try:
        with plain_os_errors(folder):
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            sums = {_TENSORS: write_weights(partial / _TENSORS, tensors, {})}
            sums[_VALUES] = _write(partial / _VALUES, text)
            _write(partial / _SUMS, "".join(f"{sha}  {name}\n" for name, sha in sums.items()).encode())
            _sync(partial)
            if target.exists():
                shutil.rmtree(target)
            partial.rename(target)
            _sync(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def read_state(folder: Path) -> Saved:
    """Check every byte of a state and read its values; tensors are read when they are asked for.

    Raises:
        ResumeError: it is damaged, or another clipsan's; the sentence says what is wrong.
    """
    try:
        raw = (folder / _VALUES).read_bytes()
        wanted = (folder / _SUMS).read_text().splitlines()
        sums = {_TENSORS: file_digest(folder / _TENSORS), _VALUES: hashlib.sha256(raw).hexdigest()}
        changed = [name for name, found in sums.items() if f"{found}  {name}" not in wanted]
        values = {} if changed else parse_json(raw, _VALUES)
        if changed or values["format"] != FORMAT:
            what = f"{changed[0]} is not what was written" if changed else "another clipsan wrote it"
            raise ResumeError(what)  # noqa: TRY301
        header = read_header(folder / _TENSORS)
        states = {
            part: State(_OnDisk(folder / _TENSORS, header, part), known)
            for part, known in values["parts"].items()
        }
        return Saved(folder, int(values["update"]), values["identity"], states)
    except OSError as error:
        name = Path(os.fsdecode(error.filename)).name if error.filename else "it"
        raise ResumeError(f"{name} cannot be read ({error.strerror or error})") from None
    except ResumeError:
        raise
    except (ClipsanError, ValueError, LookupError, TypeError) as error:
        raise ResumeError(f"it cannot be read ({error})") from None


def _write(path: Path, data: bytes) -> str:
    """Write a file to the disk; its SHA-256 as hex."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return hashlib.sha256(data).hexdigest()


def _sync(folder: Path) -> None:
    """Put the names in a folder on the disk, where the system can."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
