"""Tars given as checkpoints: with members that would leave their folder, or with torch's pickles of 2016."""

from __future__ import annotations

import io
import pickle
import tarfile
from pathlib import Path

from hostile.entry import Entry, Maker
from hostile.pickle_bombs import Touches


def _tar(*members: tuple[tarfile.TarInfo, bytes], name: str = "model.pt") -> Maker:
    def make(folder: Path, canary: Path) -> Path:
        with tarfile.open(folder / name, "w") as archive:
            for member, data in members:
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        return folder / name

    return make


def _link(name: str, target: str, kind: bytes) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member, b""


def _absolute(folder: Path, canary: Path) -> Path:
    return _tar((tarfile.TarInfo(str(canary)), b"x"))(folder, canary)


def _torch_tar(folder: Path, canary: Path) -> Path:
    """torch's format of 2016: its files are unpacked first, then unpickled, `storages` before all."""
    members = {"storages": pickle.dumps(Touches(canary), 2), "tensors": b"", "pickle": b""}
    return _tar(*((tarfile.TarInfo(name), data) for name, data in members.items()))(folder, canary)


TARS: dict[str, Maker] = {
    "path that climbs": _tar((tarfile.TarInfo("../canary"), b"x")),
    "absolute path": _absolute,
    "symbolic link": _tar(_link("out", "..", tarfile.SYMTYPE), (tarfile.TarInfo("out/canary"), b"x")),
    "hard link": _tar(_link("out", "../../canary", tarfile.LNKTYPE)),
    "device": _tar(_link("out", "", tarfile.CHRTYPE)),
    "named as safetensors": _tar((tarfile.TarInfo("../canary"), b"x"), name="model.safetensors"),
}

ENTRIES = (
    *(Entry(f"tar: {name}", make, r"\btar\b", "legacy torch file") for name, make in TARS.items()),
    Entry("tar: torch's old format", _torch_tar, r"\btar\b", "legacy torch file", "torch"),
)
