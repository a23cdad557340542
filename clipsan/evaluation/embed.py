"""Images in batches, and the embeddings of a whole set: each image once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

from clipsan.errors import DataError
from clipsan.evaluation.encoder import Encoder
from clipsan.training.processes import ALONE, Processes


class Reader(Protocol):
    """Gives the images at `indices` that can be decoded, uint8 [m x 3 x h x w], and the index of each."""

    def batch(self, indices: Sequence[int], /) -> tuple[Tensor, list[int]]: ...


def batches(
    reader: Reader, count: int, size: int, processes: Processes = ALONE
) -> Iterator[tuple[Tensor, list[int]]]:
    """The first `count` images, `size` at a time: uint8 [b x 3 x h x w] and their indices.

    Of several processes each gets every so many-th batch; `joined` puts together what they make of them.

    Raises DataError, at the end, when none could be decoded.
    """
    any_good = False
    for start in range(size * processes.rank, count, size * processes.size):
        pixels, good = reader.batch(range(start, min(start + size, count)))
        if good:
            any_good = True
            yield pixels, good
    if not processes.any(any_good):
        raise DataError(f"none of the {count} images to measure on can be decoded: check the evaluation set")


def embed(
    encoder: Encoder, reader: Reader, count: int, on_batch: Callable[[int], None]
) -> tuple[list[int], Tensor]:
    """The indices of the n images that can be decoded, and their embeddings float32 [n x d]."""
    indices: list[int] = []
    embedded: list[Tensor] = []
    processes = encoder.processes
    for pixels, good in batches(reader, count, encoder.batch_size, processes):
        indices += good
        embedded.append(encoder.images(pixels))
        on_batch(min(count, len(indices) * processes.size))
    indices, (images,) = joined(reader, count, indices, [embedded], processes)
    return indices, images


def joined(
    reader: Reader, count: int, indices: list[int], parts: Sequence[Sequence[Tensor]], processes: Processes
) -> tuple[list[int], list[Tensor]]:
    """What all processes made of their `batches`, in the order of the images.

    Afterwards each one's reader knows of every broken image.

    Args:
        reader, count: as for `batches`.
        indices: of the images that this process had, in order.
        parts: of each thing that was made of them, a tensor [b x w] a batch.

    Returns:
        The indices of all n images, and of each thing one tensor [n x w].
    """
    if processes.size == 1:
        return indices, [torch.cat(list(of_batches)) for of_batches in parts]
    every = processes.gathered(torch.tensor(indices, dtype=torch.int64))
    order = every.argsort()
    found = every[order].tolist()
    if broken := sorted(set(range(count)).difference(found)):
        reader.batch(broken)
    return found, [processes.joined(of_batches)[order] for of_batches in parts]
