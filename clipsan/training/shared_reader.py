"""Images read by several processes: each decodes its share, and all agree on which are broken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import torch
import torch.distributed as dist
from torch import Tensor

from clipsan.pairs import ImageReader, Skipped
from clipsan.pairs.order import Order
from clipsan.pairs.position import Position
from clipsan.pairs.stream import Batch
from clipsan.training.processes import Processes, heard


class SharedReader:
    """Stands for an `ImageReader` in a `BatchStream` that every process has.

    The stream's batches then hold all indices and, in place of pixels, nothing; `own` fills in the pixels of
    this process's share. A stream decodes on a thread of its own, so these processes talk in a group of
    their own.
    """

    def __init__(self, reader: ImageReader, processes: Processes) -> None:
        """Called in all processes at the same time."""
        self._reader, self._processes = reader, processes
        self._group = cast(dist.ProcessGroup, dist.new_group(backend="gloo"))
        self._decoded: dict[int, Tensor] = {}

    @classmethod
    def of(cls, reader: ImageReader, processes: Processes) -> ImageReader:
        """`reader` itself where there is one process, else one that shares its work."""
        return reader if processes.size == 1 else cast(ImageReader, cls(reader, processes))

    @property
    def skipped(self) -> dict[int, Skipped]:
        """Index -> broken image, the same in all processes."""
        return self._reader.skipped

    def resume(self, order: Order, position: Position) -> None:
        """As the reader within."""
        self._reader.resume(order, position)

    def batch(self, indices: Sequence[int]) -> tuple[Tensor, list[int]]:
        """Nothing [m x 0], and the m of `indices` that can be decoded; the share of them is decoded."""
        wanted = [index for index in indices if index not in self.skipped]
        share = self._processes.share(len(wanted))
        pixels, good = self._reader.batch(wanted[share.rows])
        self._decoded.update(zip(good, pixels, strict=True))
        broken = torch.zeros(len(wanted), dtype=torch.uint8)
        if len(good) < share.stop - share.start:
            broken[share.rows] = torch.tensor([index not in set(good) for index in wanted[share.rows]])
        with heard():
            dist.all_reduce(broken, dist.ReduceOp.MAX, self._group)
        bad = [index for index, flag in zip(wanted, broken.tolist(), strict=True) if flag]
        if bad:
            self._reader.batch(bad)  # finds why, for the report
        for index in bad:
            reason = Skipped(self._reader.name(index), "another process could not read it")
            self.skipped.setdefault(index, reason)
        found = [index for index in wanted if index not in self.skipped]
        return torch.empty((len(found), 0), dtype=torch.uint8), found

    def own(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Batches with the pixels of this process's share of rows, and the indices of all rows."""
        for _, indices in batches:
            mine = indices[self._processes.share(len(indices)).rows]
            there = {index: self._decoded.pop(index, None) for index in dict.fromkeys(mine)}
            lacking = [index for index, pixels in there.items() if pixels is None]
            if lacking:  # a broken image before it moved the shares' borders
                pixels, good = self._reader.batch(lacking)
                there.update(zip(good, pixels, strict=True))
            yield torch.stack([own for i in mine if (own := there[i]) is not None]), indices
            for index in indices:  # decoded here, and in another's share after all
                self._decoded.pop(index, None)
