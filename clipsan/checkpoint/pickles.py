"""Files of `torch.save`: what their pickles would call, found without running them, and a safe load.

A pickle is a program. Nothing here runs one: the opcodes are read, and only a file whose every global is
known to be harmless goes to `torch.load(weights_only=True)`, which checks the same again on its own.
"""

from __future__ import annotations

import argparse
import mmap
import pickletools
import struct
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch

from clipsan.checkpoint.tensors import name_some
from clipsan.errors import CheckpointError, UnsafeFileError

LARGEST_PICKLE = 64 << 20  # bytes of opcodes in a torch zip; the tensors lie in other members
MOST_MEMBERS = 200_000
MOST_OPCODES = 20_000_000
LEGACY_PICKLES = 5  # before torch 1.6: magic number, protocol, system, object, storage keys
HARMLESS = {"argparse.Namespace": argparse.Namespace}  # settings in training files; holds attributes only

_TORCH_BUILDERS = (
    "collections.OrderedDict",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
    "torch.nn.parameter.Parameter",
    "torch.Size",
    "torch.device",
    "torch.storage.UntypedStorage",
)
_STORED = ("Double", "Float", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
_TEXT_OPCODES = ("UNICODE", "UNICODE8", "STRING")
SAFE_GLOBALS = frozenset(_TORCH_BUILDERS) | {f"torch.{kind}Storage" for kind in _STORED}


@dataclass(frozen=True)
class Scan:
    """What reading a torch file would touch.

    `unsafe` are the globals that are not known to be harmless; `code` the archive's members that hold
    program text (TorchScript).
    """

    unsafe: tuple[str, ...]
    code: tuple[str, ...]


def scan(path: Path) -> Scan:
    """Find the globals and the code in a torch zip or a pickle, without executing anything.

    Raises:
        CheckpointError: the archive or the pickle is damaged, or too large to look through.
    """
    if not zipfile.is_zipfile(path):
        return Scan(_not_known(_globals_of_legacy(path)), ())
    if is_torchscript(path):  # its pickles name types of its own program, which says nothing more
        return Scan((), _program_members(path))
    members = _checked_members(path)
    found: set[str] = set()
    with _archive(path) as archive:
        for member in members:
            if member.filename.endswith(".pkl"):
                with archive.open(member) as file:
                    found |= set(_globals(file, path.name))
    if not found - SAFE_GLOBALS:
        return Scan((), ())
    try:  # torch knows more harmless builders than the list here (numpy-free containers, rebuilt types)
        torchs = set(torch.serialization.get_unsafe_globals_in_checkpoint(str(path)))
    except Exception:  # noqa: BLE001  its reader gives up on opcodes that torch.save never writes
        return Scan(_not_known(found), ())
    return Scan(tuple(sorted(torchs - set(HARMLESS))), ())


def load_pickle(path: Path) -> Any:
    """The object in a torch file, with `weights_only=True` on the CPU, memory-mapped where possible.

    Raises:
        UnsafeFileError: the file names globals that could run code; they are listed in the sentence.
        CheckpointError: the file is damaged.
    """
    unsafe = scan(path).unsafe
    if unsafe:
        raise UnsafeFileError(
            f"{path.name} was not read because its pickle names {name_some(unsafe)}, which could run code;"
            " where you trust its maker, save only model.state_dict() as safetensors there and use that file."
        )
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(list(HARMLESS.values())):
            warnings.simplefilter("ignore")
            mapped = zipfile.is_zipfile(path)
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # noqa: BLE001  a damaged pickle raises almost anything
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CheckpointError(
            f"{path.name} is damaged or no checkpoint of torch.save ({first_line:.160})."
        ) from None


def is_torchscript(path: Path) -> bool:
    """True for an archive with program text or constants, as `torch.jit.save` writes (OpenAI's files)."""
    return bool(_program_members(path))


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """An opened zip whose damage comes out as one sentence."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
        EOFError,
        struct.error,
        UnicodeError,
    ) as error:
        raise CheckpointError(
            f"{path.name} is a damaged archive ({error!s:.120}); get the file again."
        ) from None


def _program_members(path: Path) -> tuple[str, ...]:
    with _archive(path) as archive:
        names = archive.namelist()
    return tuple(sorted(n for n in names if "/code/" in f"/{n}" or n.endswith("/constants.pkl")))


def _not_known(found: set[str]) -> tuple[str, ...]:
    return tuple(sorted(found - SAFE_GLOBALS - set(HARMLESS)))


def _checked_members(path: Path) -> list[zipfile.ZipInfo]:
    """The archive's members; refuses compression, because torch never compresses and a bomb must."""
    with _archive(path) as archive:
        members = archive.infolist()
    if len(members) > MOST_MEMBERS or sum(m.file_size for m in members) > path.stat().st_size:
        raise CheckpointError(f"{path.name}: the members of its archive claim more than the file holds.")
    packed = [m.filename for m in members if m.compress_type != zipfile.ZIP_STORED]
    if packed:
        raise CheckpointError(
            f"{path.name}: {packed[0]!r:.80} in its archive is compressed, which torch.save never does;"
            " unpack it if it is a zip of checkpoints."
        )
    large = [m.filename for m in members if m.filename.endswith(".pkl") and m.file_size > LARGEST_PICKLE]
    if large:
        raise CheckpointError(
            f"{path.name}: the pickle {large[0]!r:.80} is above 64 MB, too large for a model."
        )
    return members


def _globals_of_legacy(path: Path) -> set[str]:
    """Globals of a file before torch 1.6, or of a plain pickle: a few pickles, then raw numbers."""
    if path.stat().st_size == 0:
        raise CheckpointError(f"{path.name} is empty; get the file again.")
    found: set[str] = set()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        for number in range(LEGACY_PICKLES):
            try:
                found |= set(_globals(mapped, path.name))
            except CheckpointError:
                if number == 0:
                    raise
                break  # past the last pickle: raw numbers
    return found


def _globals(file: IO[bytes] | mmap.mmap, where: str) -> Iterator[str]:
    """Dotted names of all globals in one pickle, read from its opcodes.

    STACK_GLOBAL takes its two names from the stack; the last two texts pushed are taken for them. A pickle
    can be built to fool that, so such a name never counts as harmless. torch.save does not write it.
    """
    texts: list[str] = []
    memo: dict[int, str] = {}
    memoized = 0
    last: str | None = None
    try:
        for count, (code, argument, _) in enumerate(pickletools.genops(file)):  # type: ignore[arg-type]
            if count > MOST_OPCODES:
                raise CheckpointError(
                    f"{where}: its pickle has over {MOST_OPCODES} steps, too many for a model."
                )
            name = code.name
            if name in ("GLOBAL", "INST"):
                yield str(argument).replace(" ", ".", 1)
            elif name == "STACK_GLOBAL":
                guess = ".".join(texts[-2:])
                yield f"{guess} (named on the stack)" if guess in SAFE_GLOBALS | set(HARMLESS) else guess
            elif name.startswith("EXT"):
                yield f"copyreg extension {argument}"
            elif name in ("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"):
                if last is not None:
                    memo[memoized if argument is None else int(argument)] = last
                memoized += 1
                continue
            last = argument if isinstance(argument, str) and name.endswith(_TEXT_OPCODES) else None
            if name in ("GET", "BINGET", "LONG_BINGET"):
                last = memo.get(int(argument or 0))
            if last is not None:
                texts = [*texts[-1:], last]
    except (ValueError, MemoryError, IndexError, OverflowError) as error:
        raise CheckpointError(f"{where} is not a readable pickle, it is damaged ({error!s:.100}).") from None
