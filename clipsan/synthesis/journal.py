"""What a run has done so far, on disk: the part that makes a killed run go on.

`synth.json` holds the settings of the folder and is written first. `.progress.jsonl` has a line for each
image that is settled, written or dropped, whole calls of the maker at a time; a line cut off by a kill is
not counted. Everything else is written beside its place and renamed. Power loss is not guarded against.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipsan.errors import OutputError

SETTINGS = "synth.json"
PROGRESS = ".progress.jsonl"
PARTIAL = ".partial"

Row = dict[str, Any]


@dataclass(frozen=True)
class Settled:
    """What became of one requested image: the row of `metadata.jsonl`, or None where it was dropped."""

    index: int
    row: Row | None
    again: int = 0  # times that it was made again
    failed: bool = False  # dropped because the maker made no image of it


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that is either complete or not there."""
    beside = path.with_name(f".{path.name}{PARTIAL}")
    beside.write_bytes(data)
    beside.replace(path)


def claim(folder: Path, settings: Mapping[str, object]) -> None:
    """Make the folder, or agree with what an earlier run of the same settings began there.

    Raises:
        OutputError: the place is taken by something else, or by a run with other settings.
    """
    parent = folder.parent
    if not parent.is_dir():
        raise OutputError(f"The folder {str(parent)!r} for the output does not exist; create it first.")
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{str(folder)!r} is a file; choose another --out.")
    file = folder / SETTINGS
    if file.is_file():
        _agree(folder, file, settings)
        return
    left = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    if left and left != [f".{SETTINGS}{PARTIAL}"]:
        raise OutputError(
            f"The output folder {str(folder)!r} is in use, and not by clipsan synth; choose another --out."
        )
    folder.mkdir(exist_ok=True)
    write_whole(file, (json.dumps(settings, indent=2, ensure_ascii=False) + "\n").encode())


def _agree(folder: Path, file: Path, settings: Mapping[str, object]) -> None:
    try:
        found = json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise OutputError(f"{str(file)!r} is broken; choose another --out, or delete the folder.")
    wanted = _flat(json.loads(json.dumps(settings)))
    had = _flat(found)
    for name in [*wanted, *had]:
        if wanted.get(name) != had.get(name):
            then, now = _shown(had.get(name)), _shown(wanted.get(name))
            raise OutputError(
                f"The folder {str(folder)!r} was begun with {name} {then}, and this run has {now}; give "
                "the same again to go on, or choose another --out."
            )


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as one level: `maker.size`."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat


def _shown(value: object) -> str:
    text = "none" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"


class Journal:
    """The settled images of a folder, in order."""

    def __init__(self, folder: Path, num: int, batch: int) -> None:
        """Read how far the folder is; what a kill left half done is done again.

        Args:
            num: images of the whole run.
            batch: images of one call of the maker.
        """
        self._path = folder / PROGRESS
        data = self._path.read_bytes() if self._path.is_file() else b""
        self.settled: list[Settled] = []
        ends: list[int] = []
        at = 0
        for line in data.splitlines(keepends=True):
            at += len(line)
            entry = _entry(line, len(self.settled))
            if entry is None or not _there(folder, entry):
                break
            self.settled.append(entry)
            ends.append(at)
        whole = len(self.settled) if len(self.settled) >= num else len(self.settled) // batch * batch
        del self.settled[whole:]
        keep = ends[whole - 1] if whole else 0
        if keep != len(data):
            os.truncate(self._path, keep)

    def add(self, entries: Sequence[Settled]) -> None:
        """Note a call of the maker as settled, its files being written."""
        lines = "".join(
            json.dumps(
                {"index": entry.index, "again": entry.again, "failed": entry.failed, "row": entry.row},
                ensure_ascii=False,
            )
            + "\n"
            for entry in entries
        )
        with self._path.open("ab") as file:
            file.write(lines.encode())
        self.settled.extend(entries)

    def remove(self) -> None:
        """Delete the file: the folder is complete."""
        self._path.unlink(missing_ok=True)


def _entry(line: bytes, index: int) -> Settled | None:
    """What a line says of image `index`; None where it is cut off or says something else."""
    if not line.endswith(b"\n"):
        return None
    try:
        found = json.loads(line)
    except ValueError:
        return None
    if not isinstance(found, dict) or found.get("index") != index:
        return None
    return Settled(index, found.get("row"), int(found.get("again", 0)), bool(found.get("failed")))


def _there(folder: Path, entry: Settled) -> bool:
    """Whether the image that a line speaks of is on disk and not empty."""
    if entry.row is None:
        return True
    try:
        return (folder / str(entry.row["file_name"])).stat().st_size > 0
    except (OSError, KeyError):
        return False
