"""Reading from the Hugging Face hub: a repository name becomes files on disk and a commit.

The hub's own settings hold: HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE, HF_HOME and HF_HUB_CACHE.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from clipsan.errors import CheckpointError

PREFIX = "hf-hub:"
CONFIG_NAME = "open_clip_config.json"
WEIGHT_NAMES = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
)
SECONDS = 15.0  # to wait for an answer of the hub, not for a download
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_FILE_ENDINGS = (".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".pkl", ".json", ".zip")


@dataclass(frozen=True)
class Repository:
    """A model repository as the user named it."""

    name: str
    revision: str | None

    def __str__(self) -> str:
        return self.name if self.revision is None else f"{self.name}@{self.revision}"


@dataclass(frozen=True)
class Snapshot:
    """Files of one commit in the hub's cache."""

    folder: Path
    revision: str


def parse_source(source: str) -> Repository | None:
    """`hf-hub:org/name`, or `org/name` where no such path exists, each with `@revision`; None for a path.

    Raises:
        CheckpointError: the prefix is there but no repository name follows.
    """
    named = source.removeprefix(PREFIX)
    if named == source and (Path(source).exists() or source.endswith(_FILE_ENDINGS)):
        return None
    name, at, revision = named.partition("@")
    if not _NAME.fullmatch(name) or (at and not revision):
        if named != source:
            raise CheckpointError(
                f"{source!r:.200} names no repository; write hf-hub:org/name or hf-hub:org/name@revision."
            )
        return None
    return Repository(name, revision or None)


def is_offline() -> bool:
    """True where HF_HUB_OFFLINE asks for cached files only."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def fetch_open_clip(repository: Repository) -> Snapshot:
    """Bring an open_clip repository's configuration and weights into the hub's cache.

    The revision is resolved to a commit first and every file is taken from that commit. safetensors are
    taken before pickles.

    Raises:
        CheckpointError: the repository or revision is not found, is gated, holds no open_clip model, or the
            hub cannot be reached; each in its own sentence.
    """
    if is_offline():
        return _from_cache(repository)
    from huggingface_hub import HfApi

    with _plain_errors(repository):
        info = HfApi(endpoint=_endpoint()).model_info(
            repository.name, revision=repository.revision, timeout=SECONDS
        )
        names = {sibling.rfilename for sibling in info.siblings or ()}
        weights = next((name for name in WEIGHT_NAMES if name in names), None)
        if CONFIG_NAME not in names or weights is None:
            kind = "a transformers model" if "config.json" in names else "no open_clip model"
            raise CheckpointError(
                f"The repository {repository} holds {kind}: {CONFIG_NAME} and {WEIGHT_NAMES[0]} are needed."
            )
        # Asked for by its name, so that the cache learns the name and offline use finds it; the folder of the
        # snapshot is the commit, and the weights are taken from that one.
        folder = _download(repository.name, CONFIG_NAME, repository.revision).parent
        _download(repository.name, weights, folder.name)
    return Snapshot(folder, folder.name)


def _from_cache(repository: Repository) -> Snapshot:
    from huggingface_hub import try_to_load_from_cache

    revision = repository.revision or "main"
    for weights in WEIGHT_NAMES:
        found = try_to_load_from_cache(repository.name, weights, revision=revision)
        config = try_to_load_from_cache(repository.name, CONFIG_NAME, revision=revision)
        if isinstance(found, str) and isinstance(config, str):
            folder = Path(config).parent  # <cache>/models--org--name/snapshots/<commit>
            return Snapshot(folder, folder.name)
    raise CheckpointError(
        f"HF_HUB_OFFLINE is set and {repository} is not in the hub's cache; unset it, or give a path."
    )


def _download(name: str, file: str, revision: str | None) -> Path:
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(name, file, revision=revision, endpoint=_endpoint(), etag_timeout=SECONDS))


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT") or None


@contextmanager
def _plain_errors(repository: Repository) -> Iterator[None]:
    """Turn what huggingface_hub raises into one sentence each."""
    from huggingface_hub import errors as hub_errors

    try:
        yield
    except hub_errors.GatedRepoError:
        raise CheckpointError(
            f"The repository {repository.name} is gated: accept its terms on its page and set HF_TOKEN."
        ) from None
    except hub_errors.RevisionNotFoundError:
        raise CheckpointError(
            f"The repository {repository.name} has no revision {repository.revision!r}; check its name."
        ) from None
    except hub_errors.RepositoryNotFoundError:
        raise CheckpointError(
            f"{repository.name!r} is neither a path here nor a repository on the hub; check the spelling, and"
            " set HF_TOKEN if it is private."
        ) from None
    except hub_errors.EntryNotFoundError as error:
        raise CheckpointError(
            f"A file of {repository} could not be fetched ({_first_line(error)})."
        ) from None
    except hub_errors.HFValidationError as error:
        raise CheckpointError(f"{repository.name!r} is no repository name ({_first_line(error)}).") from None
    except hub_errors.HfHubHTTPError as error:
        raise CheckpointError(
            f"The hub answered with an error for {repository}: {_first_line(error)}."
        ) from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (
            errno.ENOSPC,
            errno.EDQUOT,
            errno.EACCES,
            errno.EROFS,
        ):
            raise CheckpointError(
                f"{repository} could not be stored in the hub's cache ({error.strerror}); set HF_HOME."
            ) from None
        if isinstance(error, CheckpointError) or not _is_connection(error):
            raise
        raise CheckpointError(
            f"The hub could not be reached for {repository} ({type(error).__name__}); check the network, or"
            " set HF_HUB_OFFLINE=1 to use a cached copy."
        ) from None


def _is_connection(error: Exception) -> bool:
    """huggingface_hub speaks through requests (before 1.0) or httpx; both derive from a named base."""
    bases = {base.__name__ for base in type(error).__mro__}
    return isinstance(error, OSError) or bool(bases & {"TransportError", "RequestException", "HTTPError"})


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")[:200]
