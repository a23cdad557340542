"""Several processes that train or scan one model: who has which rows, and what they tell each other.

Every process goes through the same batches and draws the same random numbers. Each decodes and embeds one
contiguous share of a batch's rows; all embeddings are gathered, each process computes the loss of the whole
batch, sends the gradient of its own rows back through its own copy of the model, and the parameters'
gradients are added up. So a method needs to know nothing of processes, and the numbers are those of one
process but for the rounding of sums. What fails in one process is agreed on before each exchange, so that
all of them act alike. Weights are whole in each process, or lie in parts (`sharded.py`). Left out: sums of
whole gradients do not overlap the backward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn.modules.batchnorm import _BatchNorm

from clipsan.errors import LostProcessError, TrainingError
from clipsan.training.encode import in_chunks

PATIENCE = timedelta(days=1)
"""For a process that others wait for; one that dies is noticed at once."""
BUCKET = 25 << 20
"""Bytes of gradients that are added up at once."""
_FAILED = -1


@dataclass(frozen=True)
class Share:
    """Rows `start` to `stop` (excluded) of a batch of `of`."""

    start: int
    stop: int
    of: int

    @property
    def rows(self) -> slice:
        """To index a batch with."""
        return slice(self.start, self.stop)


class OtherOutOfMemoryError(MemoryError):
    """Memory ran out in another process; this one has heard of it."""


class Processes:
    """This process among those that work together.

    Attributes:
        rank: 0 <= rank < size; 0 writes and prints.
        size: how many there are.
        sent: bytes that this process has sent, counted from the tensors, for ring algorithms.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        """`size` above 1: torch's default process group exists."""
        self.rank, self.size = rank, size
        self.sent = 0

    def share(self, count: int, rank: int | None = None) -> Share:
        """The rows of a batch of `count` that a process has; None: this one."""
        rank = self.rank if rank is None else rank
        return Share(count * rank // self.size, count * (rank + 1) // self.size, count)

    def pieces(self, count: int, size: int) -> slice:
        """This process's rows of `count` that stay together in pieces of `size`, the last maybe smaller."""
        share = self.share(-(-count // size))
        return slice(share.start * size, min(count, share.stop * size))

    def numbers(self, own: int) -> list[int]:
        """The number that each process gives. LostProcessError where another one has stopped."""
        if self.size == 1:
            return [own]
        every = torch.zeros(self.size, dtype=torch.int64)
        with heard():
            dist.all_gather(list(every.split(1)), torch.tensor([own]))
        self.sent += 8 * (self.size - 1)
        return [int(number) for number in every]

    def check(self) -> None:
        """OtherOutOfMemoryError where another process has called `failed` instead."""
        if _FAILED in self.numbers(0):
            raise OtherOutOfMemoryError

    def failed(self) -> None:
        """Tell the others, wherever they are in the same piece of work, that memory ran out."""
        self.numbers(_FAILED)

    def any(self, here: bool) -> bool:
        """Whether it is so in any process."""
        return any(self.numbers(int(here)))

    def gathered(self, own: Tensor) -> Tensor:
        """[n x d], without graph, of every process's [m x d] in their order; m may differ."""
        if self.size == 1:
            return own.detach()
        counts = self.numbers(len(own))
        if _FAILED in counts:
            raise OtherOutOfMemoryError
        most = max(counts)
        padded = own.new_zeros((most, *own.shape[1:]))
        padded[: len(own)] = own.detach()
        every = own.new_empty((self.size * most, *own.shape[1:]))
        with heard():
            dist.all_gather(list(every.split(most)), padded)
        self.sent += (self.size - 1) * padded.nbytes
        return torch.cat([every[rank * most : rank * most + count] for rank, count in enumerate(counts)])

    def texts(self, own: str) -> list[str]:
        """The text, not empty, that each process gives."""
        if self.size == 1:
            return [own]
        coded = torch.frombuffer(bytearray(own.encode()), dtype=torch.uint8)
        lengths = self.numbers(len(coded))
        return [part.numpy().tobytes().decode() for part in self.gathered(coded).split(lengths)]

    def of_first(self, text: str) -> str:
        """The text that the first process gives."""
        return self.texts(text)[0]

    def joined(self, parts: Sequence[Tensor]) -> Tensor:
        """[n x w]: the rows of all processes' parts [m x w] in their order; some may have no part."""
        if self.size == 1:
            return torch.cat(list(parts))
        width = max(self.numbers(parts[0].shape[1] if parts else 0))
        real = self.any(bool(parts) and parts[0].is_floating_point())
        empty = torch.zeros(0, width, dtype=torch.float32 if real else torch.int64)
        return self.gathered(torch.cat([empty, *parts]))

    def encoded(self, encode: Callable[[Tensor], Tensor], own: Tensor, alike: bool = False) -> Tensor:
        """`encode` of the rows of all processes, of which this one has `own`, maybe none; without graph.

        `alike`: each encodes as many rows as the one with most, as a model that lies in parts demands.
        """
        if self.size == 1:
            return encode(own)
        rows = max(1, *self.numbers(len(own))) if alike else max(1, len(own))
        padding = own.new_zeros((rows - len(own), *own.shape[1:]))
        return self.gathered(encode(torch.cat([own, padding]) if len(padding) else own)[: len(own)])

    def in_chunks(self, encode: Callable[[Tensor], Tensor], inputs: Tensor, size: int) -> Tensor:
        """`in_chunks`, shared: each chunk is embedded by one process, as in one alone, and all get all."""
        own = inputs[self.pieces(len(inputs), size)]
        return self.encoded(lambda rows: in_chunks(encode, rows, size), own)

    def add_gradients(self, model: nn.Module) -> None:
        """Make each parameter's gradient the sum, and BatchNorm's running statistics the mean, of all."""
        if self.size == 1:
            return
        grads = (p.grad for p in model.parameters() if p.grad is not None)
        self._sum([grad for grad in grads if not isinstance(grad, DTensor)])  # which are sums already
        layers = (m for m in model.modules() if isinstance(m, _BatchNorm) and m.training)
        statistics = [b for layer in layers for b in layer.buffers() if b.is_floating_point()]
        self._sum(statistics)
        for value in statistics:
            value.div_(self.size)

    def check_equal(self, model: nn.Module) -> None:
        """TrainingError unless all processes hold the same weights, to the last bit, but for parted ones."""
        if self.size > 1:
            shared = (p.detach() for p in model.parameters() if not isinstance(p, DTensor))
            values = [value.contiguous().flatten().view(torch.uint8) for value in shared]
            seen = self.numbers(sum(int(v.to(torch.int64).sum()) * (n + 1) for n, v in enumerate(values)))
            if len(set(seen)) > 1:
                raise TrainingError(
                    "the processes hold different weights after the training: run all of them on the same "
                    "kind of device, with the same versions"
                )

    def _sum(self, tensors: Sequence[Tensor]) -> None:
        for bucket in _buckets(tensors):
            flat = torch.cat([value.reshape(-1) for value in bucket])
            self.check()
            with heard():
                dist.all_reduce(flat)
            self.sent += 2 * (self.size - 1) * flat.nbytes // self.size
            for value, part in zip(bucket, flat.split([v.numel() for v in bucket]), strict=True):
                value.copy_(part.view(value.shape))


ALONE = Processes()
"""One process, as ever."""


@contextmanager
def heard(surely: bool = True) -> Iterator[None]:
    """A process that stops closes its connections, which the others hear of as an error of theirs.

    `surely`: nothing else can fail in the block; otherwise an error has to look like one of connections.
    """
    try:
        yield
    except RuntimeError as error:
        if not (surely or isinstance(error, dist.DistError) or "gloo" in str(error)):
            raise
        raise LostProcessError(
            "another of the processes that work together has stopped, so the others stop, too"
        ) from error


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """The tensors in their order, in lists of one dtype and of BUCKET bytes at most, or of one tensor."""
    bucket: list[Tensor] = []
    for value in tensors:
        full = sum(v.nbytes for v in bucket) + value.nbytes > BUCKET
        if bucket and (full or value.dtype != bucket[0].dtype):
            yield bucket
            bucket = []
        bucket.append(value)
    if bucket:
        yield bucket
