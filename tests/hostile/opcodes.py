"""A small assembler of pickle programs, for what `pickle.dumps` would never write.

A step is bytes that leave one value on the unpickler's stack; steps are put together into larger ones.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from itertools import accumulate
from operator import mul
from pickle import BUILD, EMPTY_DICT, EMPTY_LIST, MARK, REDUCE, SETITEM, SETITEMS, STOP, TUPLE

NONE, FALSE, NO_TUPLE = pickle.NONE, pickle.NEWFALSE, pickle.EMPTY_TUPLE


def program(*steps: bytes, protocol: int = 2) -> bytes:
    """A whole pickle whose last step is the object."""
    return pickle.PROTO + bytes([protocol]) + b"".join(steps) + STOP


def text(value: str) -> bytes:
    encoded = value.encode("utf-8", "surrogatepass")
    return pickle.BINUNICODE + len(encoded).to_bytes(4, "little") + encoded


def raw(value: bytes) -> bytes:
    return pickle.BINBYTES + len(value).to_bytes(4, "little") + value


def number(value: int) -> bytes:
    encoded = pickle.encode_long(value)
    return pickle.LONG4 + len(encoded).to_bytes(4, "little") + encoded


def named(module: str, name: str) -> bytes:
    """A global, by the opcode that holds its name."""
    return pickle.GLOBAL + f"{module}\n{name}\n".encode()


def several(*steps: bytes) -> bytes:
    """A tuple."""
    return MARK + b"".join(steps) + TUPLE


def listed(*steps: bytes) -> bytes:
    return EMPTY_LIST + MARK + b"".join(steps) + pickle.APPENDS


def mapping(*pairs: tuple[bytes, bytes]) -> bytes:
    return EMPTY_DICT + MARK + b"".join(key + value for key, value in pairs) + SETITEMS


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + several(*arguments) + REDUCE


def built(instance: bytes, state: bytes) -> bytes:
    """An instance with its state set."""
    return instance + state + BUILD


def one_pair(key: bytes, value: bytes) -> bytes:
    return EMPTY_DICT + key + value + SETITEM


def storage(key: str, numel: int, kind: bytes | None = None, device: bytes | None = None) -> bytes:
    """A tensor's bytes, by the persistent id that torch.save writes; the key is the member `data/KEY`."""
    described = several(
        text("storage"), kind or named("torch", "FloatStorage"), text(key), device or text("cpu"),
        number(numel),
    )  # fmt: skip
    return described + pickle.BINPERSID


def tensor(
    stored: bytes, size: tuple[int, ...], stride: tuple[int, ...] | None = None, offset: int = 0
) -> bytes:
    """A float32 tensor as torch.save writes it; the stride of rows after each other by default."""
    if stride is None:
        stride = tuple(accumulate(reversed(size), mul, initial=1))[:-1][::-1]
    return call(
        named("torch._utils", "_rebuild_tensor_v2"), stored, number(offset), several(*map(number, size)),
        several(*map(number, stride)), FALSE, call(named("collections", "OrderedDict")),
    )  # fmt: skip


def state_dict(tensors: Mapping[str, bytes]) -> bytes:
    return mapping(*((text(key), step) for key, step in tensors.items()))
