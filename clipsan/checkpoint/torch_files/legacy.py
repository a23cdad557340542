"""The layout of torch.save before torch 1.6, which it still writes on request: pickles, then raw numbers.

Five pickles follow one another: a magic number, the version of the layout, facts about the machine, the saved
object, and the keys of its storages. Then each storage follows in that order: its count of elements as int64,
and its numbers.
"""

from __future__ import annotations

import mmap
import struct
import sys
from dataclasses import dataclass, field

from clipsan.checkpoint.torch_files.archive import LARGEST_PICKLE
from clipsan.checkpoint.torch_files.opcodes import LARGEST_PIECE, MOST_STEPS, Pickled, unpickle
from clipsan.checkpoint.torch_files.records import StoredStorage
from clipsan.checkpoint.torch_files.window import Window

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001
PICKLES = 5
_COUNT = struct.Struct("<q")


@dataclass(frozen=True)
class Legacy:
    """What the pickles of a file in the old layout hold, as far as they can be read.

    Args:
        value: the saved object, as plain data and records.
        names: every global met.
        problem: why the rest was not read; the value is None then.
        places: (first byte, bytes) of each storage, by its key.
    """

    value: object
    names: frozenset[str]
    problem: str | None
    places: dict[str, tuple[int, int]] = field(default_factory=dict)


def is_tar(start: bytes) -> bool:
    """True for the first 512 bytes of a tar archive; before torch 0.1.10, torch.save wrote those."""
    return start[257:262] == b"ustar"


def read_legacy(mapped: mmap.mmap) -> Legacy:
    """Read the pickles at the start of a file, and find the numbers behind them."""
    if is_tar(mapped[:512]):
        return Legacy(
            None, frozenset(), "it is a tar archive, as torch before 0.1.10 wrote; save it with a newer one"
        )
    names: frozenset[str] = frozenset()
    read: list[Pickled] = []
    position, left = 0, MOST_STEPS
    while len(read) < PICKLES:
        window = Window(mapped, position, position + LARGEST_PICKLE, LARGEST_PIECE)
        pickled = unpickle(window, left)
        read.append(pickled)
        names |= pickled.names
        position, left = window.tell(), left - pickled.steps
        problem = pickled.problem or _unlike_torch(read)
        if problem:
            return Legacy(None, names, problem)
    places = _places(mapped, position, read[4].value, read[3].storages)
    if places is None:
        return Legacy(None, names, "the numbers behind its pickles are cut off or do not belong to them")
    return Legacy(read[3].value, names, None, places)


def _unlike_torch(read: list[Pickled]) -> str | None:
    """What is wrong with the latest pickle of a file of torch.save; None where nothing is."""
    number, value = len(read), read[-1].value
    if number == 1 and value != MAGIC:
        return "a pickle of its own, without torch's magic number"
    if number == 2 and value != VERSION:
        return "a version of the old layout that torch never wrote"
    if number == 3 and isinstance(value, dict):
        if value.get("little_endian") is not (sys.byteorder == "little"):
            return "written on a machine with another order of bytes"
    elif number in (3, 5) and not isinstance(value, list):
        return "a file whose pickles are not the five that torch writes"
    return None


def _places(
    mapped: mmap.mmap, position: int, keys: object, storages: dict[str, StoredStorage]
) -> dict[str, tuple[int, int]] | None:
    """Where each storage lies; None where the file has less, or a key that the object does not refer to."""
    places: dict[str, tuple[int, int]] = {}
    for key in keys if isinstance(keys, list) else ():
        storage = storages.get(key) if isinstance(key, str) else None
        piece = mapped[position : position + _COUNT.size]
        if storage is None or key in places or len(piece) < _COUNT.size:
            return None
        size = _COUNT.unpack(piece)[0] * (storage.dtype.itemsize if storage.dtype else 1)
        position += _COUNT.size
        if not 0 <= size <= len(mapped) - position:
            return None
        places[key] = (position, size)
        position += size
    return places
