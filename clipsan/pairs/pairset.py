"""What every source of pairs becomes: an indexed set of (image bytes, caption), nothing decoded yet.

A form (`metadata_folder.py`, `webdataset.py`, ...) fills an `Index`; `sources.open_pairs` makes the
`PairSet` from it. Where the bytes lie is known only to an `ImageStore`.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from clipsan.errors import DataError
from clipsan.pairs.captions import printable, storable
from clipsan.pairs.stores import MAX_IMAGE_BYTES, FileImages, ImageStore, JoinedImages

__all__ = ["MAX_IMAGE_BYTES", "FileImages", "ImageList", "ImageSource", "ImageStore", "Index", "PairSet"]

UNCAPTIONED = ""
"""Stands in `PairSet.captions` for an image whose caption is still to be proposed."""

TAIL = 4096


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
    """What a form found in its source, while it is being read.

    Attributes:
        names: n names.
        captions: n captions.
        skipped: what was left out.
        revision: the commit that a set of the Hub was read at.
        window: images can only be read fast near each other: this many at once. None: in any order.
    """

    names: list[str] = field(default_factory=list)
    captions: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    revision: str | None = None
    window: int | None = None

    def add(self, name: str, caption: str) -> None:
        self.names.append(storable(name))
        self.captions.append(caption)

    def skip(self, name: str, reason: str) -> None:
        self.skipped.append(Skipped(name, reason))


@dataclass(frozen=True)
class Origin:
    """One source of a set.

    Attributes:
        source: as the user typed it.
        form: what it was read as.
        revision: the commit, of a set of the Hub.
        captions: `given` by the source, or `proposed` for images without any.
        weight: its share of the stream against the other sources' weights; None: each pair once an epoch.
        window: see `Index`.
    """

    source: str
    form: str
    revision: str | None = None
    captions: Literal["given", "proposed"] = "given"
    weight: float | None = None
    window: int | None = None


class PairSet:
    """Image-caption pairs, read by index; pairs of one image share a name.

    Attributes:
        source: what the user typed; several sources with commas.
        captions: n captions, whitespace normalised, at most 4096 characters each.
        names: n names: the image's path as its source writes it, or `shard.tar/key`.
        skipped: what was left out while indexing. A subset has none: they belong to the whole.
        origins: the sources.
        origin_of: n numbers, each an index of `origins`.
    """

    def __init__(
        self,
        *,
        images: ImageStore,
        names: list[str],
        captions: list[str],
        skipped: list[Skipped],
        origins: Sequence[Origin],
        origin_of: Sequence[int] | None = None,
        places: Sequence[int] | None = None,
    ) -> None:
        self.source = ", ".join(origin.source for origin in origins)
        self.names = names
        self.captions = captions
        self.skipped = skipped
        self.origins = tuple(origins)
        self.origin_of = array("H", bytes(2 * len(names)) if origin_of is None else origin_of)
        self._images = images
        self._places = array("q", range(len(names)) if places is None else places)

    def __len__(self) -> int:
        return len(self.captions)

    def read(self, index: int) -> bytes:
        """The encoded image of pair `index`; DataError where it can no longer be read."""
        return _read(self._images, self._places[index])

    def content(self, index: int) -> bytes:
        """32 bytes that are equal for equal images, whatever they are called and wherever they lie.

        Made of the encoded size and the last 4 KiB. Images that cannot be read have the bytes of their name.
        """
        place = self._places[index]
        try:
            tail = self._images.tail(place, TAIL)
        except (OSError, DataError):
            return hashlib.sha256(self.names[index].encode()).digest()
        return hashlib.sha256(b"%d:%b" % (self._images.size(place), tail)).digest()

    def digest(self) -> str:
        """SHA-256 over names, captions and encoded sizes in order: equal data, equal digest, anywhere."""
        sizes = (str(self._images.size(place)) for place in self._places)
        return text_digest(
            part for pair in zip(self.names, self.captions, sizes, strict=True) for part in pair
        )

    def subset(self, indices: Sequence[int]) -> PairSet:
        """The pairs at `indices`, in that order."""
        return PairSet(
            images=self._images,
            names=[self.names[i] for i in indices],
            captions=[self.captions[i] for i in indices],
            skipped=[],
            origins=self.origins,
            origin_of=[self.origin_of[i] for i in indices],
            places=[self._places[i] for i in indices],
        )

    def uncaptioned(self) -> list[int]:
        """The indices of images whose caption is still to be proposed."""
        return [index for index, caption in enumerate(self.captions) if caption == UNCAPTIONED]

    def with_captions(self, proposed: Mapping[int, str]) -> PairSet:
        """The same pairs with these captions at these indices; their sources are marked as `proposed`."""
        changed = self.recaptioned(proposed)
        touched = {self.origin_of[index] for index in proposed}
        changed.origins = tuple(
            replace(origin, captions="proposed") if number in touched else origin
            for number, origin in enumerate(self.origins)
        )
        return changed

    def recaptioned(self, captions: Mapping[int, str]) -> PairSet:
        """The same pairs with other captions at these indices."""
        return PairSet(
            images=self._images, names=self.names, skipped=self.skipped, origins=self.origins,
            captions=[captions.get(index, caption) for index, caption in enumerate(self.captions)],
            origin_of=self.origin_of, places=self._places,
        )  # fmt: skip

    @classmethod
    def joined(cls, sets: Sequence[PairSet], origins: Sequence[Origin]) -> PairSet:
        """One set after the other; `origins[i]` is what set i, of one source, is to be called."""
        return cls(
            images=JoinedImages([(pairs._images, pairs._places) for pairs in sets]),
            names=[name for pairs in sets for name in pairs.names],
            captions=[caption for pairs in sets for caption in pairs.captions],
            skipped=[skipped for pairs in sets for skipped in pairs.skipped],
            origins=origins,
            origin_of=[number for number, pairs in enumerate(sets) for _ in range(len(pairs))],
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
