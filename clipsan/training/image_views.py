"""Augmented views of images, for methods that compare an image with a changed copy of itself.

One row for each kind in `IMAGE_VIEWS`. torchvision makes them, where the images are, one by one: each image
has its own draws, which come from the seed alone, not from the micro-batch nor from what else draws random
numbers. On one CPU core a view of 224 by 224 pixels takes 1 ms (autoaugment) or 14 ms (crop-colour-blur).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torchvision.transforms import v2

from clipsan.methods.batch import ImageViews
from clipsan.training.processes import Share

BLUR = (21, 0.1, 2.0)
"""Kernel and range of sigma of the blur, in pixels of an image of 224 by 224."""


def image_view(pixels: Tensor, kind: ImageViews, seed: int, share: Share | None = None) -> Tensor:
    """A view of each image.

    Args:
        pixels: uint8 [b x 3 x h x w].
        kind: a name of `IMAGE_VIEWS`.
        seed: of all draws.
        share: which rows of a batch `pixels` are; the others' draws are passed over. None: all of them.

    Returns:
        uint8 [b x 3 x h x w], where `pixels` are.
    """
    change = IMAGE_VIEWS[kind](pixels.shape[-2], pixels.shape[-1])
    with torch.random.fork_rng(devices=[]):  # torchvision draws from torch's own stream, which goes on after
        torch.manual_seed(seed)
        for _ in range(0 if share is None else share.start):
            change(torch.empty_like(pixels[0], device="meta"))  # draws as for any image, computes nothing
        return torch.stack([change(image) for image in pixels])


def _autoaugment(height: int, width: int) -> Callable[[Tensor], Tensor]:
    """AutoAugment's policy for ImageNet (arXiv 1805.09501), CleanCLIP's choice."""
    policy: Callable[[Tensor], Tensor] = v2.AutoAugment(v2.AutoAugmentPolicy.IMAGENET)
    return policy


def _crop_colour_blur(height: int, width: int) -> Callable[[Tensor], Tensor]:
    """RoCLIP's: flip, crop and resize, colour jitter on four of five, one of five grey, blur."""
    scale = min(height, width) / 224
    kernel = max(3, 2 * round(BLUR[0] * scale / 2) + 1)
    change: Callable[[Tensor], Tensor] = v2.Compose(
        [
            v2.RandomHorizontalFlip(),
            v2.RandomResizedCrop((height, width), antialias=True),
            v2.RandomApply([v2.ColorJitter(brightness=0.5, contrast=0.5, saturation=0.5, hue=0.1)], p=0.8),
            v2.RandomGrayscale(p=0.2),
            v2.GaussianBlur(kernel, (BLUR[1] * scale, BLUR[2] * scale)),
        ]
    )
    return change


IMAGE_VIEWS: Mapping[ImageViews, Callable[[int, int], Callable[[Tensor], Tensor]]] = {
    "autoaugment": _autoaugment,
    "crop-colour-blur": _crop_colour_blur,
}
