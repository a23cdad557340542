"""What a hostile file is to the tests: how it is made and what must be said of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# (folder, canary) -> the path that is handed to clipsan. The folder is empty and its own; code in the file
# creates the canary when it runs.
Maker = Callable[[Path, Path], Path]

SECRET = "the-content-of-a-private-file"
EXTENSION = 113  # copyreg's number for os.system in every child, which is what EXT opcodes look up
PLANTED = "planted"  # a module beside a hostile file, which creates the canary when it is imported


@dataclass(frozen=True)
class Entry:
    """One hostile or broken file.

    Attributes:
        name: unique, as the test shows it.
        make: writes it.
        finds: regular expression, found in the sentence of `clean` and in what `inspect` says.
        like: the kind of harmless file (a name in `harmless.MAKERS`) that its memory is compared with.
        live: how a careless program reads it so that its code runs (a name in `fork_server.READERS`); None:
            no code is inside, or none that runs on its own.
        unseen: the fault lies where `inspect` does not look: in the numbers of tensors, or on the hub.
        loads: what is odd in it reaches nobody: the weights are true, and it is read as if it were not there.
    """

    name: str
    make: Maker
    finds: str
    like: str
    live: Literal["pickle", "member", "torch", "module", "folder"] | None = None
    unseen: bool = False
    loads: bool = False


def written(name: str, content: Callable[[], bytes]) -> Maker:
    """A maker of one file whose bytes do not depend on the canary."""

    def make(folder: Path, canary: Path) -> Path:
        path = folder / name
        path.write_bytes(content())
        return path

    return make


def plant_module(folder: Path, canary: Path) -> Path:
    """Python text that creates the canary when it is run or imported."""
    path = folder / f"{PLANTED}.py"
    path.write_text(f"open({str(canary)!r}, 'w').close()\n")
    return path
