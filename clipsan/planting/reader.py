"""Training images of which some carry a trigger, put on after decoding at the model's resolution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from clipsan.pairs import ImageReader, ImageSource
from clipsan.triggers import Trigger


class PoisonedReader(ImageReader):
    """An `ImageReader` for training that puts each carrier's trigger on it.

    A random place depends on the trigger's seed and the image's index, so a carrier looks the same in every
    epoch, and two carriers do not.
    """

    def __init__(
        self,
        source: ImageSource,
        preprocess_cfg: Mapping[str, Any],
        size: tuple[int, int],
        carriers: Mapping[int, Trigger],
    ) -> None:
        """`carriers`: index -> the trigger on that image, made for images of `size`."""
        super().__init__(source, preprocess_cfg, size, exact=False)
        self._carriers = dict(carriers)

    def batch(self, indices: Sequence[int]) -> tuple[Tensor, list[int]]:
        """As `ImageReader.batch`, with the triggers on."""
        pixels, good = super().batch(indices)
        rows_of: dict[int, tuple[Trigger, list[int]]] = {}
        for row, index in enumerate(good):
            if (trigger := self._carriers.get(index)) is not None:
                rows_of.setdefault(id(trigger), (trigger, []))[1].append(row)
        for trigger, rows in rows_of.values():
            pixels[rows] = trigger.apply(pixels[rows], [good[row] for row in rows])
        return pixels, good
