"""Weights in several files whose index lies, or one of which is no weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hostile.bomb_files import exec_step
from hostile.entry import SECRET, Entry, Maker
from hostile.harmless import MAKERS, safetensors_of
from hostile.opcodes import program
from hostile.pickle_bombs import EXEC

KIND = "sharded folder"
INDEX = "model.safetensors.index.json"
FIRST = "model-00001-of-00002.safetensors"
KEY = "visual_projection.weight"
ESCAPES = "\x1b[2J\x07owned"


def _index(change: Callable[[dict[str, Any]], object]) -> Maker:
    """The harmless folder with its index changed in place."""

    def make(folder: Path, canary: Path) -> Path:
        path = MAKERS[KIND](folder)
        index = json.loads((path / INDEX).read_text())
        change(index)
        (path / INDEX).write_text(json.dumps(index))
        return path

    return make


def _names(name: Any) -> Maker:
    """One key is said to lie in this file."""
    return _index(lambda index: index["weight_map"].update({KEY: name}))


def _shard(content: Callable[[Path], bytes]) -> Maker:
    """The first file replaced; `content` has the canary's path."""

    def make(folder: Path, canary: Path) -> Path:
        path = MAKERS[KIND](folder)
        (path / FIRST).write_bytes(content(canary))
        return path

    return make


def _pickled(folder: Path, canary: Path) -> Path:
    """Shards that are pickles by their names, as before safetensors."""
    path = MAKERS[KIND](folder)
    index = json.loads((path / INDEX).read_text())
    places = {key: name.replace("model-", "pytorch_model-") for key, name in index["weight_map"].items()}
    places = {key: name.replace("safetensors", "bin") for key, name in places.items()}
    (path / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": places}))
    (path / INDEX).unlink()
    for name in set(places.values()):
        (path / name).write_bytes(program(exec_step(canary)))
    return path


def _outside(folder: Path, canary: Path) -> Path:
    """A name that climbs, to a file that is really there."""
    (folder / "private").write_bytes(SECRET.encode() * 100)
    return _names("../private")(folder, canary)


def _absolute(folder: Path, canary: Path) -> Path:
    (folder / "private").write_bytes(SECRET.encode() * 100)
    return _names(str(folder / "private"))(folder, canary)


def _link_out(folder: Path, canary: Path) -> Path:
    """A shard of true weights that lies elsewhere, as a link to any file of the machine would."""
    path = MAKERS[KIND](folder)
    (path / FIRST).rename(folder / "elsewhere")
    (path / FIRST).symlink_to(folder / "elsewhere")
    return path


def _million(folder: Path, canary: Path) -> Path:
    path = MAKERS[KIND](folder)
    table = ",".join(f'"k{n:07d}":"{FIRST}"' for n in range(1_000_000))
    (path / INDEX).write_text('{"weight_map":{' + table + "}}")
    return path


def _many_files(index: dict[str, Any]) -> None:
    index["weight_map"] |= {f"k{n}": f"model-{n:06d}.safetensors" for n in range(5000)}


CASES: dict[str, tuple[Maker, str]] = {
    "name that climbs": (_outside, r"\.\./private"),
    "absolute name": (_absolute, "no plain name"),
    "name with escapes": (_names(ESCAPES), "owned"),
    "name of nothing": (_names(""), "no plain name"),
    "name of two lines": (_names("a\nb"), "no plain name"),
    "name that is a number": (_names(7), "no plain name"),
    "name of its folder": (_names("."), "no plain name"),
    "name of the index itself": (_names(INDEX), r"index\.json"),
    "name of the configuration": (_names("config.json"), r"config\.json"),
    "missing shard": (_names("model-00003-of-00002.safetensors"), "model-00003-of-00002"),
    "five thousand shards": (_index(_many_files), "model-0"),
    "million keys": (_million, r"index\.json"),
    "key in another shard": (_index(lambda index: index["weight_map"].pop(KEY)), KEY),
    "key of no shard": (_index(lambda index: index["weight_map"].update(evil=FIRST)), "evil"),
    "key with escapes": (_index(lambda index: index["weight_map"].update({ESCAPES: FIRST})), "owned"),
    "map that is a list": (_index(lambda index: index.update(weight_map=[FIRST])), "weight_map"),
    "map of nothing": (_index(lambda index: index.update(weight_map={})), "weight_map"),
    "link out of the folder": (_link_out, "link out of its folder"),
    "shard cut in half": (_shard(lambda canary: safetensors_of()[:2000]), "truncated"),
    "shard of another model": (_shard(lambda canary: safetensors_of()), FIRST),
    "shard that is a zip": (_shard(lambda canary: b"PK\3\4" + bytes(60)), "truncated|damaged"),
}  # fmt: skip

ENTRIES = (
    *(Entry(f"{KIND}: {name}", make, finds, KIND) for name, (make, finds) in CASES.items()),
    Entry(f"{KIND}: shard that is a bomb", _shard(lambda c: program(exec_step(c))), EXEC, KIND, "folder"),
    Entry(f"{KIND}: shards of pickles that are bombs", _pickled, EXEC, KIND, "folder"),
)
