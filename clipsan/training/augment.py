"""Image augmentation of a whole batch on its device, each image with its own randomness.

The default is what PAR's released code does: noise that is clipped to [0, 1] *before* it is added, so
that it only ever brightens (hence its name here), and one small square erased after normalising.

No step waits for an accelerator: shapes and indices never depend on what was drawn there. On the CPU, where
reading a draw costs nothing, noise is drawn only for the images that get it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from clipsan.training.patterns import put_patterns
from clipsan.training.processes import ALONE, Share
from clipsan.training.transfer import sent

NOISE_SIGMA = 0.2
ERASED_AREA = (0.005, 0.01)
_CHUNK = 64


def augment(
    pixels: Tensor,
    names: Sequence[str],
    mean: Sequence[float],
    std: Sequence[float],
    generator: torch.Generator,
    share: Share | None = None,
) -> Tensor:
    """Augment and normalise a batch.

    Args:
        pixels: uint8 [b x 3 x h x w] on the device of `generator`.
        names: of `clipsan.training.settings.AUGMENTATIONS`; each hits an image with probability ½.
        mean: per channel, of pixels in [0, 1].
        std: per channel.
        generator: the source of all randomness.
        share: which rows of a batch `pixels` are; what is drawn is then drawn for all. None: all of them.

    Returns:
        float32 [b x 3 x h x w], normalised.
    """
    share = share or ALONE.share(len(pixels))
    if "flip" in names:
        pixels = torch.where(
            _coins(pixels, generator, share)[share.rows].view(-1, 1, 1, 1), pixels.flip(-1), pixels
        )
    images = pixels.to(torch.float32).div_(255)
    if "patterns" in names:
        put_patterns(images, generator, share)
    if "brightening-noise" in names:
        _brighten(images, generator, share)
    images.sub_(sent(torch.tensor(mean).view(1, 3, 1, 1), images.device))
    images.div_(sent(torch.tensor(std).view(1, 3, 1, 1), images.device))
    if "erase" in names:
        _erase(images, generator, share)
    return images


def _coins(images: Tensor, generator: torch.Generator, share: Share) -> Tensor:
    """bool [share.of], each true with probability ½."""
    return torch.rand(share.of, generator=generator, device=images.device) < 0.5


def _brighten(images: Tensor, generator: torch.Generator, share: Share) -> None:
    """Add clipped noise to half of the images, in place."""
    device = images.device
    hit = _coins(images, generator, share)
    on_host = device.type == "cpu"
    rows = hit.nonzero().flatten() if on_host else torch.arange(share.of, device=device)
    # in chunks of a fixed size: the same numbers whatever the micro-batch, in bounded memory
    for part in rows.split(_CHUNK):
        noise = torch.randn((len(part), *images.shape[1:]), generator=generator, device=device)
        if len(images) < share.of:
            ours = (part >= share.start) & (part < share.stop)
            part, noise = part[ours], noise[ours]
        noise.mul_(NOISE_SIGMA).clamp_(0, 1)
        if not on_host:
            noise.mul_(hit[part].view(-1, 1, 1, 1))
        images.index_add_(0, part - share.start, noise)


def _erase(images: Tensor, generator: torch.Generator, share: Share) -> None:
    """Zero one square of 0.5–1 % of the area in half of the images, in place."""
    count, _, height, width = images.shape
    device = images.device
    hit = _coins(images, generator, share)[share.rows]
    draws = torch.rand((share.of, 3), generator=generator, device=device)[share.rows]
    low, high = ERASED_AREA
    area = (low + (high - low) * draws[:, 0]) * height * width
    side = area.sqrt().round().clamp(1, min(height, width))
    top = (draws[:, 1] * (height - side + 1)).floor()
    left = (draws[:, 2] * (width - side + 1)).floor()
    # [b, n] rows and columns of each square, n of the largest one; a smaller one repeats its last
    largest = max(1, min(height, width, round((high * height * width) ** 0.5)))
    steps = torch.minimum(torch.arange(largest, device=device), side.view(-1, 1) - 1)
    rows = (top.view(-1, 1) + steps).long()
    columns = (left.view(-1, 1) + steps).long()
    which = torch.arange(count, device=device).view(-1, 1, 1)
    square = (which, slice(None), rows.unsqueeze(2), columns.unsqueeze(1))
    images[square] = images[square].masked_fill_(hit.view(-1, 1, 1, 1), 0.0)
