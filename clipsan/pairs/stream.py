"""The shuffled stream of training batches, decoded ahead of use."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import islice
from queue import SimpleQueue
from types import TracebackType
from typing import cast

import numpy as np
import torch
from torch import Tensor

from clipsan.errors import DataError
from clipsan.pairs.reader import ImageReader

Batch = tuple[Tensor, list[int]]


class BatchStream:
    """Endless batches (pixels uint8 [b, 3, h, w], indices), always full, fixed by the seed.

    Each epoch is a new permutation of all n images and flows into the next without a short batch; broken
    images are passed over, every other one comes exactly once an epoch. A background thread decodes at
    most `prefetch` batches ahead, starting with the first `next`. Use it as a context manager, or close it.

    Raises:
        DataError: fewer images than a batch, now or after a whole epoch of broken ones.
    """

    def __init__(self, reader: ImageReader, n: int, batch_size: int, seed: int, prefetch: int = 2) -> None:
        if not 1 <= batch_size <= n:
            raise DataError(
                f"A batch of {batch_size} cannot be made of {n} pairs; choose a batch size from 1 to {n}, or "
                "give more pairs."
            )
        self._reader = reader
        self._n = n
        self._batch_size = batch_size
        self._seed = seed
        self._ready: SimpleQueue[Batch | BaseException | None] = SimpleQueue()
        self._slots = threading.Semaphore(max(1, prefetch))
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._end: BaseException | None = None
        self._rest: Iterator[int] = iter(())  # of the epoch; this and the next are the thread's own
        self._epochs = 0

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
                return got
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
            while True:
                self._slots.acquire()
                if self._stop.is_set():
                    return
                self._ready.put(self._next_batch())
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
        taken = list(islice(self._rest, count))
        if not taken:
            self._check_enough()
            self._rest = self._permutation(self._epochs)
            self._epochs += 1
            taken = list(islice(self._rest, count))
        return taken

    def _permutation(self, epoch: int) -> Iterator[int]:
        """The epoch's order of all n images."""
        # RandomState's numbers are frozen for all versions of numpy; those of default_rng are not.
        words = [self._seed & 0xFFFFFFFF, self._seed >> 32 & 0xFFFFFFFF, epoch]
        return iter(cast("list[int]", np.random.RandomState(words).permutation(self._n).tolist()))

    def _check_enough(self) -> None:
        """After a whole epoch every broken image is known; a batch must still fit what is left."""
        broken = [skipped for index, skipped in list(self._reader.skipped.items()) if index < self._n]
        left = self._n - len(broken)
        if left < self._batch_size:
            raise DataError(
                f"Only {left} of {self._n} images can be decoded, too few for a batch of {self._batch_size}; "
                f"the first broken one is {broken[0].name}: {broken[0].reason}."
            )
