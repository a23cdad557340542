"""Where a patch goes. A random place depends on the seed and the image's index only, so it is the same
in every batch, order, process and platform.
"""

from __future__ import annotations

import hashlib

Position = str | tuple[int, int]
"""An anchor's name, or (row, column) of the patch's upper left corner in px at the model's resolution."""

ANCHORS = ("random", "center", "top-left", "top-right", "bottom-left", "bottom-right")


def as_position(value: object) -> Position:
    """A position from a JSON or Python value; ValueError for anything else."""
    if isinstance(value, str) and value in ANCHORS:
        return value
    if isinstance(value, (list, tuple)) and len(value) == 2:
        row, column = value
        if type(row) is int and type(column) is int and row >= 0 and column >= 0:
            return (row, column)
    raise ValueError("not a position")


def fits(position: Position, patch: tuple[int, int], image: tuple[int, int]) -> bool:
    """Whether a patch of (height, width) lies wholly inside the image at this position."""
    row, column = (0, 0) if isinstance(position, str) else position
    return row + patch[0] <= image[0] and column + patch[1] <= image[1]


def corner(
    position: Position, patch: tuple[int, int], image: tuple[int, int], seed: int, index: int
) -> tuple[int, int]:
    """(row, column) of the upper left corner of a patch that fits; a centre rounds up and left."""
    rows, columns = image[0] - patch[0], image[1] - patch[1]
    if not isinstance(position, str):
        return position
    if position == "random":
        # 256 bits modulo the number of places: uniform to within 2**-230.
        digest = hashlib.sha256(f"clipsan place {seed} {index}".encode()).digest()
        return divmod(int.from_bytes(digest, "big") % ((rows + 1) * (columns + 1)), columns + 1)
    if position == "center":
        return rows // 2, columns // 2
    return (rows if "bottom" in position else 0), (columns if "right" in position else 0)
