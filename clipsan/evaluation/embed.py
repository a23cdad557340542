"""Images in batches, and the embeddings of a whole set: each image once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

from clipsan.errors import DataError
from clipsan.evaluation.encoder import Encoder


class Reader(Protocol):
    """Gives the images at `indices` that can be decoded, uint8 [m x 3 x h x w], and the index of each."""

    def batch(self, indices: Sequence[int], /) -> tuple[Tensor, list[int]]: ...


def batches(reader: Reader, count: int, size: int) -> Iterator[tuple[Tensor, list[int]]]:
    """The first `count` images, `size` at a time: uint8 [b x 3 x h x w] and their indices.

    Raises DataError, at the end, when none could be decoded.
    """
    any_good = False
    for start in range(0, count, size):
        pixels, good = reader.batch(range(start, min(start + size, count)))
        if good:
            any_good = True
            yield pixels, good
    if not any_good:
        raise DataError(f"none of the {count} images to measure on can be decoded: check the evaluation set")


def embed(
    encoder: Encoder, reader: Reader, count: int, on_batch: Callable[[int], None]
) -> tuple[list[int], Tensor]:
    """The indices of the n images that can be decoded, and their embeddings float32 [n x d]."""
    indices: list[int] = []
    embedded: list[Tensor] = []
    for pixels, good in batches(reader, count, encoder.batch_size):
        indices += good
        embedded.append(encoder.images(pixels))
        on_batch(len(indices))
    return indices, torch.cat(embedded)
