"""The ladder of a scan: kinds of triggers from small and fine to coarse, and how hard to try each.

No single bound serves. Small opaque patches find planted patches, a weak blend of full resolution finds fine
patterns over the whole image, a stronger but smooth one finds smooth patterns, and warps and colour filters
are kinds of their own. Strips and waves are strong, but there are few, and none is made for the model. How
far each leads a model without a backdoor is what the calibration knows.

Bounds are set against clean models (`docs/scan.md` has the table); the strength of `waves` is that of SIG.
"""

from __future__ import annotations

from dataclasses import dataclass

from clipsan.inversion.kinds import Blend, Kind, Patch
from clipsan.inversion.listed import Strips, Waves
from clipsan.inversion.moving import Warp
from clipsan.inversion.optimise import Effort
from clipsan.inversion.toning import Tones

PATCH_SHARE = 8  # a patch's side is the image's, divided by this
SMOOTH_GRID = 16
WARP_REACH = 2.0  # px at any resolution, as WaNet's strength is
WIDE_BLEND, WIDE_REACH = 0.12, 3.0  # of what is refined
LARGER_SHARES = 4, 2  # of the side, of larger patches
STRIP_SHARE = 32  # a strip's width is the side, divided by this


@dataclass(frozen=True)
class Rung:
    """One kind of the ladder.

    Attributes:
        name: that calibrations know it by.
        kind: of trigger.
        costly: whether training on images that carry such a trigger costs accuracy.
        strong: whether clean models, too, call a third or more of all images one class under it, so that
            its attack success alone tells of no backdoor.
        wide: the kind that a trigger is refined by, once its class stands out and nothing is to be told from
            chance any more; None: nothing to optimise.
        larger: kinds for larger triggers of the same make, which the rung's own may be a small part of.
    """

    name: str
    kind: Kind
    costly: bool = False
    strong: bool = False
    wide: Kind | None = None
    larger: tuple[Kind, ...] = ()


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
    patch, tones = Patch(max(2, side // PATCH_SHARE)), Tones(0.1)
    larger = tuple(Patch(max(2, side // share)) for share in LARGER_SHARES)
    return (
        Rung("patch", patch, wide=patch, larger=larger),
        Rung("fine", Blend(0.04), wide=Blend(WIDE_BLEND)),
        Rung("smooth", Blend(0.12, min(SMOOTH_GRID, side)), costly=True, wide=Blend(WIDE_BLEND)),
        Rung("warp", Warp(WARP_REACH), costly=True, wide=Warp(WIDE_REACH)),
        Rung("tones", tones, costly=True, strong=True, wide=tones),
        Rung("strips", Strips(max(2, side // STRIP_SHARE)), strong=True, larger=larger),
        Rung("waves", Waves(0.47), costly=True, strong=True),
    )
