"""The zip archives of torch.save and torch.jit.save: where each member lies, unpacked by nobody.

torch stores its members without compression, so they are read where they lie in the mapped file. The one
exception is the program text of TorchScript, which is unpacked within a limit, as text.
"""

from __future__ import annotations

import mmap
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, cast

from clipsan.checkpoint.torch_files.records import LONGEST_NAME, spoken
from clipsan.checkpoint.torch_files.window import TooLargeError, Window, map_file
from clipsan.errors import CheckpointError

LARGEST_PICKLE = 64 << 20  # bytes of opcodes; the tensors lie in other members
LARGEST_DIRECTORY = 8 << 20  # bytes of the archive's table of contents
LARGEST_PROGRAM = 16 << 20  # bytes of all program text, unpacked
LARGEST_END = 66_000  # bytes of the record that ends every zip, with its comment
_END = b"PK\5\6"  # the start of that record
_ENCRYPTED = 0x1
_UTF8 = 0x800
_LOCAL_HEADER = struct.Struct("<4s22xHH")  # signature, length of the name, length of the extra field


@dataclass(frozen=True)
class Archive:
    """An opened zip whose table of contents was checked."""

    name: str  # of the file
    mapped: mmap.mmap
    members: dict[str, zipfile.ZipInfo]

    @cached_property
    def root(self) -> str:
        """The folder that everything lies in, "archive" of `archive/data.pkl`.

        Raises:
            CheckpointError: there is no `data.pkl` one folder deep, or more than one.
        """
        found = [name for name in self.members if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(found) != 1:
            raise CheckpointError(
                f"{self.name} is a zip with {len(found) or 'no'} data.pkl inside, so torch.save did not write"
                " it; unpack it if it is a zip of checkpoints."
            )
        return found[0].removesuffix("/data.pkl")

    @cached_property
    def program(self) -> tuple[str, ...]:
        """Members with program text or its constants; none in a file of torch.save."""
        return tuple(sorted(name for name in self.members if _is_program(name)))

    def place(self, name: str) -> tuple[int, int]:
        """(first byte, bytes) of a member in the file, as packed.

        Raises:
            CheckpointError: the member's own header does not fit the table of contents.
        """
        member = self.members[name]
        at = member.header_offset
        header = self.mapped[at : at + _LOCAL_HEADER.size] if 0 <= at <= len(self.mapped) else b""
        if len(header) == _LOCAL_HEADER.size:
            signature, named, extra = _LOCAL_HEADER.unpack(header)
            start = at + _LOCAL_HEADER.size + named + extra
            encoding = "utf-8" if member.flag_bits & _UTF8 else "cp437"
            written = self.mapped[at + _LOCAL_HEADER.size : at + _LOCAL_HEADER.size + named]
            same = written == member.orig_filename.encode(encoding, "replace")
            if signature == b"PK\3\4" and same and start + member.compress_size <= len(self.mapped):
                return start, member.compress_size
        raise CheckpointError(
            f"{self.name} is a damaged archive (nothing lies where {spoken(name)} should);"
            " get the file again."
        )

    def inside(self, name: str) -> str:
        """The full name of a member of the root folder."""
        return f"{self.root}/{name}"

    def places(self, folder: str) -> dict[str, tuple[int, int]]:
        """(first byte, bytes) of every member of a folder in the root, by its name in there."""
        prefix = f"{self.inside(folder)}/"
        return {n.removeprefix(prefix): self.place(n) for n in self.members if n.startswith(prefix)}

    def texts(self) -> Iterator[tuple[str, bytes]]:
        """(name, text) of every member with program text, one at a time, where they are not too large.

        Raises:
            CheckpointError: a text is damaged.
        """
        names = [name for name in self.program if name.endswith(".py")]
        if sum(self.members[name].file_size for name in names) <= LARGEST_PROGRAM:
            yield from ((name, self._unpacked(name)) for name in names)

    def _unpacked(self, name: str) -> bytes:
        start, size = self.place(name)
        member, raw = self.members[name], self.mapped[start : start + size]
        if member.compress_type == zipfile.ZIP_STORED:
            return raw
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            text = inflate.decompress(raw, member.file_size + 1)
        except zlib.error as error:
            raise CheckpointError(
                f"{self.name} is a damaged archive ({spoken(name)}: {error!s:.80}); get the file again."
            ) from None
        if len(text) != member.file_size:
            raise CheckpointError(f"{self.name}: {spoken(name)} is not as long as its archive says.")
        return text


def open_archive(path: Path) -> Archive:
    """Map a zip and check its table of contents.

    Raises:
        CheckpointError: it is damaged, claims more than the file holds, names a member twice, or is packed
            as torch never packs.
    """
    mapped = map_file(path)
    if mapped.rfind(_END, max(0, len(mapped) - LARGEST_END)) < 0:
        raise CheckpointError(f"{path.name} is a truncated archive; get the file again.")
    try:
        # zipfile reads the table of contents in one piece, which the window refuses to be too large.
        window = Window(mapped, 0, len(mapped), LARGEST_DIRECTORY)
        with zipfile.ZipFile(cast(IO[bytes], window)) as archive:
            members = archive.infolist()
    except TooLargeError:
        raise CheckpointError(
            f"{path.name}: the table of contents of its archive takes more than"
            f" {LARGEST_DIRECTORY >> 20} MB, too much for a model."
        ) from None
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError, struct.error) as error:
        raise CheckpointError(
            f"{path.name} is a damaged archive ({spoken(str(error))}); get the file again."
        ) from None
    _check(members, len(mapped), path.name)
    return Archive(path.name, mapped, {member.filename: member for member in members})


def _is_program(name: str) -> bool:
    return "/code/" in f"/{name}" or name.endswith("/constants.pkl")


def _is_packed_text(member: zipfile.ZipInfo) -> bool:
    return member.compress_type == zipfile.ZIP_DEFLATED and "/code/" in f"/{member.filename}"


def _check(members: list[zipfile.ZipInfo], file_bytes: int, where: str) -> None:
    """Refuse what torch never writes: packed, named, repeated or sized otherwise."""
    plain = [member for member in members if not _is_packed_text(member)]
    for member in plain:
        if member.compress_type != zipfile.ZIP_STORED:
            raise CheckpointError(
                f"{_named(member, where)} is compressed, which torch.save never does; unpack it if it is a"
                " zip of checkpoints."
            )
    seen: set[str] = set()
    for member in members:
        if member.flag_bits & _ENCRYPTED:
            raise CheckpointError(f"{_named(member, where)} is encrypted, which torch.save never does.")
        if not _is_plain(member.filename):
            raise CheckpointError(f"{_named(member, where)} is named as torch.save names nothing.")
        if member.filename in seen:
            raise CheckpointError(f"{_named(member, where)} is there twice; get the file again.")
        seen.add(member.filename)
    if max(sum(m.file_size for m in plain), sum(m.compress_size for m in members)) > file_bytes:
        raise CheckpointError(f"{where}: the members of its archive claim more than the file holds.")
    if sum(m.file_size for m in members if _is_packed_text(m)) > LARGEST_PROGRAM:
        raise CheckpointError(
            f"{where}: its program text takes more than {LARGEST_PROGRAM >> 20} MB, too much for a model."
        )
    for member in plain:
        if member.filename.endswith(".pkl") and member.file_size > LARGEST_PICKLE:
            raise CheckpointError(
                f"{_named(member, where)} is a pickle above {LARGEST_PICKLE >> 20} MB, too large for a model."
            )
        if member.file_size != member.compress_size:
            raise CheckpointError(f"{_named(member, where)} has two sizes; get the file again.")


def _named(member: zipfile.ZipInfo, where: str) -> str:
    return f"{where}: {member.filename[:LONGEST_NAME]!r} in its archive"


def _is_plain(name: str) -> bool:
    """True for a name that stays in its folder and can be shown; nothing is unpacked, here at least."""
    return name.isprintable() and "\\" not in name and name[:1] != "/" and ".." not in name.split("/")
