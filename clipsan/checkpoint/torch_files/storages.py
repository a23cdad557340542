"""Raw numbers in a mapped file, given out as tensors that share its memory."""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from clipsan.checkpoint.torch_files.records import StoredTensor

MOST_ELEMENTS = 2**48  # of one tensor; beyond it torch's own arithmetic overflows


@dataclass(frozen=True)
class Storages:
    """The runs of numbers of one torch file.

    Args:
        mapped: the file, copy-on-write.
        places: (first byte, bytes) of each run, by the key that the pickle uses.
    """

    mapped: mmap.mmap
    places: Mapping[str, tuple[int, int]]

    @property
    def file_bytes(self) -> int:
        return len(self.mapped)

    def fault(self, stored: StoredTensor) -> str | None:
        """What is wrong with a tensor's claims; None where it lies inside its storage."""
        storage = stored.storage
        if storage.key not in self.places:
            return "has no numbers in the file"
        _, size = self.places[storage.key]
        itemsize = storage.dtype.itemsize if storage.dtype else 1
        if (storage.start + storage.numel) * itemsize > size:
            return "claims more numbers than the file has for it"
        if numel(stored, empty_as=1) > MOST_ELEMENTS:
            return "has a shape that no tensor can have"
        if (stored.offset + span(stored)) * stored.dtype.itemsize > storage.numel * itemsize:
            return "reaches beyond its numbers"
        return None

    def read(self, stored: StoredTensor) -> Tensor:
        """The tensor, sharing the memory of the file where its numbers are aligned.

        Args:
            stored: a tensor without a `fault`.
        """
        count, dtype = span(stored), stored.dtype
        if count == 0:
            return torch.empty(stored.size, dtype=dtype)
        storage = stored.storage
        itemsize = storage.dtype.itemsize if storage.dtype else 1
        begin = self.places[storage.key][0] + storage.start * itemsize + stored.offset * dtype.itemsize
        if begin % dtype.itemsize:
            raw = torch.frombuffer(self.mapped, dtype=torch.uint8, count=count * dtype.itemsize, offset=begin)
            flat = raw.clone().view(dtype)
        else:
            flat = torch.frombuffer(self.mapped, dtype=dtype, count=count, offset=begin)
        return flat.as_strided(stored.size, stored.stride)


def numel(stored: StoredTensor, *, empty_as: int = 0) -> int:
    """Elements of a tensor; a side of length 0 counts as `empty_as`."""
    count = 1
    for side in stored.size:
        count *= side or empty_as
    return count


def span(stored: StoredTensor) -> int:
    """Elements of the storage from the tensor's first to its last, both included."""
    if 0 in stored.size:
        return 0
    return 1 + sum((side - 1) * step for side, step in zip(stored.size, stored.stride, strict=True))
