"""Moving pixels in whole numbers: image warps that are the same on every platform.

An offset is kept in STEPS-ths of a pixel. A triggered pixel is the bilinear mix of the four pixels around
the place its offset points to, on whole weights that sum to STEPS squared; places outside move to the edge.
As a picture, offsets are a 16-bit grey PNG of the image's width and twice its height: the row offsets above
the column offsets, 32768 being none.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipsan.triggers.trigger import Trigger

STEPS = 256
"""Parts of a pixel in which offsets are kept."""

NONE = 32768
"""What a picture of offsets holds where a pixel stays."""


class WarpTrigger(Trigger):
    """Every image warped in the same way.

    Attributes:
        offsets: int64 [2, h, w], (row, column) in STEPS-ths of a pixel: where each pixel is taken from.
    """

    def __init__(
        self,
        name: str,
        target: str | None,
        image_size: tuple[int, int],
        offsets: NDArray[np.int64],
        settings: dict[str, Any],
    ) -> None:
        super().__init__(name, target, image_size)
        self.offsets = offsets
        self._settings = settings
        last = np.array(image_size).reshape(2, 1, 1) - 1
        place = np.clip(np.indices(image_size) * STEPS + offsets, 0, last * STEPS)
        near, part = np.divmod(place, STEPS)
        far = np.minimum(near + 1, last)
        self._taps = [
            (rows[0] * image_size[1] + columns[1], row_weight * column_weight)
            for rows, row_weight in ((near, STEPS - part[0]), (far, part[0]))
            for columns, column_weight in ((near, STEPS - part[1]), (far, part[1]))
        ]

    def alter(self, image: NDArray[np.uint8], index: int) -> None:
        pixels = image.reshape(3, -1).astype(np.int64)
        total = np.full(image.shape, STEPS * STEPS // 2, dtype=np.int64)
        for where, weight in self._taps:
            total += pixels[:, where] * weight
        image[...] = total // (STEPS * STEPS)

    def settings(self) -> dict[str, Any]:
        return dict(self._settings)


def to_picture(offsets: NDArray[np.int64]) -> NDArray[np.uint16]:
    """uint16 [2h, w] of offsets [2, h, w]; beyond 127 pixels they do not fit and are cut."""
    return np.clip(offsets + NONE, 0, 65535).astype(np.uint16).reshape(-1, offsets.shape[2])


def from_picture(picture: NDArray[np.int64]) -> NDArray[np.int64]:
    """Offsets int64 [2, h, w] of a picture [2h, w]."""
    return picture.reshape(2, -1, picture.shape[1]) - NONE
