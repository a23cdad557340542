"""A torch file of either layout as inert data, once its globals are known to be harmless."""

from __future__ import annotations

import sys
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

from clipsan.checkpoint.tensors import name_some
from clipsan.checkpoint.torch_files.archive import Archive, open_archive
from clipsan.checkpoint.torch_files.known import SAFE_GLOBALS
from clipsan.checkpoint.torch_files.legacy import read_legacy
from clipsan.checkpoint.torch_files.opcodes import LARGEST_PIECE, MOST_STEPS, unpickle
from clipsan.checkpoint.torch_files.records import spoken
from clipsan.checkpoint.torch_files.storages import Storages
from clipsan.checkpoint.torch_files.window import Window, map_file
from clipsan.errors import CheckpointError, UnsafeFileError

# What the pickles of a program archive name besides: types of its own program, and torch's makers of lists.
_PROGRAM_NAMES = ("__torch__.", "torch.jit._pickle.")


@dataclass(frozen=True)
class Scan:
    """What reading a torch file would touch.

    `unsafe` are the globals that are not known to be harmless; `code` the archive's members that hold
    program text (TorchScript).
    """

    unsafe: tuple[str, ...]
    code: tuple[str, ...]


@dataclass(frozen=True)
class TorchFile:
    """The content of a torch file.

    Args:
        content: None, bool, int, float, str, bytes, list, dict, tuple (sets are lists) and the records of
            `records`, which stand for everything else. It may hold itself, and a few bytes can describe a
            tree of any size: walk it only with a bound, and never print or compare it.
        storages: the numbers of its tensors.
        constants: the content of `constants.pkl`, in a program archive.
        constant_storages: the numbers of its tensors.
        archive: None for the layout before torch 1.6.
    """

    name: str
    content: object
    storages: Storages
    constants: object = None
    constant_storages: Storages | None = None
    archive: Archive | None = None


@dataclass(frozen=True)
class Look:
    """What was seen of a file, once; unsafe names are told before damage, because they matter more.

    Args:
        name: of the file.
        found: unsafe names and program text.
        problem: what is damaged.
        file: None where something unsafe was found, or too much is damaged.
    """

    name: str
    found: Scan
    problem: str | None
    file: TorchFile | None

    def scan(self) -> Scan:
        """The unsafe globals and the program text of the file.

        Raises:
            CheckpointError: the file is damaged, and nothing unsafe was found up to there.
        """
        if self.problem and not self.found.unsafe:
            raise self._damage()
        return self.found

    def open(self) -> TorchFile:
        """The file's content as inert data.

        Raises:
            UnsafeFileError: the file names globals that could run code; they are listed in the sentence.
            CheckpointError: the file is damaged.
        """
        if self.found.unsafe:
            raise UnsafeFileError(
                f"{self.name} was not read because its pickle names {name_some(self.found.unsafe)}, which"
                " could run code; where you trust its maker, save only model.state_dict() as safetensors"
                " there and use that file."
            )
        if self.file is None or self.problem:
            raise self._damage()
        return self.file

    def _damage(self) -> CheckpointError:
        return CheckpointError(
            f"{self.name} is damaged or no checkpoint of torch.save ({(self.problem or 'no content')[:200]})."
        )


def look_at(path: Path) -> Look:
    """Read the pickles of a torch file of either layout as data, executing nothing.

    Raises:
        CheckpointError: the archive around the pickles is damaged, or no archive of torch.
    """
    with path.open("rb") as start:
        zipped = start.read(2) == b"PK"  # by the start, as torch does: a pickle may have a zip at its end
    if zipped:
        return _look_into_archive(open_archive(path))
    mapped = map_file(path)
    legacy = read_legacy(mapped)
    file = TorchFile(path.name, legacy.value, Storages(mapped, legacy.places))
    return Look(path.name, Scan(_not_known(legacy.names), ()), legacy.problem, file)


def scan(path: Path) -> Scan:
    """Find the globals and the code in a torch zip or a pickle, without executing anything.

    Raises:
        CheckpointError: the file is damaged, and nothing unsafe was found up to there.
    """
    return look_at(path).scan()


def load_torch(path: Path) -> TorchFile:
    """The object in a torch file, as inert data.

    Raises:
        UnsafeFileError: the file names globals that could run code; they are listed in the sentence.
        CheckpointError: the file is damaged.
    """
    return look_at(path).open()


def is_torchscript(path: Path) -> bool:
    """True for an archive with program text or constants, as `torch.jit.save` writes (OpenAI's files)."""
    return bool(open_archive(path).program)


def _look_into_archive(archive: Archive) -> Look:
    """Read every pickle of an archive: one of them is the content, and all are looked at."""
    names: set[str] = set()
    values: dict[str, object] = {}
    fault: CheckpointError | None = None
    problem, left = None, MOST_STEPS
    for member in archive.members:
        if member.endswith(".pkl"):
            try:
                start, size = archive.place(member)
            except CheckpointError as error:
                fault = fault or error
                continue
            pickled = unpickle(Window(archive.mapped, start, start + size, LARGEST_PIECE), left)
            names |= pickled.names
            values[member] = pickled.value
            problem, left = problem or pickled.problem, left - pickled.steps
    code = tuple(spoken(name) for name in archive.program)
    found = Scan(_not_known(names, in_program=bool(code)), code)
    if fault and not found.unsafe:
        raise fault
    if found.unsafe or problem:
        return Look(archive.name, found, problem, None)
    storages, constants = (Storages(archive.mapped, archive.places(part)) for part in ("data", "constants"))
    file = TorchFile(
        archive.name,
        values[archive.inside("data.pkl")],
        storages,
        values.get(archive.inside("constants.pkl")),
        constants,
        archive,
    )
    return Look(archive.name, found, _other_byte_order(archive), file)


def _not_known(names: Set[str], *, in_program: bool = False) -> tuple[str, ...]:
    """The names that are not known to be harmless, as they may be shown."""
    known = _PROGRAM_NAMES if in_program else ()
    return tuple(sorted(spoken(name) for name in names - SAFE_GLOBALS if not name.startswith(known)))


def _other_byte_order(archive: Archive) -> str | None:
    member = archive.inside("byteorder")
    if member not in archive.members:
        return None
    start, size = archive.place(member)
    written = archive.mapped[start : start + min(size, 16)].decode("latin-1").strip()
    return None if written == sys.byteorder else f"its numbers are in the byte order {spoken(written)!r}"
