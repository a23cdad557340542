"""Zips that lie about their members."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

from hostile.bomb_files import exec_step
from hostile.entry import Entry, Maker
from hostile.harmless import saved, tiny, torch_members, write_zip
from hostile.opcodes import program
from hostile.pickle_bombs import EXEC

LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"


def _zip(change: Callable[[bytearray], bytes | bytearray | None]) -> Maker:
    """The harmless torch zip with its bytes changed: in place, or into those returned."""

    def make(folder: Path, canary: Path) -> Path:
        path = write_zip(folder / "model.pt", torch_members())
        data = bytearray(path.read_bytes())
        path.write_bytes(change(data) or data)
        return path

    return make


def _with(members: dict[str, bytes]) -> Maker:
    """The harmless torch zip with members more, by their full names."""

    def make(folder: Path, canary: Path) -> Path:
        path = write_zip(folder / "model.pt", torch_members())
        with zipfile.ZipFile(path, "a") as archive:
            for name, data in members.items():
                archive.writestr(zipfile.ZipInfo(name), data)
        return path

    return make


def _twice(bomb_first: bool) -> Maker:
    """data.pkl two times: readers of zips differ in which they take, so a scan may see the other one."""

    def make(folder: Path, canary: Path) -> Path:
        members = torch_members()
        pickles = [members.pop("data.pkl"), program(exec_step(canary))]
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as archive:
            # zipfile warns of a name that it has already; it is given another one and changed below
            archive.writestr(zipfile.ZipInfo("model/data.pkl"), pickles[bomb_first])
            archive.writestr(zipfile.ZipInfo("model/data.pkk"), pickles[not bomb_first])
            for name, content in members.items():
                archive.writestr(zipfile.ZipInfo(f"model/{name}"), content)
        (folder / "model.pt").write_bytes(data.getvalue().replace(b"data.pkk", b"data.pkl"))
        return folder / "model.pt"

    return make


def _deflated(members: Callable[[], dict[str, bytes]]) -> Maker:
    return lambda folder, canary: write_zip(folder / "model.pt", members(), zipfile.ZIP_DEFLATED)


def _bomb_members() -> dict[str, bytes]:
    return torch_members() | {"data/999": bytes(40 << 20)}


def _nested(levels: int, width: int) -> Callable[[Path, Path], Path]:
    """As 42.zip: zips in zips, each with copies of the next, the last full of zeros."""

    def make(folder: Path, canary: Path) -> Path:
        inner = bytes(4 << 20)
        for _ in range(levels):
            data = io.BytesIO()
            with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
                for number in range(width):
                    archive.writestr(zipfile.ZipInfo(f"lib{number}.zip"), inner, zipfile.ZIP_DEFLATED)
            inner = data.getvalue()
        (folder / "model.pt").write_bytes(inner)
        return folder / "model.pt"

    return make


def _torch_zip_in_zip(folder: Path, canary: Path) -> Path:
    with zipfile.ZipFile(folder / "model.pt", "w") as archive:
        archive.writestr(zipfile.ZipInfo("inner.pt"), saved(dict(tiny().state)))
    return folder / "model.pt"


def _overlapping(quoted: bool) -> Maker:
    """A thousand entries of the directory for the same bytes; `quoted`: each starts a little earlier."""

    def make(folder: Path, canary: Path) -> Path:
        name = b"model/data.pkl"
        body = bytes(1 << 20)
        header = struct.pack("<4s5H3L2H", LOCAL, 20, 0, 0, 0, 33, 0, len(body), len(body), len(name), 0)
        start = (header + name) * (1000 if quoted else 1)
        step = len(header + name) if quoted else 0
        directory = b""
        for number in range(1000):
            label = b"model/data/%05d" % number
            size = len(body) + (999 - number) * step
            directory += struct.pack(
                "<4s6H3L5H2L", CENTRAL, 20, 20, 0, 0, 0, 33, 0, size, size, len(label), 0, 0, 0, 0, 0,
                number * step,
            ) + label  # fmt: skip
        end = struct.pack("<4s4H2LH", END, 0, 0, 1000, 1000, len(directory), len(start + body), 0)
        (folder / "model.pt").write_bytes(start + body + directory + end)
        return folder / "model.pt"

    return make


def _many_members(folder: Path, canary: Path) -> Path:
    """A directory of six hundred thousand empty members, which readers turn into objects of 500 bytes."""
    count, start = 600_000, struct.pack("<4s5H3L2H", LOCAL, 20, 0, 0, 0, 33, 0, 0, 0, 7, 0) + b"0000000"
    head = struct.pack("<4s6H3L5H2L", CENTRAL, 20, 20, 0, 0, 0, 33, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0)
    directory = b"".join(head + b"%07d" % number for number in range(count))
    at = len(start)
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, len(directory), at)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, at + len(directory), 1)
    end = struct.pack("<4s4H2LH", END, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    (folder / "model.pt").write_bytes(start + directory + end64 + locator + end)
    return folder / "model.pt"


def _end_field(offset: int, size: int, value: int) -> Callable[[bytearray], None]:
    """Overwrite a number in the record at the end of the zip."""

    def change(data: bytearray) -> None:
        at = data.rindex(END) + offset
        data[at : at + size] = value.to_bytes(size, "little")

    return change


def _entry_field(
    offset: int, size: int, value: int, signature: bytes = CENTRAL
) -> Callable[[bytearray], None]:
    """Overwrite a number in what the directory (or the member's own header) says of data.pkl."""

    def change(data: bytearray) -> None:
        header = 46 if signature == CENTRAL else 30
        name = data.rindex(b"model/data.pkl") if signature == CENTRAL else data.index(b"model/data.pkl")
        at = name - header + offset
        data[at : at + size] = value.to_bytes(size, "little")

    return change


def _huge_by_zip64(data: bytearray) -> bytes:
    """data.pkl is said to have 2^62 bytes, by the fields for large files."""
    at = data.rindex(b"model/data.pkl") - 46
    data[at + 20 : at + 28] = b"\xff" * 8
    data[at + 30 : at + 32] = (20).to_bytes(2, "little")
    extra = struct.pack("<2H2Q", 1, 16, 1 << 62, 1 << 62)
    place = at + 46 + len("model/data.pkl")
    data[place:place] = extra
    end = data.rindex(END)
    length = int.from_bytes(data[end + 12 : end + 16], "little") + len(extra)
    data[end + 12 : end + 16] = length.to_bytes(4, "little")
    return bytes(data)


def _without(name: str) -> Maker:
    def make(folder: Path, canary: Path) -> Path:
        members = torch_members()
        del members[name]
        return write_zip(folder / "model.pt", members)

    return make


def _renamed(data: bytearray) -> None:
    """The member's own header has another name than the directory."""
    at = data.index(b"model/data.pkl")
    data[at : at + 14] = b"model/evil.pkl"


ZIPS: dict[str, tuple[Maker, str]] = {
    "torch zip in a zip": (_torch_zip_in_zip, r"data\.pkl|inner\.pt"),
    "42.zip": (_nested(3, 4), "compressed"),
    "deflated": (_deflated(torch_members), "compressed"),
    "bomb of 40 MB of zeros": (_deflated(_bomb_members), "compressed|claim"),
    "overlapping members": (_overlapping(False), "overlap|claim"),
    "overlapping members, quoted": (_overlapping(True), "overlap|claim"),
    "six hundred thousand members": (_many_members, "directory|contents|members"),
    "name that climbs": (_with({"model/../../canary": b"x"}), r"\.\./"),
    "absolute name": (_with({"/canary": b"x"}), r"'?/canary"),
    "name with a backslash": (_with({"model\\..\\canary": b"x"}), r"\\"),
    "name with escapes": (_with({"model/\x1b]0;owned\x07": b"x"}), "owned"),
    "prefix of a script": (_zip(lambda data: b"#!/bin/sh\nexit\n" + data), "damaged or no checkpoint"),
    "prefix of a pickle": (_zip(lambda data: program(b"N") + data), "damaged or no checkpoint"),
    "cut in half": (_zip(lambda data: data[: len(data) // 2]), "truncated|damaged"),
    "data.pkl missing": (_without("data.pkl"), r"data\.pkl"),
    "encrypted": (_zip(_entry_field(8, 2, 1)), "encrypted"),
    "unknown compression": (_zip(_entry_field(10, 2, 97)), "compress"),
    "size of 2^62 by zip64": (_zip(_huge_by_zip64), "claim|damaged"),
    "size of 3 GB": (_zip(_entry_field(24, 4, 3 << 30)), "claim|damaged"),
    "header of data.pkl elsewhere": (_zip(_entry_field(42, 4, 0x7FFFFFFF)), "damaged|outside|offset"),
    "another name in its own header": (_zip(_renamed), r"data\.pkl|damaged"),
    "directory elsewhere": (_zip(_end_field(16, 4, 0x7FFFFFFF)), "damaged|truncated|directory"),
    "directory of 4 GB": (_zip(_end_field(12, 4, 0xFFFFFFF0)), "damaged|truncated|directory"),
}  # fmt: skip
# odd, but the weights are where they should be
ODD: dict[str, Maker] = {
    "comment of 60 000 bytes": _zip(lambda data: data[:-2] + b"\x60\xea" + b"#" * 60_000),
    "sixty thousand members claimed": _zip(_end_field(10, 2, 60_000)),
}

ENTRIES = (
    *(Entry(f"zip: {name}", make, finds, "torch zip") for name, (make, finds) in ZIPS.items()),
    *(Entry(f"zip: {name}", make, "", "torch zip", loads=True) for name, make in ODD.items()),
    Entry("zip: data.pkl twice, the bomb first", _twice(True), f"twice|{EXEC}", "torch zip", "torch"),
    Entry("zip: data.pkl twice, the bomb last", _twice(False), f"twice|{EXEC}", "torch zip", "member"),
)
