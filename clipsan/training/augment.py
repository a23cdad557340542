"""Image augmentation of a whole batch on its device, each image with its own randomness.

The default is what PAR's released code does: noise that is clipped to [0, 1] *before* it is added, so
that it only ever brightens (hence its name here), and one small square erased after normalising.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

NOISE_SIGMA = 0.2
ERASED_AREA = (0.005, 0.01)
_CHUNK = 64


def augment(
    pixels: Tensor,
    names: Sequence[str],
    mean: Sequence[float],
    std: Sequence[float],
    generator: torch.Generator,
) -> Tensor:
    """Augment and normalise a batch.

    Args:
        pixels: uint8 [b x 3 x h x w] on the device of `generator`.
        names: of `clipsan.training.settings.AUGMENTATIONS`; each hits an image with probability ½.
        mean: per channel, of pixels in [0, 1].
        std: per channel.
        generator: the source of all randomness.

    Returns:
        float32 [b x 3 x h x w], normalised.
    """
    images = pixels.to(torch.float32).div_(255)
    count = len(images)
    if "flip" in names:
        hit = _coins(count, generator)
        images[hit] = images[hit].flip(-1)
    if "brightening-noise" in names:
        # in chunks of a fixed size: the same numbers whatever the micro-batch, in bounded memory
        for part in _coins(count, generator).nonzero().flatten().split(_CHUNK):
            noise = torch.randn((len(part), *images.shape[1:]), generator=generator, device=images.device)
            images[part] += noise.mul_(NOISE_SIGMA).clamp_(0, 1)
    shape = (1, 3, 1, 1)
    images.sub_(torch.tensor(mean, device=images.device).view(shape))
    images.div_(torch.tensor(std, device=images.device).view(shape))
    if "erase" in names:
        _erase(images, generator)
    return images


def _coins(count: int, generator: torch.Generator) -> Tensor:
    return torch.rand(count, generator=generator, device=generator.device) < 0.5


def _erase(images: Tensor, generator: torch.Generator) -> None:
    """Zero one square of 0.5–1 % of the area in half of the images, in place."""
    count, _, height, width = images.shape
    device = images.device
    hit = _coins(count, generator)
    draws = torch.rand((count, 3), generator=generator, device=device)
    low, high = ERASED_AREA
    area = (low + (high - low) * draws[:, 0]) * height * width
    side = area.sqrt().round().clamp(1, min(height, width))
    top = (draws[:, 1] * (height - side + 1)).floor()
    left = (draws[:, 2] * (width - side + 1)).floor()
    rows = torch.arange(height, device=device).view(1, height, 1)
    columns = torch.arange(width, device=device).view(1, 1, width)
    inside = (rows >= top.view(-1, 1, 1)) & (rows < (top + side).view(-1, 1, 1))
    inside = inside & (columns >= left.view(-1, 1, 1)) & (columns < (left + side).view(-1, 1, 1))
    images.masked_fill_((inside & hit.view(-1, 1, 1)).unsqueeze(1), 0.0)
