"""A model that makes pairs, on disk: its folder, its commit, and the licence that its card states."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from clipsan import hub
from clipsan.errors import CheckpointError
from clipsan.synthesis.inert import disk_files, inside

UNKNOWN = "unknown"
CARD = "README.md"
_LICENCE = re.compile(r"[A-Za-z0-9][\w.+-]{0,63}", re.ASCII)


@dataclass(frozen=True)
class Located:
    """Where a model came from.

    Attributes:
        name: what records say of it: the repository, or the name of the folder.
        source: what the user typed.
        revision: the commit of a repository.
        folder: of its files.
        licence: as its card states it, with its name and link where the card has them; "unknown" without.
    """

    name: str
    source: str
    revision: str | None
    folder: Path
    licence: str

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should read before using what it makes."""
        if self.licence != UNKNOWN:
            return ()
        return (
            f"The licence of {self.name} is unknown (no model card states one); every record says so. Find"
            " out what it allows before you share what it makes.",
        )

    def record(self) -> dict[str, str]:
        """Fields for every pair that it makes."""
        revision = {} if self.revision is None else {"revision": self.revision}
        return {"model": self.name, **revision, "licence": self.licence}


def locate(source: str | Path, first: str, choose: Callable[[hub.Take, frozenset[str]], None]) -> Located:
    """Bring the files of a model here.

    Args:
        source: a folder, `hf-hub:org/name` or `org/name`, either with `@revision`.
        first: the file that every such model has.
        choose: is given a function that brings one file here, and the paths of all that there are.

    Raises:
        CheckpointError: nothing is there, or the hub refuses.
        UnsafeFileError: a file is a link out of the folder.
    """
    repository = hub.parse_source(source) if isinstance(source, str) else None
    if repository is None:
        folder = Path(source).expanduser()
        if folder.is_file():
            raise CheckpointError(
                f"{str(source)!r} is one file; give the folder or repository of the whole model."
            )
        if not folder.is_dir():
            raise CheckpointError(
                f"There is no folder {str(source)!r}, and it is no name of a repository; give the folder of a"
                " model, or org/name."
            )
        names = disk_files(folder)
        choose(partial(inside, folder), names)
        card = hub.read_card(inside(folder, CARD)) if CARD in names else {}
        return Located(folder.resolve().name, str(source), None, folder, licence_of(card))
    if repository.file is not None:
        raise CheckpointError(f"{str(source)!r} names one file; give the repository of the whole model.")
    snapshot = hub.fetch_chosen(repository, first, choose)
    card = hub.read_card(snapshot.folder)
    return Located(repository.name, str(source), snapshot.revision, snapshot.folder, licence_of(card))


def licence_of(card: dict[str, str]) -> str:
    """The licence that a card states, in one line; never guessed."""
    stated = card.get("license", "")
    if not _LICENCE.fullmatch(stated):
        return UNKNOWN
    more = [card[key] for key in ("license_name", "license_link") if card.get(key)]
    return f"{stated} ({', '.join(more)})" if more else stated
