"""Inversion: triggers found by optimising pixels against a model, where none is known.

    found = invert(suspect, images, names, classes, [Patch(8), Blend(0.04), Blend(0.12, 16)], seed=0)
    write_trigger_file(folder, [each.trigger for each in found if each.asr.rate > 0.7])

This room knows models and triggers, and nothing of files of images.
"""

from __future__ import annotations

from clipsan.inversion.invert import Found, Screening, invert
from clipsan.inversion.kinds import Blend, Kind, Masked, Patch
from clipsan.inversion.listed import Strips, Waves
from clipsan.inversion.moving import Warp
from clipsan.inversion.optimise import Effort
from clipsan.inversion.pixels import PixelModel
from clipsan.inversion.toning import Tones

__all__ = [
    "Blend",
    "Effort",
    "Found",
    "Kind",
    "Masked",
    "Patch",
    "PixelModel",
    "Screening",
    "Strips",
    "Tones",
    "Warp",
    "Waves",
    "invert",
]
