"""Images read by several processes: each decodes its share, and all agree on which are broken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import torch
import torch.distributed as dist
from torch import Tensor

from clipsan.errors import DataError
from clipsan.pairs import ImageReader, Skipped
from clipsan.pairs.order import Order
from clipsan.pairs.position import Position
from clipsan.pairs.stream import Batch
from clipsan.training.processes import PATIENCE, Processes, heard


class SharedReader:
    """Stands for an `ImageReader` in a `BatchStream` that every process has.

    The stream's batches then hold all indices and, in place of pixels, nothing; `own` fills in the pixels of
    this process's share. A stream decodes on a thread of its own, so these processes talk in a group of
    their own.
    """

    def __init__(self, reader: ImageReader, processes: Processes) -> None:
        """Called in all processes at the same time."""
        self._reader, self._processes = reader, processes
        self._group = cast(dist.ProcessGroup, dist.new_group(backend="gloo", timeout=PATIENCE))
        self._decoded: dict[int, Tensor] = {}
        self._agreed: dict[int, Skipped] = dict(reader.skipped)

    @classmethod
    def of(cls, reader: ImageReader, processes: Processes) -> ImageReader:
        """`reader` itself where there is one process, else one that shares its work."""
        return reader if processes.size == 1 else cast(ImageReader, cls(reader, processes))

    @property
    def skipped(self) -> dict[int, Skipped]:
        """Index -> broken image, the same in all processes, which the reader's own need not be."""
        return self._agreed

    def resume(self, order: Order, position: Position) -> None:
        """As the reader within."""
        self._reader.resume(order, position)
        self._agreed.update(self._reader.skipped)

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
            elsewhere = Skipped(self._reader.name(index), "another process could not read it")
            self._agreed[index] = self._reader.skipped.get(index, elsewhere)
        found = [index for index in wanted if index not in self.skipped]
        return torch.empty((len(found), 0), dtype=torch.uint8), found

    def own(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Batches with the pixels of this process's share of rows, and the indices of all rows.

        DataError where this process cannot read what another one could.
        """
        for _, indices in batches:
            mine = indices[self._processes.share(len(indices)).rows]
            there = {index: self._decoded.pop(index, None) for index in dict.fromkeys(mine)}
            lacking = [index for index, pixels in there.items() if pixels is None]
            if lacking:  # a broken image before it moved the shares' borders
                pixels, good = self._reader.batch(lacking)
                there.update(zip(good, pixels, strict=True))
            own = [image for index in mine if (image := there[index]) is not None]
            if len(own) < len(mine):
                lost = self._reader.skipped[next(index for index in mine if there[index] is None)]
                raise DataError(
                    f"process {self._processes.rank + 1} cannot read {lost.name} ({lost.reason}), which "
                    "another process could: all of them must read the same files"
                )
            yield torch.stack(own), indices
            for index in indices:  # decoded here, and in another's share after all
                self._decoded.pop(index, None)
