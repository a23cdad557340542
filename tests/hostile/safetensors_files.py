"""safetensors files that lie: about their length, their offsets, their shapes, or by their names."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from hostile.entry import Entry, Maker, written
from hostile.harmless import safetensors_of, tiny
from hostile.opcodes import named, program

KEY = "visual.proj"
ESCAPES = "\x1b]0;owned\x07\x1b[2J\r\nclipsan: all is well\u202e"
CYRILLIC = "visual.pr\u043ej"  # looks like visual.proj

Header = dict[str, Any]


def of_header(header: bytes | Header, data: bytes = b"") -> bytes:
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(encoded)) + encoded + data


def entry(begin: int, end: int, shape: list[Any] | None = None, dtype: str = "F32") -> dict[str, Any]:
    shape = [(end - begin) // 4] if shape is None else shape
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def _parts() -> tuple[Header, bytes]:
    """The header and the numbers of the tiny model's file."""
    whole = safetensors_of()
    length = int.from_bytes(whole[:8], "little")
    return json.loads(whole[8 : 8 + length]), whole[8 + length :]


def _changed(change: Callable[[Header], object], more: bytes = b"") -> Callable[[], bytes]:
    """The tiny model's file with its header changed in place, and bytes behind it."""

    def content() -> bytes:
        header, data = _parts()
        change(header)
        return of_header(header, data + more)

    return content


def _of_entry(**changes: Any) -> Callable[[], bytes]:
    """The entry of `visual.proj` with fields replaced."""
    return _changed(lambda header: header[KEY].update(changes))


def _with_key(key: str) -> Callable[[], bytes]:
    """One tensor more, of four bytes at the end."""

    def change(header: Header) -> None:
        end = max(item["data_offsets"][1] for name, item in header.items() if name != "__metadata__")
        header[key] = entry(end, end + 4)

    return _changed(change, b"\0\0\0\0")


def _with_value(value: float, key: str = KEY, dtype: torch.dtype = torch.float32) -> Callable[[], bytes]:
    def content() -> bytes:
        state: Mapping[str, torch.Tensor] = {name: v.clone() for name, v in tiny().state.items()}
        changed = state[key].to(dtype)
        changed.view(-1)[0] = value
        return safetensors_of(dict(state) | {key: changed})

    return content


def _huge_header() -> bytes:
    """99 MB of valid JSON: more than a million tensors of no size at all."""
    one = '"k%07d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    return of_header(("{" + ",".join(one % n for n in range(1_650_000)) + "}").encode())


def _padded_header() -> bytes:
    return of_header(b"{}" + b" " * 99_000_000)


def _long_key() -> bytes:
    return of_header({"k" * 5_000_000: entry(0, 4)}, b"0" * 4)


def _digits() -> bytes:
    return of_header(
        b'{"a":{"dtype":"F32","shape":[' + b"9" * 100_000 + b'],"data_offsets":[0,4]}}', b"0" * 4
    )


def _infinite() -> bytes:
    return of_header(b'{"visual.proj":{"dtype":"F32","shape":[1e999],"data_offsets":[0,4]}}', b"0" * 4)


def _sparse(folder: Path, canary: Path) -> Path:
    """A terabyte by its length, nothing on the disk."""
    path = folder / "model.safetensors"
    with path.open("wb") as file:
        file.write(of_header({KEY: entry(0, 1 << 39)}))
        file.truncate(1 << 40)
    return path


def _lying_metadata() -> bytes:
    """Metadata of another maker around a file whose keys fit nothing."""

    def change(header: Header) -> None:
        header["__metadata__"] = {"clipsan_version": "99", "format": ESCAPES, ESCAPES: "x"}
        del header["logit_scale"]["dtype"]

    return _changed(change)()


CASES: dict[str, tuple[Callable[[], bytes], str]] = {
    "two bytes": (lambda: b"\1\2", "too few"),
    "header of 2^63": (lambda: struct.pack("<Q", 1 << 63) + b"{}", "100 MB"),
    "header of 1 GB": (lambda: struct.pack("<Q", 10**9) + b"{}", "100 MB"),
    "header past the end": (lambda: struct.pack("<Q", 1000) + b"{}", "truncated"),
    "header with a million tensors": (_huge_header, "header|tensors"),
    "header of 99 MB of spaces": (_padded_header, "header|CLIP"),
    "no header": (lambda: struct.pack("<Q", 0), "JSON"),
    "header cut": (lambda: of_header(b'{"a":'), "JSON"),
    "deep JSON": (lambda: of_header(b"[" * 200_000), "nested too deeply"),
    "deep JSON objects": (lambda: of_header(b'{"a":' * 200_000), "nested too deeply"),
    "number of 100 000 digits": (_digits, "JSON|shape"),
    "not UTF-8": (lambda: of_header(b'{"\xff": 1}'), "JSON"),
    "a list": (lambda: of_header(b"[]"), "not a JSON object"),
    "key twice": (lambda: of_header(b'{"visual.proj": {}, "visual.proj": {}}'), "twice"),
    "metadata twice": (lambda: of_header(b'{"__metadata__": {}, "__metadata__": {}}'), "twice"),
    "metadata of numbers": (_changed(lambda header: header.update(__metadata__={"a": 1})), "__metadata__"),
    "metadata that lies": (_lying_metadata, "logit_scale"),
    "overlap": (lambda: of_header({"a": entry(0, 8), "b": entry(4, 12)}, b"0" * 12), "overlap"),
    "the same bytes twice": (lambda: of_header({"a": entry(0, 8), "b": entry(0, 8)}, b"0" * 8), "overlap"),
    "hole": (lambda: of_header({"a": entry(0, 4), "b": entry(8, 12)}, b"0" * 12), "hole"),
    "offsets backwards": (lambda: of_header({"a": entry(8, 4, [1])}, b"0" * 8), "given -4 bytes|offsets"),
    "bytes behind the last tensor": (_changed(lambda header: None, b"#!/bin/sh\n"), "10 bytes after"),
    "numbers cut off": (lambda: safetensors_of()[:-100], "truncated"),
    "shape of 2^62": (_of_entry(shape=[1 << 61, 2]), KEY),
    "shape whose product is 0 modulo 2^64": (_of_entry(shape=[1 << 32, 1 << 32]), KEY),
    "shape negative": (_of_entry(shape=[-128, -24]), KEY),
    "shape of a million sides": (_of_entry(shape=[128, 24] + [1] * 1_000_000), f"{KEY}|header"),
    "shape of booleans": (_of_entry(shape=[True, True]), KEY),
    "shape of fractions": (_of_entry(shape=[128.0, 24.0]), KEY),
    "shape of text": (_of_entry(shape="128x24"), KEY),
    "shape of infinity": (_infinite, KEY),
    "offsets of three": (_of_entry(data_offsets=[0, 1, 2]), KEY),
    "offsets negative": (_of_entry(data_offsets=[-12288, 0]), KEY),
    "dtype unknown": (_of_entry(dtype="F3"), "F3"),
    "dtype of a list": (_of_entry(dtype=["F32"]), KEY),
    "entry of a number": (_changed(lambda header: header.update({KEY: 1})), KEY),
    "field more": (_of_entry(code="import os"), KEY),
    "no tensor": (lambda: of_header({}), "CLIP"),
    "tensor of no size": (_changed(lambda header: header.update({KEY + "0": entry(0, 0, [0])})), f"{KEY}0"),
    "key with escapes": (_with_key(ESCAPES), "owned"),
    "key of 5 MB": (_long_key, "kkkk|key"),
    "key that looks like another": (_with_key(CYRILLIC), r"unexpected.*visual\.pr"),
    "key of half a character": (_with_key("\ud800"), r"unexpected.*d800|JSON|surrogate"),
    "torch zip by its name": (lambda: b"PK\3\4" + bytes(60), "truncated"),
}  # fmt: skip
VALUES: dict[str, tuple[Callable[[], bytes], str]] = {
    "NaN": (_with_value(float("nan")), r"visual\.proj"),
    "infinity": (_with_value(float("inf")), r"visual\.proj"),
    "minus infinity in a bias": (_with_value(-float("inf"), "ln_final.bias"), r"ln_final\.bias"),
    "double above float32": (_with_value(1e300, "logit_scale", torch.float64), "logit_scale"),
    "NaN in half precision": (_with_value(float("nan"), KEY, torch.float16), r"visual\.proj"),
}


def _file(content: Callable[[], bytes], name: str = "model.safetensors") -> Maker:
    return written(name, content)


ENTRIES = (
    *(Entry(f"safetensors: {name}", _file(content), finds, "safetensors")
      for name, (content, finds) in CASES.items()),
    *(Entry(f"safetensors: {name}", _file(content), finds, "safetensors", unseen=True)
      for name, (content, finds) in VALUES.items()),
    Entry("safetensors: a terabyte of nothing", _sparse, f"CLIP|{KEY}|after its last", "safetensors"),
    Entry("safetensors by its content only", _file(_of_entry(shape=[1 << 61, 2]), "model.pt"), KEY,
          "safetensors"),
    Entry("safetensors: a pickle of protocol 0", _file(lambda: program(named("os", "system"))[2:]),
          "100 MB|pickle|truncated", "safetensors"),
)  # fmt: skip
