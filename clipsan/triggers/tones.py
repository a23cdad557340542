"""Colour filters in whole numbers: what each grey level of each channel becomes, on every image alike.

As a picture, a filter is an RGB PNG of 256x1 px: pixel v holds what red, green and blue of v become.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipsan.triggers.trigger import Trigger

LEVELS = 256


class ToneTrigger(Trigger):
    """A tone curve for each channel.

    Attributes:
        table: uint8 [3, 256], what each grey level of each channel becomes.
    """

    def __init__(
        self,
        name: str,
        target: str | None,
        image_size: tuple[int, int],
        table: NDArray[np.uint8],
        settings: dict[str, Any],
    ) -> None:
        super().__init__(name, target, image_size)
        self.table = table
        self._settings = settings

    def alter(self, image: NDArray[np.uint8], index: int) -> None:
        for channel, curve in zip(image, self.table, strict=True):
            channel[...] = curve[channel]

    def settings(self) -> dict[str, Any]:
        return dict(self._settings)


def to_strip(table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8 [1, 256, 3] of a table [3, 256]."""
    return np.ascontiguousarray(table.T[None])


def from_strip(picture: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The table of a picture [1, 256, 3]."""
    return np.ascontiguousarray(picture[0].T.astype(np.uint8))
