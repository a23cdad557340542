"""One pass over the images that gathers what the checks need: embeddings, hashes, sizes, pixel details.

Memory: 4 d bytes a pair and model for embeddings, 100 bytes for hashes, and for at most SEARCHED images
those details in which patterns are searched (12 KiB of pixels and 7 KiB of windows each, 160 MiB in all).
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clipsan.errors import DataError
from clipsan.hygiene.details import View, Windows, shrunk
from clipsan.hygiene.perceptual import perceptual_hash
from clipsan.pairs import ImageReader, PairSet
from clipsan.pairs.headers import header_size
from clipsan.pairs.pairset import Skipped
from clipsan.training.processes import ALONE, Processes

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
    pairs: PairSet,
    judges: Sequence[Judge],
    needs: frozenset[str],
    seed: int,
    device: torch.device,
    processes: Processes = ALONE,
) -> Evidence:
    """Make the pass.

    Args:
        pairs: all pairs.
        judges: the suspect first, whose reader gives the pixels that everything but the embeddings is
            measured on.
        needs: of "embeddings", "hashes", "sizes", "views", "windows".
        seed: of the choice of images to search.
        device: where neighbours are computed later.
        processes: that share the pass in whole batches, and all get the evidence of one process.

    Raises:
        DataError: no image can be decoded.
    """
    found = Evidence(pairs, judges[0].reader, device)
    wanted = np.zeros(len(pairs), bool)
    wanted[np.random.RandomState(seed).permutation(len(pairs))[:SEARCHED]] = True
    parts: dict[str, list[Tensor]] = defaultdict(list)
    share = processes.pieces(len(pairs), BATCH)
    for start in range(0, len(pairs), BATCH):
        mine = share.start <= start < share.stop
        if parts and not mine:
            continue
        pixels, good = found.reader.batch(range(start, min(start + BATCH, len(pairs))))
        if not good:
            continue
        if "windows" in needs and found.finder is None:
            found.finder = Windows.of(pixels)
        if not mine:  # the first images say, in every process, what is cut out and how wide embeddings are
            pixels, good = pixels[:1], good[:1]
        for name, of_batch in _measured(found, judges, needs, wanted, pixels, good).items():
            parts[name].append(of_batch if mine else of_batch[:0])
    if not parts:
        raise DataError(f"no image of {pairs.source} can be decoded: nothing is left to train on")
    _tell_skipped(found.reader, pairs, processes)
    known = {name: processes.gathered(torch.cat(parts.pop(name))) for name in list(parts)}
    found.index = known["index"].tolist()
    found.digests = [digest.tobytes() for digest in known["digests"].numpy()]
    found.spread = known["spread"]
    found.searched = torch.from_numpy(wanted[found.index]).nonzero()[:, 0]
    found.hashes = known.get("hashes", found.hashes)
    found.short_side = known["sizes"].tolist() if "sizes" in known else []
    found.views = known.get("views", found.views)
    found.windows = [known[f"windows {size}"] for size in (found.finder.sizes if found.finder else ())]
    if "embeddings" in needs:
        for judge in judges:
            found.images[judge.name] = known[f"embeddings {judge.name}"]
            found.texts[judge.name] = _texts(judge, [found.caption(row) for row in range(len(found.index))])
    return found


def _measured(
    found: Evidence,
    judges: Sequence[Judge],
    needs: frozenset[str],
    wanted: NDArray[np.bool_],
    pixels: Tensor,
    good: list[int],
) -> dict[str, Tensor]:
    """What is needed of images, uint8 [b x 3 x h x w] at the indices `good`, a row for each.

    Of `views` and `windows` only the `wanted` among them have one.
    """
    digests = (hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in pixels.numpy())
    seen = {
        "index": torch.tensor(good),
        "digests": torch.tensor([list(digest) for digest in digests], dtype=torch.uint8),
        "spread": pixels.float().flatten(1).std(dim=1, correction=0),
    }
    if "hashes" in needs:
        seen["hashes"] = perceptual_hash(pixels)
    if "sizes" in needs:
        seen["sizes"] = torch.tensor([min(header_size(found.pairs.read(index))) for index in good])
    if "embeddings" in needs:
        for judge in judges:
            seen[f"embeddings {judge.name}"] = _embedded(judge, found.reader, pixels, good)
    searched = pixels[torch.from_numpy(wanted[good])]
    if "views" in needs:
        seen["views"] = shrunk(searched)
    if found.finder is not None:
        for size, windows in zip(found.finder.sizes, found.finder.cut(searched), strict=True):
            seen[f"windows {size}"] = windows
    return seen


def _tell_skipped(reader: ImageReader, pairs: PairSet, processes: Processes) -> None:
    """Let each process's reader know of the images that another one's could not decode."""
    own = {index: skipped.reason for index, skipped in reader.skipped.items()}
    for told in processes.texts(json.dumps(own)):
        for index, reason in json.loads(told).items():
            reader.skipped.setdefault(int(index), Skipped(pairs.names[int(index)], reason))


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
