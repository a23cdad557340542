"""Triggered copies of a batch's images, beside the clean ones they are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from clipsan.triggers import Trigger


class TriggeredCopies:
    """Puts each carrier's trigger on a copy of its image.

    A random place depends on the trigger's seed and the image's index, so a carrier looks the same in every
    epoch, and two carriers do not.
    """

    def __init__(self, carriers: Mapping[int, Trigger]) -> None:
        """`carriers`: index -> the trigger on that image, made for images of the batches' size."""
        self._carriers = dict(carriers)

    def __bool__(self) -> bool:
        """Whether there is any carrier."""
        return bool(self._carriers)

    def rows(self, indices: Sequence[int]) -> list[int]:
        """Which of a batch's images are carriers."""
        return [row for row, index in enumerate(indices) if index in self._carriers]

    def of(self, pixels: Tensor, indices: Sequence[int]) -> tuple[Tensor, list[int]]:
        """The triggered copies of a batch's carriers, in the order of the batch.

        Args:
            pixels: uint8 [b x 3 x h x w]; stays as it is.
            indices: of those images, [b].

        Returns:
            uint8 [p x 3 x h x w] and the indices of their pairs, [p], p <= b.
        """
        rows = self.rows(indices)
        copies = pixels[rows]
        place: dict[int, tuple[Trigger, list[int]]] = {}
        for number, row in enumerate(rows):
            trigger = self._carriers[indices[row]]
            place.setdefault(id(trigger), (trigger, []))[1].append(number)
        carried = [indices[row] for row in rows]
        for trigger, numbers in place.values():
            copies[numbers] = trigger.apply(copies[numbers], [carried[number] for number in numbers])
        return copies, carried
