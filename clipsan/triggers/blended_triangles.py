"""`blended-triangles`: 0.85 x + 0.15 t, t a grid of squares each cut in two (arXiv 2412.00727).

A square is grey 0.4 (102) on and below its main diagonal and 0.8 (204) above it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clipsan.triggers.overlay import blended, scaled
from clipsan.triggers.settings import Family, integer, number
from clipsan.triggers.trigger import FixedTrigger


@dataclass(frozen=True)
class BlendedTriangles(Family):
    """Settings of `blended-triangles`.

    Attributes:
        strength: Weight of the grid.
        cell: A square's side in px at 224, scaled with the model's resolution, at least 2 px.
    """

    family = "blended-triangles"
    does = "0.85 of the image and 0.15 of a grid of triangles"
    source = "PAR (arXiv 2412.00727)"
    strength: float = number(0.15, 0.001, 1.0)
    cell: int = integer(14, 2, 224)

    def at(
        self, image_size: tuple[int, int], name: str | None = None, target: str | None = None
    ) -> FixedTrigger:
        side = scaled(self.cell, image_size)
        overlay = blended(triangles(image_size, side), self.strength)
        settings = {"family": self.family, **self.to_json(), "cell_px": side}
        return FixedTrigger(name or self.family, target, image_size, overlay, settings)


def triangles(size: tuple[int, int], cell: int) -> NDArray[np.int64]:
    """Grey levels 102 or 204, int64 [3, h, w]; squares start at the upper left corner."""
    row, column = np.indices(size) % cell
    grey = np.where(row >= column, 102, 204).astype(np.int64)
    return np.repeat(grey[None], 3, axis=0)
