"""What a pickle describes, as inert records: names and arguments, never objects made from them.

All of them compare and hash by identity and print without their content, because a few bytes of pickle can
describe a tree that takes for ever to walk (each level holding the level below twice).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

LONGEST_NAME = 200


@dataclass(eq=False, repr=False, slots=True)
class Global:
    """A function or class that the pickle names, as "module.name"."""

    name: str


@dataclass(eq=False, repr=False, slots=True)
class Call:
    """What calling (REDUCE) or making an instance of (NEWOBJ) a global would have given.

    Args:
        name: "module.name" of the global.
        arguments: of the call.
        state: what BUILD would have set on the result: attributes by name, for most classes.
        entries: what was appended to the result, or the (key, value) pairs set in it.
    """

    name: str
    arguments: tuple[object, ...]
    state: object = None
    entries: list[object] = field(default_factory=list)


@dataclass(eq=False, repr=False, slots=True)
class Persistent:
    """A reference to something outside the pickle that is no storage of numbers."""

    id: object


@dataclass(eq=False, repr=False, slots=True)
class Key:
    """A key of a dict that is not text, a number, bytes or None."""

    value: object


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class StoredStorage:
    """A run of numbers in the file, as the pickle claims it.

    Args:
        dtype: None for bytes whose meaning the tensor gives.
        key: its name in the file.
        numel: elements, or bytes where there is no dtype.
        start: the element of the stored run at which this storage begins; only files of torch 0.3 say so.
    """

    dtype: torch.dtype | None
    key: str
    numel: int
    start: int = 0


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class StoredTensor:
    """A dense tensor in the file, as the pickle claims it; nothing of it is checked yet.

    Args:
        storage: where its numbers lie.
        dtype: of the numbers.
        offset: of its first element in the storage, in elements.
        size: its shape.
        stride: elements from one index to the next, per dimension.
    """

    storage: StoredStorage
    dtype: torch.dtype
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


def kind_of(value: object) -> str:
    """A word for a value, without looking into it: "list", "argparse.Namespace"."""
    if isinstance(value, (Call, Global)):
        return spoken(value.name)
    words = {StoredTensor: "tensor", StoredStorage: "storage", Persistent: "reference"}
    return words.get(type(value), type(value).__name__)


def spoken(text: str) -> str:
    """Text from a file as it may stand in a sentence: printable, in one line, not too long."""
    shown = text[:LONGEST_NAME]
    if not shown.isprintable():
        shown = ascii(shown)[: LONGEST_NAME + 2]
    return shown if len(text) <= LONGEST_NAME else f"{shown}..."
