"""The kinds of triggers that a scan tries, and how hard it tries.

No single bound serves (measured in docs/scan.md): a small patch finds planted patches, a weak blend of full
resolution finds fine-grained patterns over the whole image, a stronger but smooth one finds smooth patterns.
Each is so tight that a model without a backdoor cannot be led far by it.
"""

from __future__ import annotations

from dataclasses import dataclass

from clipsan.inversion.kinds import Blend, Kind, Patch
from clipsan.inversion.optimise import Effort

PATCH_SHARE = 8  # a patch's side is the image's, divided by this
SMOOTH_GRID = 16


@dataclass(frozen=True)
class Rung:
    """One kind of the ladder, with the name that calibrations know it by."""

    name: str
    kind: Kind


@dataclass(frozen=True)
class ScanEffort:
    """How hard a scan tries.

    Attributes:
        images: unlabelled images used at most; a third of them, at most 256, is only measured on.
        patterns: of the inversion of each class.
        class_free: of the inversion without classes.
        words: how many of the vocabulary's tokens are tried.
    """

    images: int
    patterns: Effort
    class_free: Effort
    words: int


EFFORTS = {
    "quick": ScanEffort(288, Effort(8, 12, 0.2), Effort(60, 16, 0.15), 4_000),
    "normal": ScanEffort(384, Effort(20, 16, 0.15), Effort(100, 16, 0.1), 12_000),
    "thorough": ScanEffort(1536, Effort(50, 48, 0.1), Effort(300, 32, 0.1), 1_000_000),
}


def ladder(image_size: tuple[int, int]) -> tuple[Rung, ...]:
    """The rungs at a resolution of (height, width) px."""
    side = min(image_size)
    return (
        Rung("patch", Patch(max(2, side // PATCH_SHARE))),
        Rung("fine", Blend(0.04)),
        Rung("smooth", Blend(0.12, min(SMOOTH_GRID, side))),
    )
