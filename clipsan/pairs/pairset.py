"""What every source of pairs becomes: an indexed set of (image bytes, caption), nothing decoded yet.

A form (`metadata_folder.py`, `webdataset.py`, ...) fills an `Index`; `sources.open_pairs` makes the
`PairSet` from it. Where the bytes lie is known only to an `ImageStore`.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from clipsan.errors import DataError, UsageError
from clipsan.pairs.captions import printable, storable

MAX_IMAGE_BYTES = 128 << 20
"""A larger file is no picture one trains on, and reading it would only use up memory."""


@dataclass(frozen=True)
class Skipped:
    """Something left out, and why. Both texts are safe to print: they may quote an untrusted file."""

    name: str
    reason: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", printable(self.name))
        object.__setattr__(self, "reason", printable(self.reason, limit=300))


class ImageSource(Protocol):
    """What `ImageReader` reads: n named, encoded images. A `PairSet` and an `ImageList` are some."""

    @property
    def names(self) -> list[str]: ...

    def __len__(self) -> int: ...

    def read(self, index: int) -> bytes: ...


class ImageStore(Protocol):
    """Where encoded images lie, by place (0, 1, 2, ... in the order they were added)."""

    def size(self, place: int) -> int: ...

    def read(self, place: int) -> bytes: ...


class FileImages:
    """Images that are files of their own."""

    def __init__(self) -> None:
        self._paths: list[str] = []
        self._sizes = array("q")

    def add(self, path: Path, size: int) -> None:
        self._paths.append(str(path))
        self._sizes.append(size)

    def size(self, place: int) -> int:
        return self._sizes[place]

    def read(self, place: int) -> bytes:
        with Path(self._paths[place]).open("rb") as file:
            return file.read(MAX_IMAGE_BYTES)


@dataclass
class ImageList:
    """Named images of a store; `read(i)` gives the encoded bytes of image i."""

    names: list[str]
    store: ImageStore

    def __len__(self) -> int:
        return len(self.names)

    def size(self, index: int) -> int:
        return self.store.size(index)

    def read(self, index: int) -> bytes:
        return _read(self.store, index)


@dataclass
class Index:
    """What a form found in its source, while it is being read."""

    names: list[str] = field(default_factory=list)
    captions: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def add(self, name: str, caption: str) -> None:
        self.names.append(storable(name))
        self.captions.append(caption)

    def skip(self, name: str, reason: str) -> None:
        self.skipped.append(Skipped(name, reason))


class PairSet:
    """Image-caption pairs, read by index; pairs of one image share a name.

    Attributes:
        source: what the user typed.
        captions: n captions, whitespace normalised, at most 4096 characters each.
        names: n stable keys: the image's path as its source writes it, or `shard.tar/key`.
        skipped: what was left out while indexing. A subset has none: they belong to the whole.
    """

    def __init__(
        self,
        *,
        source: str,
        images: ImageStore,
        names: list[str],
        captions: list[str],
        skipped: list[Skipped],
        places: Sequence[int] | None = None,
    ) -> None:
        self.source = source
        self.names = names
        self.captions = captions
        self.skipped = skipped
        self._images = images
        self._places = array("q", range(len(names)) if places is None else places)

    def __len__(self) -> int:
        return len(self.captions)

    def read(self, index: int) -> bytes:
        """The encoded image of pair `index`; DataError where it can no longer be read."""
        return _read(self._images, self._places[index])

    def digest(self) -> str:
        """SHA-256 over names, captions and encoded sizes in order: equal data, equal digest, anywhere."""
        sizes = (str(self._images.size(place)) for place in self._places)
        return text_digest(
            part for pair in zip(self.names, self.captions, sizes, strict=True) for part in pair
        )

    def subset(self, indices: Sequence[int]) -> PairSet:
        """The pairs at `indices`, in that order."""
        return PairSet(
            source=self.source,
            images=self._images,
            names=[self.names[i] for i in indices],
            captions=[self.captions[i] for i in indices],
            skipped=[],
            places=[self._places[i] for i in indices],
        )


def _read(store: ImageStore, place: int) -> bytes:
    try:
        return store.read(place)
    except OSError as error:  # a file that went away after it was indexed
        raise DataError(f"cannot be read ({error.strerror or error})") from error


def text_digest(parts: Iterable[str]) -> str:
    """SHA-256 (hex) of texts, each led by its length so that no two lists of texts look the same."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8")
        digest.update(b"%d:" % len(data))
        digest.update(data)
    return digest.hexdigest()


def split(pairs: PairSet, held_out: float, seed: int) -> tuple[PairSet, PairSet]:
    """Parts `pairs` into (train, held-out).

    A pair's side follows from (seed, name) alone, so it stays the same when the source is read again,
    reordered or extended, and captions of one image stay together. Each side gets at least one pair
    when 0 < held_out and there are two pairs or more.

    Args:
        held_out: share of the names to hold out, 0 <= held_out < 1.
    """
    if not 0 <= held_out < 1:
        raise UsageError(f"The held-out share must be at least 0 and below 1, and it is {held_out}.")
    shares = [_share(seed, name) for name in pairs.names]
    apart = {i for i, share in enumerate(shares) if share < held_out}
    if held_out > 0 and len(pairs) >= 2:
        by_share = sorted(range(len(pairs)), key=lambda i: (shares[i], pairs.names[i], i))
        apart.add(by_share[0])
        apart.discard(by_share[-1])
    train = [i for i in range(len(pairs)) if i not in apart]
    return pairs.subset(train), pairs.subset(sorted(apart))


def _share(seed: int, name: str) -> float:
    """A number in [0, 1) that looks uniform over names and is fixed by (seed, name)."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48
