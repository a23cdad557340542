"""Members of uncompressed tars, found once and then read by offset.

Nothing is extracted, and a member's name is never used as a path. Members of one sample share their name
up to the first dot of its last part, as in webdataset.
"""

from __future__ import annotations

import tarfile
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from clipsan.errors import DataError
from clipsan.pairs.captions import printable
from clipsan.pairs.pairset import Skipped
from clipsan.pairs.stores import read_part

BLOCK = 512
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")


@dataclass
class Sample:
    """Members of one name: ending (`jpg`, `txt`) -> (offset, size) in bytes."""

    key: str
    parts: dict[str, tuple[int, int]] = field(default_factory=dict)


class TarImages:
    """Images inside tars: shard, offset and size in arrays, 20 bytes an image."""

    def __init__(self) -> None:
        self._tars: list[str] = []
        self._shards = array("i")
        self._offsets = array("q")
        self._sizes = array("q")

    def open_shard(self, path: Path) -> None:
        """Images added from now on lie in `path`."""
        self._tars.append(str(path))

    def add(self, offset: int, size: int) -> None:
        self._shards.append(len(self._tars) - 1)
        self._offsets.append(offset)
        self._sizes.append(size)

    def size(self, place: int) -> int:
        return self._sizes[place]

    def read(self, place: int) -> bytes:
        return read_part(self._tars[self._shards[place]], self._offsets[place], self._sizes[place])

    def tail(self, place: int, length: int) -> bytes:
        size = self._sizes[place]
        start = self._offsets[place] + max(0, size - length)
        return read_part(self._tars[self._shards[place]], start, min(size, length))


def tar_files(folder: Path) -> list[Path]:
    """The .tar files directly in `folder`, sorted by name."""
    return sorted(
        entry for entry in folder.glob("*.tar") if entry.is_file() and not entry.name.startswith(".")
    )


def scan(path: Path, endings: frozenset[str]) -> tuple[list[Sample], list[Skipped]]:
    """The samples of one tar, with their members of these `endings`, in the order they begin.

    Raises:
        DataError: the tar is compressed or holds a sparse member, so bytes cannot be read by offset.
    """
    with path.open("rb") as file:
        if file.read(6).startswith(_COMPRESSED):
            raise DataError(f"The archive {path} is compressed; decompress it to a plain .tar first.")
    samples: dict[str, Sample] = {}
    skipped: list[Skipped] = []
    try:
        for info in _members(path):
            key, ending = split_name(info.name)
            if not key or ending not in endings or info.isdir():
                continue
            name = f"{path.name}/{info.name}"
            parts = samples.setdefault(key, Sample(key)).parts
            if info.issparse():
                raise DataError(
                    f"The archive {path} holds a sparse member, {printable(info.name)}; pack it anew."
                )
            if not info.isreg():
                skipped.append(Skipped(name, "is a link or device, not a file"))
            elif ending in parts:
                skipped.append(Skipped(name, "is named twice in its archive"))
            else:
                parts[ending] = (info.offset_data, info.size)
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        skipped.append(Skipped(path.name, f"the archive is damaged ({error})"))
    return list(samples.values()), skipped


def member(sample: Sample, ending: str, meaning: str) -> tuple[int, int]:
    """(offset, size) of the sample's member `ending`; DataError with the reason where there is none."""
    if ending not in sample.parts:
        raise DataError(f"no {meaning} (.{ending}) of this name")
    return sample.parts[ending]


def split_name(name: str) -> tuple[str, str]:
    """`a/b.seg.png` -> (`a/b`, `seg.png`); the key is empty for a hidden file."""
    folder, slash, base = name.rpartition("/")
    stem, _, ending = base.partition(".")
    return (folder + slash + stem if stem else ""), ending.lower()


def _members(path: Path) -> Iterator[tarfile.TarInfo]:
    """The headers of a tar, one at a time; ReadError where it ends too early or goes in circles."""
    length = path.stat().st_size
    with tarfile.open(path, "r:") as tar:
        while (info := tar.next()) is not None:
            # Headers are forgotten once seen: a tar of a million members would hold a gigabyte of them.
            tar.members = []  # type: ignore[attr-defined]  # public, and missing in typeshed
            if info.size < 0 or tar.offset <= info.offset:
                raise tarfile.ReadError(f"member {printable(info.name)} has a size that cannot be")
            if info.offset_data + (0 if info.issparse() else info.size) > length:
                raise tarfile.ReadError("it ends in the middle of a member")
            yield info
        # tarfile takes a broken header for the end; a true end is a block of zeros or the file's own end.
        rest = read_part(path, tar.offset, BLOCK)
    if rest.strip(b"\0"):
        raise tarfile.ReadError(f"no member begins at byte {tar.offset}")
