"""Pickles that run no code but would use up memory, time or the stack of what reads them."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy
from hostile.entry import Entry, Maker, written
from hostile.harmless import tensor_steps, torch_members, write_zip
from hostile.opcodes import (
    NONE,
    call,
    listed,
    mapping,
    named,
    number,
    one_pair,
    program,
    raw,
    several,
    state_dict,
    text,
)

DEPTH = 100_000
MANY = 400_000

Step = Callable[[], bytes]


def _eight(value: int) -> bytes:
    return value.to_bytes(8, "little")


def _laughs(wrap: Callable[[bytes], bytes]) -> bytes:
    """Thirty levels, each ten times the one below by its memo entry: 10^30 leaves in a few hundred bytes."""
    step = wrap(text("ha"))
    for level in range(30):
        kept = pickle.BINPUT + bytes([level])
        taken = pickle.BINGET + bytes([level])
        step = wrap(step + kept + taken * 9)
    return step


def _tuple_around(inside: bytes) -> bytes:
    return several(inside)


def _deep_lists() -> bytes:
    return pickle.EMPTY_LIST * DEPTH + pickle.APPEND * (DEPTH - 1)


def _deep_tuples() -> bytes:
    return pickle.EMPTY_TUPLE + pickle.TUPLE1 * DEPTH


def _deep_dicts() -> bytes:
    return (pickle.EMPTY_DICT + text("a")) * DEPTH + NONE + pickle.SETITEM * DEPTH


def _deep_persistent_id() -> bytes:
    return several(text("storage"), _deep_tuples()) + pickle.BINPERSID


def _many_marks() -> bytes:
    return pickle.MARK * MANY + pickle.POP_MARK * MANY + NONE


def _many_lists() -> bytes:
    return pickle.MARK + pickle.EMPTY_LIST * MANY + pickle.LIST


def _many_copies() -> bytes:
    return pickle.MARK + raw(bytes(1000)) + pickle.DUP * MANY + pickle.LIST


def _many_steps() -> bytes:
    return (NONE + pickle.POP) * MANY + NONE


def _many_keys() -> bytes:
    return mapping(*((pickle.BININT + n.to_bytes(4, "little"), NONE) for n in range(100_000)))


def _memo(place: int) -> bytes:
    return text("a") + pickle.LONG_BINPUT + place.to_bytes(4, "little")


def _numpy_pointer() -> bytes:
    """A scalar whose dtype says "a Python object lies here" and whose bytes are then its address."""
    pointer = numpy.dtype([("object", "O")])
    shape = pickle.dumps(pointer, 2)[2:-1]
    return call(named("numpy._core.multiarray", "scalar"), shape, raw(b"\x41" * 8))


def _numpy_object_scalar() -> bytes:
    kind = pickle.dumps(numpy.dtype(object), 2)[2:-1]
    return call(named("numpy._core.multiarray", "scalar"), kind, listed(text("anything")))


def _numpy_huge() -> bytes:
    """An array with a shape of 2^40, allocated before its bytes are seen."""
    return call(named("numpy", "zeros"), several(number(1 << 40)))


def _huge_bytearray() -> bytes:
    return call(named("builtins", "bytearray"), number(1 << 33))


def _huge_range() -> bytes:
    return call(named("builtins", "list"), call(named("builtins", "range"), number(1 << 40)))


def _huge_tensor() -> bytes:
    return call(named("torch", "zeros"), number(1 << 40))


def _huge_float_storage() -> bytes:
    return call(named("torch", "FloatStorage"), number(1 << 36))


def _huge_size() -> bytes:
    return call(named("torch", "Size"), several(*[number(1 << 62)] * 3))


def _digits() -> bytes:
    """A count of a hundred thousand digits, which Python refuses to write out."""
    return number(10**100_000)


def _gzip() -> bytes:
    import gzip

    return gzip.compress(program(named("os", "system")), mtime=0)


def _bzip2() -> bytes:
    import bz2

    return bz2.compress(program(named("os", "system")))


def _xz() -> bytes:
    import lzma

    return lzma.compress(program(named("os", "system")))


def _legacy_of(step: Step) -> Maker:
    """The step as the one value of a state dict in the layout before torch 1.6."""

    def make(folder: Path, canary: Path) -> Path:
        path = folder / "model.pt"
        start = [pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})]
        whole = program(one_pair(text("visual.proj"), step()), protocol=5)
        path.write_bytes(b"".join(start) + whole + pickle.dumps([], 2))
        return path

    return make


def _zip_of(step: Step) -> Maker:
    """The step as one more value beside true weights, in torch's zip."""

    def make(folder: Path, canary: Path) -> Path:
        steps = tensor_steps() | {"logit_bias": step()}
        return write_zip(folder / "model.pt", torch_members(program(state_dict(steps), protocol=4)))

    return make


def _with_epoch(epoch: Step) -> Maker:
    """A whole and true training file, but for the epoch."""

    def make(folder: Path, canary: Path) -> Path:
        content = mapping((text("epoch"), epoch()), (text("state_dict"), state_dict(tensor_steps())))
        return write_zip(folder / "model.pt", torch_members(program(content)))

    return make


def _as_key(step: Step) -> Maker:
    return _zip_of(lambda: one_pair(step(), NONE))


NOT_A_TENSOR = r"(logit_bias|visual\.proj)' (holds a|is not a plain)"
CLAIM = "damaged"  # the bytes claimed are not there
# what lies as one value -> what is said of it
VALUES: dict[str, tuple[Step, str]] = {
    "memo entry 2^32-1": (lambda: _memo(2**32 - 1), NOT_A_TENSOR),
    "shared references, lists": (lambda: _laughs(lambda step: listed(step)), NOT_A_TENSOR),
    "shared references, tuples": (lambda: _laughs(_tuple_around), NOT_A_TENSOR),
    "bytes of 2^62": (lambda: pickle.BINBYTES8 + _eight(1 << 62) + b"x", CLAIM),
    "text of 2^62": (lambda: pickle.BINUNICODE8 + _eight(1 << 62) + b"x", CLAIM),
    "bytearray of 2^40": (lambda: pickle.BYTEARRAY8 + _eight(1 << 40) + b"x", CLAIM),
    "text of 2^32-1": (lambda: pickle.BINUNICODE + b"\xff" * 4 + b"x", CLAIM),
    "number of 2^31-1 bytes": (lambda: pickle.LONG4 + b"\xff\xff\xff\x7f" + b"x", CLAIM),
    "number of -1 bytes": (lambda: pickle.LONG4 + b"\xff" * 4 + b"x", CLAIM),
    "frame of 2^63": (lambda: pickle.FRAME + _eight(1 << 63) + NONE, f"{CLAIM}|{NOT_A_TENSOR}"),
    "number of 100 000 digits": (_digits, "integer"),
    "numpy object scalar": (_numpy_object_scalar, f"numpy|{NOT_A_TENSOR}"),
    "numpy pointer": (_numpy_pointer, f"numpy|{NOT_A_TENSOR}"),
    "numpy.zeros of 2^40": (_numpy_huge, r"numpy\.zeros"),
    "bytearray by call of 2^33": (_huge_bytearray, f"bytearray|{NOT_A_TENSOR}"),
    "list of range 2^40": (_huge_range, r"(__builtin__|builtins)\.range"),
    "torch.zeros of 2^40": (_huge_tensor, r"torch\.zeros"),
    "storage by call of 2^36": (_huge_float_storage, f"FloatStorage|{NOT_A_TENSOR}"),
    "Size of 2^186": (_huge_size, f"Size|{NOT_A_TENSOR}"),
}
LARGE: dict[str, tuple[Step, str]] = {
    "memo entry 2^27": (lambda: _memo(2**27), NOT_A_TENSOR),
    "lists 100 000 deep": (_deep_lists, NOT_A_TENSOR),
    "tuples 100 000 deep": (_deep_tuples, NOT_A_TENSOR),
    "dicts 100 000 deep": (_deep_dicts, f"steps|{NOT_A_TENSOR}"),
    "persistent id 100 000 deep": (_deep_persistent_id, NOT_A_TENSOR),
    "marks by the hundred thousand": (_many_marks, f"steps|{NOT_A_TENSOR}"),
    "lists by the hundred thousand": (_many_lists, f"steps|{NOT_A_TENSOR}"),
    "copies by the hundred thousand": (_many_copies, f"steps|{NOT_A_TENSOR}"),
    "steps by the hundred thousand": (_many_steps, f"steps|{NOT_A_TENSOR}"),
    "keys by the hundred thousand": (_many_keys, f"steps|{NOT_A_TENSOR}"),
}
FILES: dict[str, tuple[Maker, str]] = {
    "key that is shared references": (_as_key(lambda: _laughs(_tuple_around)), f"key|{NOT_A_TENSOR}"),
    "key 100 000 tuples deep": (_as_key(_deep_tuples), f"key|{NOT_A_TENSOR}"),
    "epoch of 100 000 digits": (_with_epoch(_digits), "integer|epoch"),
}
OTHERS: dict[str, tuple[Maker, str]] = {
    "gzip": (written("model.pt", _gzip), "gzip"),
    "bzip2": (written("model.pt", _bzip2), "bzip2"),
    "xz": (written("model.pt", _xz), r"\bxz\b"),
    "shell script": (written("model.bin", lambda: b"#!/bin/sh\ntouch canary\n"), "damaged or no checkpoint"),
    "HTML page": (written("model.bin", lambda: b"<!DOCTYPE html><html>Sign in"), "damaged or no checkpoint"),
    "picture": (written("model.jpg", lambda: b"\xff\xd8\xff\xe0" + bytes(100)), "neither safetensors nor"),
    "empty file": (written("model.pt", lambda: b""), "empty"),
    "noise": (written("model.pt", lambda: b"\x80\x02" + bytes(range(256))), "damaged"),
}

ENTRIES = (
    *(Entry(f"legacy file: {name}", _legacy_of(step), finds, "legacy torch file")
      for name, (step, finds) in list(VALUES.items())[:5]),  # the same reader as of zips, to its end
    *(Entry(f"torch zip: {name}", _zip_of(step), finds, "torch zip")
      for name, (step, finds) in (VALUES | LARGE).items()),
    *(Entry(f"torch zip: {name}", make, finds, "torch zip") for name, (make, finds) in FILES.items()),
    *(Entry(f"no checkpoint: {name}", make, finds, "legacy torch file")
      for name, (make, finds) in OTHERS.items()),
)  # fmt: skip
