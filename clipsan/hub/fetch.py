"""Reading: a repository name becomes files of one commit on disk."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from clipsan.errors import CheckpointError
from clipsan.hub.errors import plain_errors
from clipsan.hub.names import PREFIX, Repository
from clipsan.hub.session import SECONDS, endpoint, is_offline
from clipsan.hub.wanted import (
    CARD,
    CONFIGS,
    INDEX_ENDING,
    TOKENIZER,
    beside,
    choose,
    names_a_tokenizer,
    shard_names,
    some_of,
)

Take = Callable[[str], Path]  # brings one file of a repository here, by its path there

# "roberta-base" and the like are repositories without an organisation, older than organisations
_TOKENIZER_SOURCE = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


@dataclass(frozen=True)
class Snapshot:
    """Files of one commit in the hub's cache.

    Attributes:
        folder: of the whole commit.
        revision: the commit.
        path: what to open: the folder, or the one file that was named.
    """

    folder: Path
    revision: str
    path: Path


def fetch(repository: Repository) -> Snapshot:
    """Bring a repository's model into the hub's cache: open_clip's form, else transformers', else one file.

    The revision is resolved to a commit first and every file is taken from that commit. safetensors are
    taken before pickles, and nothing is taken that does not belong to the model.

    Raises:
        CheckpointError: the repository, revision or file is not found, is gated, holds no model by the names
            that the two libraries use, or the hub cannot be reached; each in its own sentence.
    """
    shelf = _open(repository, CONFIGS if repository.file is None else (repository.file,))
    with plain_errors(repository):
        return _take_model(shelf) if repository.file is None else _take_file(shelf, repository.file)


def tokenizer_files(name: str, revision: str | None = None) -> Path:
    """Fetch the tokenizer that a model's configuration names; it lies in another repository.

    Returns:
        A folder with `tokenizer.json` and, where there are any, the settings beside it. Its name is the
        commit.

    Raises:
        CheckpointError: no such repository, no `tokenizer.json` in it, or the hub cannot be reached.
    """
    if not _TOKENIZER_SOURCE.fullmatch(name):
        raise CheckpointError(f"{name!r:.80} names no repository with a tokenizer.")
    repository = Repository(name, revision)
    shelf = _open(repository, TOKENIZER[:1])
    if TOKENIZER[0] not in shelf.names:
        raise CheckpointError(f"The repository {repository} holds no {TOKENIZER[0]}.")
    with plain_errors(repository):
        folder = shelf.take(TOKENIZER[0]).parent
        for file in TOKENIZER[1:]:
            shelf.take_if_there(file)
    return folder


def fetch_chosen(
    repository: Repository, first: str, choose: Callable[[Take, frozenset[str]], None]
) -> Snapshot:
    """Bring those files of a repository here that `choose` takes, all of one commit, and the model card.

    Args:
        repository: the model.
        first: a file that it must have; taken first, so that the revision is resolved with it.
        choose: is given a function that brings one file here, and the paths of all files of the repository.

    Raises:
        CheckpointError: as `fetch`, or `choose` refuses.
    """
    shelf = _open(repository, (first,))
    if first not in shelf.names:
        raise CheckpointError(f"The repository {repository} holds no {first}, but {some_of(shelf.names)}.")
    with plain_errors(repository):
        folder = shelf.take(first).parent
        choose(shelf.take, shelf.names)
        shelf.take_if_there(CARD)
    return Snapshot(folder, folder.name, folder)


@dataclass
class _Shelf:
    """The files of one repository.

    Attributes:
        names: what the repository has; offline, what the cache has of it.
        here: the commit's folder in the cache, once a file has been taken.
        offline: the cache alone is asked.
    """

    repository: Repository
    names: frozenset[str]
    here: Path | None = None
    offline: bool = False

    def take(self, file: str) -> Path:
        """Bring one file here."""
        if self.here is None:
            # Asked for by the revision's name, so that the cache learns the name and offline use finds it;
            # the folder of the snapshot is the commit, and all other files are taken from that one.
            found = _download(self.repository.name, file, self.repository.revision)
            self.here = _folder_of(found, file)
            return found
        if not self.offline:
            return _download(self.repository.name, file, self.here.name)
        if file not in self.names:
            raise _not_cached(self.repository)
        return self.here / file

    def take_if_there(self, file: str) -> None:
        if file in self.names:
            self.take(file)


def _open(repository: Repository, first: tuple[str, ...]) -> _Shelf:
    """List a repository; offline, what the cache has of the commit in which one of `first` was fetched."""
    if is_offline():
        return _open_cached(repository, first)
    from huggingface_hub import HfApi

    with plain_errors(repository):
        info = HfApi(endpoint=endpoint()).model_info(
            repository.name, revision=repository.revision, timeout=SECONDS
        )
        return _Shelf(repository, frozenset(sibling.rfilename for sibling in info.siblings or ()))


def _open_cached(repository: Repository, first: tuple[str, ...]) -> _Shelf:
    from huggingface_hub import try_to_load_from_cache

    for file in first:
        found = try_to_load_from_cache(repository.name, file, revision=repository.revision or "main")
        if isinstance(found, str):  # <cache>/models--org--name/snapshots/<commit>/<file>
            folder = _folder_of(Path(found), file)
            names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
            return _Shelf(repository, frozenset(names), folder, offline=True)
    raise _not_cached(repository)


def _take_model(shelf: _Shelf) -> Snapshot:
    """The whole model; what to open is the folder."""
    chosen = choose(shelf.names)
    if chosen is None:
        if shelf.offline:
            raise _not_cached(shelf.repository)
        raise CheckpointError(
            f"The repository {shelf.repository} holds no CLIP by the file names of open_clip or transformers,"
            f" but {some_of(shelf.names)}; name one file as {PREFIX}{shelf.repository.name}/FILE."
        )
    layout, weights = chosen
    config = shelf.take(layout.config)
    for file in (CARD, *layout.beside, *(TOKENIZER if names_a_tokenizer(config) else ())):
        shelf.take_if_there(file)
    _take_weights(shelf, weights)
    return Snapshot(config.parent, config.parent.name, config.parent)


def _take_file(shelf: _Shelf, file: str) -> Snapshot:
    """One file by its name, with the configuration beside it."""
    if file not in shelf.names:
        raise CheckpointError(
            f"The repository {shelf.repository.name} has no file {file!r:.120}; it has"
            f" {some_of(shelf.names)}."
        )
    weights = _take_weights(shelf, file)
    folder = _folder_of(weights, file)
    for name in CONFIGS:
        shelf.take_if_there(beside(file, name))
    config = folder / beside(file, CONFIGS[0])
    if config.is_file() and names_a_tokenizer(config):
        for name in TOKENIZER:
            shelf.take_if_there(beside(file, name))
    shelf.take_if_there(CARD)
    return Snapshot(folder, folder.name, weights)


def _take_weights(shelf: _Shelf, file: str) -> Path:
    """A weights file, or an index with every shard that it names."""
    found = shelf.take(file)
    for name in shard_names(found) if file.endswith(INDEX_ENDING) else ():
        shard = beside(file, name)
        if shard not in shelf.names:
            raise CheckpointError(f"The repository {shelf.repository} lacks {shard}, which {file} names.")
        shelf.take(shard)
    return found


def _download(name: str, file: str, revision: str | None) -> Path:
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(name, file, revision=revision, endpoint=endpoint(), etag_timeout=SECONDS))


def _not_cached(repository: Repository) -> CheckpointError:
    return CheckpointError(
        f"HF_HUB_OFFLINE is set and {repository} is not in the hub's cache; unset it, or give a path."
    )


def _folder_of(found: Path, file: str) -> Path:
    """The folder of the commit in which `file` was found."""
    return found.parents[len(PurePosixPath(file).parts) - 1]
