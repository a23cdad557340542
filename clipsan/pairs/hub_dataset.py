"""Data sets of the Hugging Face Hub: `hf-dataset:ORG/NAME[@REVISION][:[CONFIG/]SPLIT]`, through `datasets`.

The revision is resolved to a commit first. Rows are streamed once, never more of them than are taken, and
their encoded images go to a temporary file; so every epoch after that is read from disk, in any order. Sets
that are a program are refused: nothing of a repository is run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from clipsan.errors import ClipsanError, DataError
from clipsan.hub.session import SECONDS, endpoint, silence
from clipsan.pairs.captions import printable
from clipsan.pairs.columns import fitting, none_fits
from clipsan.pairs.pairset import UNCAPTIONED, ImageStore, Index
from clipsan.pairs.parquet import caption_or_fault
from clipsan.pairs.reading import Reading
from clipsan.pairs.spool import Spool
from clipsan.pairs.stores import MAX_IMAGE_BYTES

PREFIX = "hf-dataset:"
LABEL = "hf-dataset:ORG/NAME, a data set of the Hugging Face Hub"
WINDOW = 1000
"""Rows among which a stream is shuffled (after its shards are) where only some of them are taken."""

_CONNECTION = {"ConnectionError", "TimeoutError", "Timeout", "TransportError", "ClientConnectionError"}
"""Of Python, httpx, requests and aiohttp, whichever carries the bytes."""

_NAME = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(@(?P<revision>[\w./-]+))?"
    r"(:((?P<config>[\w.-]+)/)?(?P<split>\w[\w.-]*))?"
)


@dataclass(frozen=True)
class HubSet:
    """A data set as the user named it; revision None: the newest, config None: the only one."""

    name: str
    revision: str | None
    config: str | None
    split: str


def recognise(path: Path) -> bool:
    """Text with the prefix, which is no path."""
    return str(path).startswith(PREFIX)


def parse(source: str) -> HubSet:
    """DataError where no data set's name follows the prefix."""
    match = _NAME.fullmatch(source.removeprefix(PREFIX))
    if match is None:
        raise DataError(
            f"{printable(source)} names no data set of the Hub; write hf-dataset:ORG/NAME, "
            "hf-dataset:ORG/NAME@REVISION or hf-dataset:ORG/NAME@REVISION:SPLIT (CONFIG/SPLIT where it has "
            "several configurations)."
        )
    return HubSet(match["name"], match["revision"], match["config"], match["split"] or "train")


def pinned(source: str, revision: str | None) -> str:
    """A source at the commit it was read at; any other source as it is."""
    if revision is None or not source.startswith(PREFIX):
        return source
    wanted = parse(source)
    config = "" if wanted.config is None else f"{wanted.config}/"
    return f"{PREFIX}{wanted.name}@{revision}:{config}{wanted.split}"


def read(paths: Sequence[Path], reading: Reading) -> tuple[Index, ImageStore]:
    """Streams the rows of the set and keeps their images on disk.

    Raises:
        DataError: `datasets` is missing, no such set or revision, it is a program or gated, no columns
            fit, the connection breaks, or the disk is full.
    """
    wanted = parse(str(paths[0]))
    if find_spec("datasets") is None:
        raise DataError(f"Reading {paths[0]} takes the package datasets: pip install 'clipsan[data]'.")
    with _plain_errors(wanted):
        revision = _commit(wanted)
        rows, image, caption = _open(wanted, revision, reading)
        index, images = Index(revision=revision), Spool()
        for number, row in enumerate(rows):
            if reading.max_pairs is not None and len(index.names) >= reading.max_pairs:
                break
            _take(row[image], row[caption] if caption else None, f"{wanted.split}/{number}", index, images,
                  captioned=bool(caption), inside=f"hf://datasets/{wanted.name}@{revision}/")  # fmt: skip
    images.done()
    return index, images


def _commit(wanted: HubSet) -> str:
    """The commit that the revision names; DataError for a repository that is a program."""
    from huggingface_hub import HfApi

    found = HfApi(endpoint()).dataset_info(wanted.name, revision=wanted.revision, timeout=SECONDS)
    script = f"{wanted.name.partition('/')[2]}.py"
    if any(file.rfilename == script for file in found.siblings or ()):
        raise DataError(
            f"The data set {wanted.name} is a program ({script}), which is never run: use a copy in parquet, "
            f"such as hf-dataset:{wanted.name}@refs/convert/parquet."
        )
    if not found.sha:
        raise DataError(f"The Hub names no commit for {wanted.name}.")
    return str(found.sha)


def _open(wanted: HubSet, revision: str, reading: Reading) -> tuple[Iterator[Mapping[str, Any]], str, str]:
    """(rows with undecoded images, image column, caption column)."""
    from datasets import load_dataset

    rows: Any = load_dataset(
        wanted.name, wanted.config, split=wanted.split, revision=revision, streaming=True
    ).decode(False)
    features = rows.features
    if features is None:
        features = {name: type(value) for name, value in next(iter(rows), {}).items()}
    kinds = {name: kind for name, feature in features.items() if (kind := _kind(feature))}
    names = fitting(kinds, reading)
    if names is None:
        raise none_fits(f"The data set {wanted.name}", list(features), reading)
    image, caption = names
    if kinds[image] == "text":
        raise DataError(
            f"The column {image} of {wanted.name} holds text, not images: where it is a list of addresses, "
            "download them with img2dataset and give the folder."
        )
    rows = rows.select_columns([name for name in names if name])
    if reading.max_pairs is not None:
        rows = rows.shuffle(seed=reading.seed, buffer_size=WINDOW)
    return iter(rows), image, caption


def _kind(feature: Any) -> str | None:
    """Of a column, by the words of `columns.fitting`."""
    from datasets import Image, Value

    if feature is str:
        return "text"
    if feature is bytes:
        return "bytes"
    if isinstance(feature, Image):
        return "struct"
    if isinstance(feature, dict) and "bytes" in feature:
        return "struct"
    if isinstance(feature, Value):
        return {"string": "text", "large_string": "text", "binary": "bytes", "large_binary": "bytes"}.get(
            feature.dtype
        )
    inner = getattr(feature, "feature", None)  # of a list
    if isinstance(feature, list) and len(feature) == 1:
        inner = feature[0]
    return "texts" if isinstance(inner, Value) and _kind(inner) == "text" else None


def _take(
    image: Any, caption: Any, name: str, index: Index, images: Spool, *, captioned: bool, inside: str
) -> None:
    """Adds the pairs of one row; what is wrong with it costs only itself."""
    try:
        data = _bytes_of(image, inside)
    except DataError as error:
        index.skip(name, str(error))
        return
    for one in (caption or [None]) if isinstance(caption, list) else [caption]:
        try:
            text = caption_or_fault(one) if captioned else UNCAPTIONED
        except DataError as error:
            index.skip(name, str(error))
            continue
        images.add(data)
        index.add(name, text)


def _bytes_of(image: Any, inside: str) -> bytes:
    """The encoded image: bytes, `{bytes}`, or the path of a file in the same commit of the repository."""
    path = None
    if isinstance(image, Mapping):
        image, path = image.get("bytes"), image.get("path")
    elif isinstance(image, str):
        image, path = None, image
    if image is None and isinstance(path, str) and path.startswith(inside) and ".." not in path.split("/"):
        from huggingface_hub import HfFileSystem

        with HfFileSystem(endpoint=endpoint()).open(path, "rb") as file:
            image = file.read(MAX_IMAGE_BYTES + 1)
    if image is None and path is not None:
        raise DataError("the image is a path outside of the data set's files")
    if not isinstance(image, bytes):
        raise DataError("it has no image" if image is None else "its image is not bytes")
    if len(image) > MAX_IMAGE_BYTES:
        raise DataError(f"the image is larger than {MAX_IMAGE_BYTES >> 20} MiB")
    return image


@contextmanager
def _plain_errors(wanted: HubSet) -> Iterator[None]:
    """Turns what the Hub's client and `datasets` raise into one sentence, and lets them write nothing."""
    from huggingface_hub import errors as hub

    called = wanted.name if wanted.revision is None else f"{wanted.name}@{wanted.revision}"
    try:
        with _quiet():
            yield
    except ClipsanError:
        raise
    except hub.OfflineModeIsEnabled as error:
        raise DataError(
            f"The data set {called} is on the Hub, and HF_HUB_OFFLINE keeps it from being read; download it "
            "and give the folder."
        ) from error
    except hub.GatedRepoError as error:
        raise DataError(
            f"The data set {called} is gated: ask for access on its page, and log in with `hf auth login`."
        ) from error
    except hub.RevisionNotFoundError as error:
        raise DataError(f"The data set {wanted.name} has no revision {wanted.revision}.") from error
    except hub.RepositoryNotFoundError as error:
        raise DataError(
            f"There is no data set {called} on the Hub, or it is private and you are not logged in."
        ) from error
    except Exception as error:  # datasets raises whatever the file's reader raises
        reason = printable((str(error) or type(error).__name__).splitlines()[0], limit=200)
        if {base.__name__ for base in type(error).__mro__} & _CONNECTION:
            raise DataError(
                f"The connection to the Hub broke while {called}, split {wanted.split}, was read ({reason}): "
                "check the network, and run the same command again."
            ) from error
        raise DataError(f"The data set {called}, split {wanted.split}, cannot be read: {reason}.") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the Hub's client and `datasets` from drawing bars and writing their logs to stderr."""
    import datasets

    had_bars, level = datasets.is_progress_bar_enabled(), datasets.logging.get_verbosity()
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    try:
        with silence(True):
            yield
    finally:
        datasets.logging.set_verbosity(level)
        if had_bars:
            datasets.enable_progress_bars()
