"""The shuffled stream of training batches, decoded ahead of use, that can stop and go on at the same pair."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from queue import SimpleQueue
from types import TracebackType

import torch
from torch import Tensor

from clipsan.errors import DataError
from clipsan.pairs.order import Indices, Order, Shuffled
from clipsan.pairs.position import Position
from clipsan.pairs.reader import ImageReader

Batch = tuple[Tensor, list[int]]


class BatchStream:
    """Endless batches (pixels uint8 [b, 3, h, w], indices), always full, fixed by the order's seed.

    Epochs flow into each other without a short batch; broken images are passed over, every other one comes
    as often as the order says (exactly once an epoch, unless sources are weighted). Of several processes
    each takes every `world_size`-th entry of the same endless order, so together they see what one would. A
    background thread decodes at most `prefetch` batches ahead, starting with the first `next`. Use it as a
    context manager, or close it.

    Raises:
        DataError: fewer images than a batch, now or after a whole epoch of broken ones; a position of
            another stream.
    """

    def __init__(
        self,
        reader: ImageReader,
        n: int,
        batch_size: int,
        seed: int,
        prefetch: int = 2,
        *,
        order: Order | None = None,
        rank: int = 0,
        world_size: int = 1,
        start: Position | None = None,
        most: int | None = None,
    ) -> None:
        """Nothing is read yet.

        Args:
            reader: decodes the images.
            n: how many there are.
            batch_size: of this process.
            seed: of the order, where none is given.
            prefetch: batches decoded ahead.
            order: of the indices; None: a new permutation every epoch.
            rank: of this process, 0 <= rank < world_size.
            world_size: processes that share the pairs.
            start: go on where another stream's `position` was taken; None: at the beginning.
            most: batches to decode in all; None: no limit.
        """
        if not 1 <= batch_size <= n // world_size:
            shared = f", shared by {world_size} processes" if world_size > 1 else ""
            raise DataError(
                f"A batch of {batch_size} cannot be made of {n} pairs{shared}; choose a batch size from 1 to "
                f"{n // world_size}, or give more pairs."
            )
        self._reader = reader
        self._n = n
        self._batch_size = batch_size
        self._order = Shuffled(n, seed) if order is None else order
        begin = Position(self._order.identity, rank, world_size)
        if start is not None:
            start.check_fits(begin)
            reader.resume(self._order, start)
        self._given = self._position = begin if start is None else start  # given out, and decoded
        self._left = math.inf if most is None else most
        self._epoch: tuple[int, Indices] | None = None
        self._ready: SimpleQueue[tuple[Batch, Position] | BaseException | None] = SimpleQueue()
        self._slots = threading.Semaphore(max(1, prefetch))
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._end: BaseException | None = None

    @property
    def position(self) -> Position:
        """Where a stream has to start to give what comes after the last batch that this one gave."""
        return self._given

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        if self._end is None and not self._stop.is_set():
            if self._thread is None:
                self._thread = threading.Thread(target=self._produce, name="batches", daemon=True)
                self._thread.start()
            got = self._ready.get()
            self._slots.release()
            if isinstance(got, tuple):
                batch, self._given = got
                return batch
            self._end = got
        raise StopIteration if self._end is None else self._end

    def close(self) -> None:
        """Stops the thread, once the batch in its hands is decoded; further `next` end the iteration."""
        self._stop.set()
        self._slots.release()
        self._ready.put(None)  # wakes a consumer on another thread
        if self._thread is not None:
            self._thread.join()

    def __enter__(self) -> BatchStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _produce(self) -> None:
        try:
            while self._left:
                self._left -= 1
                self._slots.acquire()
                if self._stop.is_set():
                    return
                batch = self._next_batch()
                self._position = self._position.with_skipped(self._reader.skipped)
                self._ready.put((batch, self._position))
        except BaseException as error:  # noqa: BLE001 - raised again in the consumer, which cannot see this thread
            self._ready.put(error)

    def _next_batch(self) -> Batch:
        """Decodes the next images until a batch is full."""
        parts: list[Tensor] = []
        good: list[int] = []
        while len(good) < self._batch_size:
            pixels, found = self._reader.batch(self._take(self._batch_size - len(good)))
            parts.append(pixels)
            good += found
        return (parts[0] if len(parts) == 1 else torch.cat(parts)), good

    def _take(self, count: int) -> list[int]:
        """Up to `count` next indices of the epoch; a new epoch begins only when the last is all decoded."""
        number, offset = self._position.place(self._order.length)
        if self._epoch is None or self._epoch[0] != number:
            self._check_enough()
            self._epoch = (number, self._order.epoch(number))
        taken: list[int] = self._epoch[1][offset :: self._position.world_size][:count].tolist()
        self._position = self._position.after(len(taken))
        return taken

    def _check_enough(self) -> None:
        """After a whole epoch every broken image is known; a batch must still fit what is left."""
        broken = [skipped for index, skipped in list(self._reader.skipped.items()) if index < self._n]
        left = self._n - len(broken)
        if left // self._position.world_size < self._batch_size:
            raise DataError(
                f"Only {left} of {self._n} images can be decoded, too few for a batch of {self._batch_size}; "
                f"the first broken one is {broken[0].name}: {broken[0].reason}."
            )
