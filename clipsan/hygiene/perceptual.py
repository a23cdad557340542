"""A perceptual hash: equal or nearly so for an image and its resized, recompressed copies.

The signs of the 8 x 8 lowest frequencies of the discrete cosine transform of a 32 x 32 grey copy against
their median (pHash; Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

SIDE = 32
LOW = 8
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def perceptual_hash(pixels: Tensor) -> Tensor:
    """int8 [n x 64] of -1 and 1, of uint8 [n x 3 x h x w]; the constant term is left out of the median."""
    grey = (pixels.float() * torch.tensor(_LUMA).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
    small = torch.nn.functional.interpolate(grey, (SIDE, SIDE), mode="area")[:, 0]
    basis = _cosines()
    low = (basis @ small @ basis.T).flatten(1)
    middle = low[:, 1:].median(dim=1, keepdim=True).values
    return torch.where(low > middle, 1, -1).to(torch.int8)


def _cosines() -> Tensor:
    """Rows of the DCT-II for the LOW lowest frequencies, [LOW x SIDE]."""
    frequency = torch.arange(LOW).float()[:, None]
    place = torch.arange(SIDE).float()[None]
    return torch.cos(math.pi * frequency * (2 * place + 1) / (2 * SIDE))
