"""Folders with something else where a file should be: pipes, devices, links, files without end."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

from hostile.entry import SECRET, Entry, Maker
from hostile.harmless import MAKERS

OPEN_CLIP, TRANSFORMERS, SHARDED = "open_clip folder", "transformers folder", "sharded folder"
Put = Callable[[Path], None]  # makes something at a path where nothing is


def _pipe(path: Path) -> None:
    os.mkfifo(path)  # opening it waits for a writer that never comes


def _socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the path of a socket may have only some hundred characters
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path.name)
    finally:
        os.chdir(here)


def _link_to(target: str) -> Put:
    return lambda path: path.symlink_to(target)


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _private(path: Path) -> None:
    """A link to a file that is none of a checkpoint's business."""
    outside = path.parent.parent / "private"
    outside.write_text(f"root:{SECRET}:0:0\n" * 10)
    path.symlink_to(outside)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"{")
        file.truncate(2 << 30)


def with_put(kind: str, name: str, put: Put) -> Maker:
    """The harmless folder of a kind, with something else for one of its files."""

    def make(folder: Path, canary: Path) -> Path:
        path = MAKERS[kind](folder)
        (path / name).unlink(missing_ok=True)
        put(path / name)
        return path

    return make


def _alone(put: Put) -> Maker:
    """Something that is no file, given as the checkpoint itself."""

    def make(folder: Path, canary: Path) -> Path:
        put(folder / "model.safetensors")
        return folder / "model.safetensors"

    return make


def _folder_in_itself(folder: Path, canary: Path) -> Path:
    (folder / "model").symlink_to(folder / "model" / "model")
    return folder / "model"


def _bare(folder: Path, canary: Path) -> Path:
    path = MAKERS[OPEN_CLIP](folder)
    (path / "open_clip_model.safetensors").unlink()
    return path


def _empty(folder: Path, canary: Path) -> Path:
    (folder / "model").mkdir()
    return folder / "model"


def _remote_code(folder: Path, canary: Path) -> Path:
    """A true CLIP whose configuration names Python files beside it, which do as the canary says."""
    path = MAKERS[TRANSFORMERS](folder)
    (path / "modeling.py").write_text(f"open({str(canary)!r}, 'w').close()\n")
    config = json.loads((path / "config.json").read_text())
    config |= {"auto_map": {"AutoModel": "modeling.CLIPModel"}, "trust_remote_code": True}
    (path / "config.json").write_text(json.dumps(config))
    return path


PUTS: dict[str, Put] = {
    "a pipe": _pipe,
    "/dev/zero": _link_to("/dev/zero"),
    "a link to itself": _loop,
    "a link to a private file": _private,
    "stdin": _link_to("/dev/stdin"),
    "a socket": _socket,
    "a folder": Path.mkdir,
    "a link to nothing": _link_to("nothing"),
}
FILES = (
    (OPEN_CLIP, "open_clip_model.safetensors", "open_clip_model", 8),
    (OPEN_CLIP, "open_clip_config.json", "open_clip_config", 8),
    (TRANSFORMERS, "config.json", r"config\.json", 8),
    (SHARDED, "model.safetensors.index.json", r"index\.json", 8),
    (SHARDED, "model-00001-of-00002.safetensors", "model-00001-of-00002", 4),
    (TRANSFORMERS, "model.safetensors", r"model\.safetensors", 1),
)  # kind, file, what is found, how many of PUTS are tried
OPTIONAL = ("preprocessor_config.json", "vocab.json", "tokenizer.json")  # read where they are files

ENTRIES = (
    *(Entry(f"{kind}: {name} is {what}", with_put(kind, name, put), finds, kind)
      for kind, name, finds, tried in FILES for what, put in list(PUTS.items())[:tried]),
    *(Entry(f"{TRANSFORMERS}: {name} of 2 GB", with_put(TRANSFORMERS, name, _sparse), name, TRANSFORMERS)
      for name in ("config.json", *OPTIONAL)),
    *(Entry(f"{TRANSFORMERS}: {name} is a link to a private file",
            with_put(TRANSFORMERS, name, _private), name, TRANSFORMERS) for name in OPTIONAL),
    Entry(f"{OPEN_CLIP}: open_clip_config.json of 2 GB",
          with_put(OPEN_CLIP, "open_clip_config.json", _sparse), "open_clip_config", OPEN_CLIP),
    Entry(f"{SHARDED}: index of 2 GB", with_put(SHARDED, "model.safetensors.index.json", _sparse),
          r"index\.json", SHARDED),
    *(Entry(f"file: {what}", _alone(put), r"model\.safetensors", "safetensors")
      for what, put in PUTS.items()),
    Entry("folder in itself", _folder_in_itself, "link|cannot be read|no file", OPEN_CLIP),
    Entry("folder without weights", _bare, "no weights", OPEN_CLIP),
    Entry("folder without anything", _empty, "folder without", OPEN_CLIP),
    Entry("folder that asks for code", _remote_code, "", TRANSFORMERS, loads=True),
)  # fmt: skip
