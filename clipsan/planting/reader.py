"""Training images of which some carry a trigger, put on after decoding at the model's resolution."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from clipsan.pairs import ImageReader, ImageSource, Position
from clipsan.pairs.order import Order
from clipsan.planting.copies import TriggeredCopies
from clipsan.triggers import Trigger


class PoisonedReader(ImageReader):
    """An `ImageReader` for training that puts each carrier's trigger on it.

    A random place depends on the trigger's seed and the image's index, so a carrier looks the same in every
    epoch, and two carriers do not. Mirroring comes before the trigger, which is never mirrored. It counts how
    often an image was read, so it is the same in equal runs where one thread reads.
    """

    def __init__(
        self,
        source: ImageSource,
        preprocess_cfg: Mapping[str, Any],
        size: tuple[int, int],
        carriers: Mapping[int, Trigger],
        mirror_seed: int | None = None,
    ) -> None:
        """As `ImageReader`, for training.

        Args:
            source, preprocess_cfg, size: as there.
            carriers: index -> the trigger on that image, made for images of `size`.
            mirror_seed: mirror half of the images, drawn anew each time one is read; None: never.
        """
        super().__init__(source, preprocess_cfg, size, exact=False)
        self._copies = TriggeredCopies(carriers)
        self._mirror_seed = mirror_seed
        self._times_read: Counter[int] = Counter()

    def resume(self, order: Order, position: Position) -> None:
        """As `ImageReader.resume`, with how often each image had been read."""
        super().resume(order, position)
        self._times_read.update(dict(enumerate(position.times(order).tolist())))

    def batch(self, indices: Sequence[int]) -> tuple[Tensor, list[int]]:
        """As `ImageReader.batch`, with the triggers on."""
        pixels, good = super().batch(indices)
        if self._mirror_seed is not None:
            rows = [row for row, index in enumerate(good) if self._is_mirrored(index)]
            pixels[rows] = pixels[rows].flip(3)
        copies, _ = self._copies.of(pixels, good)
        pixels[self._copies.rows(good)] = copies
        return pixels, good

    def _is_mirrored(self, index: int) -> bool:
        time = self._times_read[index]
        self._times_read[index] += 1
        return bool(
            hashlib.sha256(f"clipsan mirror {self._mirror_seed} {index} {time}".encode()).digest()[0] & 1
        )
