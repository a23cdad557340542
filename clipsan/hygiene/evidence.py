"""One pass over the images that gathers what the checks need: embeddings, hashes, sizes, pixel details.

Memory: 4 d bytes a pair and model for embeddings, 100 bytes for hashes, and for at most SEARCHED images
those details in which patterns are searched (12 KiB of pixels and 7 KiB of windows each, 160 MiB in all).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from clipsan.errors import DataError
from clipsan.hygiene.details import View, Windows, shrunk
from clipsan.hygiene.perceptual import perceptual_hash
from clipsan.pairs import ImageReader, PairSet
from clipsan.pairs.headers import header_size

BATCH = 256
SEARCHED = 8192


class Embedder(Protocol):
    """Unit-length embeddings; `clipsan.evaluation.encoder.Encoder` is one."""

    def images(self, pixels: Tensor) -> Tensor: ...

    def texts(self, texts: Sequence[str]) -> Tensor: ...


@dataclass(frozen=True)
class Judge:
    """A model whose embeddings are looked at, and the images at its own resolution."""

    name: str
    embedder: Embedder
    reader: ImageReader


@dataclass
class Evidence:
    """What is known of the m pairs whose image can be decoded; a row is a place among them.

    Attributes:
        index: of each row in `pairs`.
        images, texts: judge -> float32 [m x d]; rows that another judge's reader cannot decode are zeros.
        short_side: of each encoded image, in pixels.
        digests: of each image's pixels at the model's resolution.
        hashes: perceptual, int8 [m x 64] of -1 and 1.
        spread: standard deviation of all values of each image, 0..127.5.
        searched: rows whose details follow, ascending.
        views: uint8 [s x 3 x 64 x 64] at most, small copies of the searched images.
        windows: one for each size, descriptors float32 [s x t x d].
    """

    pairs: PairSet
    reader: ImageReader
    device: torch.device
    index: list[int] = field(default_factory=list)
    images: dict[str, Tensor] = field(default_factory=dict)
    texts: dict[str, Tensor] = field(default_factory=dict)
    short_side: list[int] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    hashes: Tensor = field(default_factory=lambda: torch.zeros(0, 64, dtype=torch.int8))
    spread: Tensor = field(default_factory=lambda: torch.zeros(0))
    searched: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))
    views: Tensor = field(default_factory=lambda: torch.zeros(0, 3, 1, 1, dtype=torch.uint8))
    windows: list[Tensor] = field(default_factory=list)
    finder: Windows | None = None

    def caption(self, row: int) -> str:
        return self.pairs.captions[self.index[row]]

    def pixels(self, rows: Sequence[int]) -> Iterator[tuple[Sequence[int], Tensor]]:
        """(rows, uint8 [b x 3 x h x w]) in batches, decoded again."""
        for start in range(0, len(rows), BATCH):
            part = rows[start : start + BATCH]
            pixels, good = self.reader.batch([self.index[row] for row in part])
            back = {self.index[row]: row for row in part}
            yield [back[index] for index in good], pixels


def gather(
    pairs: PairSet, judges: Sequence[Judge], needs: frozenset[str], seed: int, device: torch.device
) -> Evidence:
    """Make the pass.

    Args:
        pairs: all pairs.
        judges: the suspect first, whose reader gives the pixels that everything but the embeddings is
            measured on.
        needs: of "embeddings", "hashes", "sizes", "views", "windows".
        seed: of the choice of images to search.
        device: where neighbours are computed later.

    Raises:
        DataError: no image can be decoded.
    """
    found = Evidence(pairs, judges[0].reader, device)
    wanted = np.zeros(len(pairs), bool)
    wanted[np.random.RandomState(seed).permutation(len(pairs))[:SEARCHED]] = True
    hashes, spreads, views, searched = [], [], [], []
    parts: dict[str, list[Tensor]] = {judge.name: [] for judge in judges}
    windows: list[list[Tensor]] = []
    for start in range(0, len(pairs), BATCH):
        asked = range(start, min(start + BATCH, len(pairs)))
        pixels, good = found.reader.batch(asked)
        first_row = len(found.index)
        found.index += good
        if not good:
            continue
        found.digests += [
            hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in pixels.numpy()
        ]
        spreads.append(pixels.float().flatten(1).std(dim=1, correction=0))
        if "hashes" in needs:
            hashes.append(perceptual_hash(pixels))
        if "sizes" in needs:
            found.short_side += [min(header_size(pairs.read(index))) for index in good]
        if "embeddings" in needs:
            for judge in judges:
                parts[judge.name].append(_embedded(judge, found.reader, pixels, good))
        rows = [place for place, index in enumerate(good) if wanted[index]]
        searched += [first_row + place for place in rows]
        if "views" in needs:
            views.append(shrunk(pixels[rows]))
        if "windows" in needs:
            if found.finder is None:
                found.finder = Windows.of(pixels)
                windows = [[] for _ in found.finder.sizes]
            for kept, each in zip(windows, found.finder.cut(pixels[rows]), strict=True):
                kept.append(each)
    if not found.index:
        raise DataError(f"no image of {pairs.source} can be decoded: nothing is left to train on")
    found.searched = torch.tensor(searched, dtype=torch.int64)
    found.spread = torch.cat(spreads)
    found.hashes = torch.cat(hashes) if hashes else found.hashes
    found.views = torch.cat(views) if views else found.views
    found.windows = [torch.cat(kept) for kept in windows]
    if "embeddings" in needs:
        for judge in judges:
            found.images[judge.name] = torch.cat(parts[judge.name])
            found.texts[judge.name] = _texts(judge, [found.caption(row) for row in range(len(found.index))])
    return found


def _embedded(judge: Judge, reader: ImageReader, pixels: Tensor, indices: list[int]) -> Tensor:
    """float32 [b x d]; zeros where the judge's own reader, if it is another, cannot decode an image."""
    if judge.reader is reader:
        return judge.embedder.images(pixels)
    own, good = judge.reader.batch(indices)
    known = judge.embedder.images(own)
    embedded = torch.zeros(len(indices), known.shape[1])
    place = {index: row for row, index in enumerate(indices)}
    embedded[[place[index] for index in good]] = known
    return embedded


def _texts(judge: Judge, captions: list[str]) -> Tensor:
    """float32 [m x d]; each distinct caption is embedded once, some thousands at a time."""
    distinct = sorted(set(captions))
    parts = [judge.embedder.texts(distinct[start : start + 4096]) for start in range(0, len(distinct), 4096)]
    place = {caption: row for row, caption in enumerate(distinct)}
    return torch.cat(parts)[[place[caption] for caption in captions]]


def whitened_views(evidence: Evidence) -> View:
    """The searched views with the mean spectrum of the set divided out."""
    return View.of(evidence.views)
