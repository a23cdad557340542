"""What an image has besides its content: fine structure, with the mean spectrum of the set divided out.

A natural image's spectrum falls off steeply (about 1/f; Field 1987), so plain pixels are dominated by broad
shades of the content. Dividing by the set's mean amplitude at each frequency (a whitening filter, the same
for all images) makes content nearly uncorrelated between images, while a pattern stamped on several of
them stays the same in each and adds up.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

SIDE = 64
CLIP = 3.0  # of an image's mean absolute value: one bright edge must not be all that is seen of it
SIZES = (1 / 14, 1 / 10, 1 / 8)  # of the short side: 16, 22 and 28 px of 224
MOST = 3  # windows of each size in an image, those with the most energy
CELLS = 8  # a larger window is averaged to so many cells a side
_FLOOR = 1e-3  # of the largest amplitude


def shrunk(pixels: Tensor) -> Tensor:
    """uint8 [n x 3 x s x s'] with both sides at most SIDE, by area averaging."""
    size = [min(SIDE, side) for side in pixels.shape[-2:]]
    if list(pixels.shape[-2:]) == size:
        return pixels.clone()
    return F.interpolate(pixels.float(), size, mode="area").round().to(torch.uint8)


def mean_amplitude(pixels: Tensor, block: int = 512) -> Tensor:
    """Root mean square amplitude at each frequency and channel, [3 x h x w/2+1], with a floor."""
    power = torch.zeros(1)
    for start in range(0, len(pixels), block):
        power = power + torch.fft.rfft2(_centred(pixels[start : start + block])).abs().square().sum(dim=0)
    amplitude = (power / max(1, len(pixels))).sqrt()
    return amplitude + max(_FLOOR * float(amplitude.max()), 1e-6)


def whiten(pixels: Tensor, amplitude: Tensor) -> Tensor:
    """float32 [n x 3 x h x w] of uint8 pixels, every frequency of equal weight."""
    spectrum = torch.fft.rfft2(_centred(pixels)) / amplitude
    white: Tensor = torch.fft.irfft2(spectrum, s=pixels.shape[-2:])
    return white


def _centred(pixels: Tensor) -> Tensor:
    values = pixels.float()
    return values - values.mean(dim=(-1, -2), keepdim=True)


@dataclass(frozen=True)
class View:
    """Whole images as unit vectors in which a pattern over the image adds up.

    Attributes:
        amplitude: of the set.
        rows: float32 [n x d], unit length.
    """

    amplitude: Tensor
    rows: Tensor

    @classmethod
    def of(cls, views: Tensor) -> View:
        """From uint8 [n x 3 x s x s]."""
        amplitude = mean_amplitude(views)
        rows = torch.cat([unit_rows(views[i : i + 512], amplitude) for i in range(0, len(views), 512)])
        return cls(amplitude, rows)


def unit_rows(views: Tensor, amplitude: Tensor) -> Tensor:
    """float32 [n x d] of uint8 [n x 3 x s x s]: whitened, clipped, unit length (zeros for a flat image)."""
    white = whiten(views, amplitude)
    scale = white.abs().mean(dim=(1, 2, 3), keepdim=True).clamp_min(1e-12)
    return F.normalize((white / scale).clamp(-CLIP, CLIP).flatten(1), dim=1)


@dataclass(frozen=True)
class Windows:
    """Cuts out the places of an image with the most fine structure: where a patch would be.

    Attributes:
        amplitude: mean amplitude of some images of the set, at the model's resolution.
        sizes: sides of the windows in pixels.
    """

    amplitude: Tensor
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, pixels: Tensor) -> Windows:
        """For images like these, uint8 [n x 3 x h x w]."""
        short = min(pixels.shape[-2:])
        return cls(mean_amplitude(pixels), tuple(sorted({max(4, round(short * size)) for size in SIZES})))

    def cut(self, pixels: Tensor) -> list[Tensor]:
        """For each size: unit vectors float32 [n x MOST x 3 c c], c = min(size, CELLS) a side."""
        if not len(pixels):  # which torch's Fourier transform refuses
            return [torch.zeros(0, MOST, 3 * min(size, CELLS) ** 2) for size in self.sizes]
        white = whiten(pixels, self.amplitude)
        white = white / white.std(dim=(1, 2, 3), keepdim=True).clamp_min(1e-6)
        energy = white.square().sum(dim=1, keepdim=True)
        return [self._strongest(white, energy, size) for size in self.sizes]

    @staticmethod
    def _strongest(white: Tensor, energy: Tensor, size: int) -> Tensor:
        local = F.avg_pool2d(F.avg_pool2d(energy, (size, 1), 1), (1, size), 1)[
            :, 0
        ]  # separable: 2 size steps
        n, height, width = local.shape
        rows, columns, steps = torch.arange(height), torch.arange(width), torch.arange(size)
        image = torch.arange(n)[:, None, None, None]
        channel = torch.arange(3)[None, :, None, None]
        found = []
        for _ in range(MOST):
            top = local.flatten(1).argmax(dim=1)
            y, x = top // width, top % width
            window = white[
                image, channel, (y[:, None] + steps)[:, None, :, None], (x[:, None] + steps)[:, None, None, :]
            ]
            if size > CELLS:
                window = F.adaptive_avg_pool2d(window, CELLS)
            vector = window.flatten(1)
            found.append(F.normalize(vector - vector.mean(dim=1, keepdim=True), dim=1))
            near_y = (rows[None] - y[:, None]).abs() < size
            near_x = (columns[None] - x[:, None]).abs() < size
            local = local.masked_fill(near_y[:, :, None] & near_x[:, None, :], -1.0)
        return torch.stack(found, dim=1)
