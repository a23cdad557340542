"""Images of a set, decoded on threads and kept where there is room for them.

Threads, not processes: the decoders and the resizing release the interpreter's lock, so threads are as fast
(`benchmarks/input_speed.py` measures both), write straight into the batch, and leave nothing behind when a
run is killed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clipsan.errors import ClipsanError, DataError
from clipsan.pairs.images import decode, geometry_of
from clipsan.pairs.kept_images import room_for
from clipsan.pairs.order import Order
from clipsan.pairs.pairset import ImageSource, Skipped
from clipsan.pairs.position import Position
from clipsan.pairs.training_images import decode_for_training

MOST_THREADS = 16
"""By default. A picture costs 1 to 6 ms, of which up to 0.15 ms hold the interpreter's lock."""
MOST_LOST = 32
"""Images in a row that cannot be read at all: then not they are at fault, but where they lie."""


class ImageReader:
    """Gives batches of decoded images by index; broken images are noted once and left out.

    Every image is kept as decoded, or none is; see `kept_images`. Any thread may call `batch`.

    Attributes:
        skipped: index -> broken image, as found so far.
    """

    def __init__(
        self,
        source: ImageSource,
        preprocess_cfg: Mapping[str, Any],
        size: tuple[int, int],
        *,
        exact: bool = True,
        threads: int | None = None,
        keep: str = "auto",
    ) -> None:
        """Reserves the room and starts no thread yet.

        Args:
            source: a `PairSet` or an `ImageList`.
            preprocess_cfg: open_clip's; CheckpointError where it has a value open_clip does not know.
            size: (height, width) of the model's input.
            exact: open_clip's pixels to the last bit, as all measuring needs. False: `decode_for_training`.
            threads: how many decode at once; 16 at most by default, and no more than there are cores.
            keep: where decoded images are kept, of `kept_images.KINDS`.

        Raises:
            UsageError: there is no room to keep them.
        """
        geometry_of(preprocess_cfg, size)  # a bad setting must not look like n broken images
        self.skipped: dict[int, Skipped] = {}
        self._source = source
        self._preprocess_cfg = dict(preprocess_cfg)
        self._size = size
        self._decode = decode if exact else decode_for_training
        self._threads = max(1, min(MOST_THREADS, available_cores()) if threads is None else threads)
        self._pool = ThreadPoolExecutor(self._threads, "decode") if self._threads > 1 else None
        self._cache = room_for(keep, len(source), size)
        self._cached = np.zeros(len(source), bool)
        self._lost: set[int] = set()  # skipped because their bytes could not be had
        self._lost_in_a_row = 0

    def __len__(self) -> int:
        return len(self._source)

    def name(self, index: int) -> str:
        """What the source calls the image."""
        return self._source.names[index]

    def resume(self, order: Order, position: Position) -> None:
        """Take over what a stream through `order` had found by `position`, in another process."""
        for index, skipped in position.skipped.items():
            self.skipped.setdefault(index, skipped)

    def batch(self, indices: Sequence[int]) -> tuple[Tensor, list[int]]:
        """The images at `indices` that can be decoded.

        Returns:
            pixels: uint8 [m, 3, h, w], RGB, m <= len(indices).
            good: their m indices, in the order asked for.

        Raises:
            DataError: a thread cannot be started, or stopped for another reason than a broken image, or the
                images are no longer there.
        """
        wanted = [index for index in indices if index not in self.skipped]
        kept = self._cached[wanted]
        if self._cache is not None and kept.all():
            return torch.from_numpy(self._cache[wanted]), wanted
        pixels = np.empty((len(wanted), 3, *self._size), np.uint8)
        if self._cache is not None:
            pixels[kept] = self._cache[np.asarray(wanted)[kept]]
        rows = np.flatnonzero(~kept).tolist()
        bad = self._decode_rows(pixels, wanted, rows)
        self._check_there([wanted[row] for row in rows])
        if bad:
            pixels = np.delete(pixels, sorted(bad), axis=0)
            wanted = [index for row, index in enumerate(wanted) if row not in bad]
        return torch.from_numpy(pixels), wanted

    def _check_there(self, indices: list[int]) -> None:
        """DataError where the images at `indices`, and those before them, could all not be read."""
        if not indices:
            return
        all_lost = self._lost.issuperset(indices)
        self._lost_in_a_row = self._lost_in_a_row + len(indices) if all_lost else 0
        if self._lost_in_a_row >= MOST_LOST:
            first = self.skipped[indices[0]]
            raise DataError(
                f"The last {self._lost_in_a_row} images could not be read any more, such as {first.name} "
                f"({first.reason}): bring the folder or disk back on which they lie."
            )

    def _decode_rows(self, pixels: NDArray[np.uint8], indices: list[int], rows: list[int]) -> set[int]:
        """Decodes `rows` of `pixels` on the threads; returns the rows whose image is broken."""
        if self._pool is None:
            return set(self._fill(pixels, indices, rows))
        # A few parts a thread even out slow images without a task for each.
        parts = [rows[start :: self._threads * 4] for start in range(self._threads * 4)]
        try:
            futures = [self._pool.submit(self._fill, pixels, indices, part) for part in parts]
        except RuntimeError as error:  # at the system's limit of threads, or at the end of the interpreter
            raise DataError(
                f"No thread can be started to decode images ({error}): allow this user more threads or "
                "processes, or stop other programs."
            ) from error
        return {row for future in futures for row in future.result()}

    def _fill(self, pixels: NDArray[np.uint8], indices: list[int], rows: list[int]) -> list[int]:
        """Decodes `rows` of `pixels` here; returns the rows whose image is broken."""
        bad = []
        for row in rows:
            index = indices[row]
            try:
                data = self._read(index)
                pixels[row] = self._decode(data, self._preprocess_cfg, self._size)
            except DataError as error:
                self.skipped[index] = Skipped(self._source.names[index], str(error))
                bad.append(row)
                continue
            except ClipsanError:
                raise
            except Exception as error:  # noqa: BLE001 - not the image's fault: the run must end, with its name
                self._stopped(index, error)
            if self._cache is not None:
                self._cache[index] = pixels[row]
                self._cached[index] = True
        return bad

    def _read(self, index: int) -> bytes:
        try:
            return self._source.read(index)
        except DataError:
            self._lost.add(index)
            raise

    def _stopped(self, index: int, error: Exception) -> NoReturn:
        reason = Skipped(self._source.names[index], f"{type(error).__name__}: {error}")
        raise DataError(
            f"Reading images stopped at {reason.name} ({reason.reason}); the image is not at fault and "
            "was not skipped."
        ) from error


def available_cores() -> int:
    """Cores this process may use, which in a container are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
