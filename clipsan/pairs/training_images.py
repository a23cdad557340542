"""One untrusted encoded image to pixels for training: nearly open_clip's picture, at a fraction of the work.

Two things differ from `images.decode`, and only for RGB and grey pictures under the two usual geometries
(the short side to a square, or both sides squashed):

- A JPEG is decoded at 1/2, 1/4 or 1/8 of its size where that still has every pixel the resized picture
  needs: libjpeg computes the smaller picture from the coefficients, and never computes the larger one.
- torch resizes, with the filters of Pillow in vector instructions; a channel differs by 2 of 255 at most.

All else (palettes, transparency, CMYK, 16 bits, other geometries) takes the exact way. The result does not
depend on the number of threads, nor on simplejpeg (extra `speed`): that only decodes the same pixels with
less work around it, and what it refuses or warns about is left to Pillow to judge.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from clipsan.pairs.headers import jpeg_channels
from clipsan.pairs.images import (
    MAX_PIXELS,
    claimed_size,
    decode,
    decoder_errors,
    eight_bit,
    geometry_of,
    open_picture,
)

REDUCTIONS = (8, 4, 2)
"""What both Pillow's draft mode and libjpeg's fast transforms can divide the sides by."""

_PLAIN = ("RGB", "L")


def decode_for_training(
    data: bytes, preprocess_cfg: Mapping[str, Any], size: tuple[int, int], *, max_pixels: int = MAX_PIXELS
) -> NDArray[np.uint8]:
    """Decodes, resizes and crops one image.

    The mean difference to `decode` is 1 to 3 of 255, by sharpness, where a JPEG was decoded smaller, and
    below 0.3 elsewhere (`docs/input.md`).

    Args:
        data: the encoded file.
        preprocess_cfg: open_clip's (`resize_mode`, `interpolation`, `fill_color`; the rest is not used).
        size: (height, width) of the model's input.

    Returns:
        uint8 [3, height, width], RGB.

    Raises:
        DataError: why this image cannot be used, worded to follow its name.
        CheckpointError: `preprocess_cfg` has a value open_clip does not know.
    """
    geometry = geometry_of(preprocess_cfg, size)  # checks the settings, too
    claimed = claimed_size(data, max_pixels)
    resized = resized_size(claimed, size, preprocess_cfg.get("resize_mode") or "shortest")
    if resized is None:
        return decode(data, preprocess_cfg, size, max_pixels=max_pixels)
    plain_jpeg = jpeg_channels(data) in (1, 3)
    factor = reduction(claimed, resized) if plain_jpeg else 1
    with decoder_errors():
        pixels = _decode_jpeg(data, claimed, factor) if plain_jpeg else None
        if pixels is None:
            with open_picture(data, claimed) as image:
                if image.mode not in _PLAIN:
                    return _channels_first(np.asarray(geometry(eight_bit(image)), dtype=np.uint8))
                if factor > 1:
                    image.draft(None, (claimed[0] // factor, claimed[1] // factor))
                picture = eight_bit(image)
                pixels = np.array(picture if picture.mode == "RGB" else picture.convert("RGB"))
    kernel = "bilinear" if preprocess_cfg.get("interpolation") == "bilinear" else "bicubic"
    true = (claimed[1] / factor, claimed[0] / factor)
    return _fit(torch.from_numpy(pixels), true, resized, size, kernel)


def resized_size(picture: tuple[int, int], size: tuple[int, int], resize_mode: str) -> tuple[int, int] | None:
    """(height, width) that open_clip resizes `picture` (width, height) to before it crops.

    None for the geometries that are left to open_clip.
    """
    width, height = picture
    if resize_mode == "squash":
        return size
    if resize_mode != "shortest" or size[0] != size[1]:
        return None
    long = size[0] * max(picture) // min(picture)
    return (long, size[0]) if width <= height else (size[0], long)


def reduction(picture: tuple[int, int], resized: tuple[int, int]) -> int:
    """The largest power of two (8 at most) that divides `picture` (width, height) and leaves both sides
    no smaller than `resized` (height, width)."""
    width, height = picture
    return next((r for r in REDUCTIONS if width // r >= resized[1] and height // r >= resized[0]), 1)


def _decode_jpeg(data: bytes, claimed: tuple[int, int], factor: int) -> NDArray[np.uint8] | None:
    """uint8 [h, w, 3] of a JPEG at 1/`factor`, rounded up; None where Pillow has to do or refuse it."""
    decoder = _simplejpeg()
    if decoder is None:
        return None
    width, height = (-(-side // factor) for side in claimed)
    # the buffer bounds what is decoded, whatever a second header may claim
    buffer = np.empty((height, width, 3), np.uint8)
    try:
        pixels: NDArray[np.uint8] = decoder(
            data, "RGB", min_height=height, min_width=width, min_factor=float(factor), buffer=buffer
        )
    except ValueError:
        return None
    return pixels if pixels.shape == buffer.shape else None


@lru_cache(maxsize=1)
def _simplejpeg() -> Callable[..., Any] | None:
    """simplejpeg's decoder, where it is installed."""
    try:
        decoder: Callable[..., Any] = importlib.import_module("simplejpeg").decode_jpeg
    except ImportError:
        return None
    return decoder


def _fit(
    pixels: Tensor, true: tuple[float, float], resized: tuple[int, int], size: tuple[int, int], kernel: str
) -> NDArray[np.uint8]:
    """Resizes and crops to the middle: uint8 [h, w, 3] to [3, height, width].

    Args:
        true: (height, width) that the picture has in `pixels`, whose last row and column may lie partly
            beyond it: a JPEG's sides need not be multiples of the factor it was reduced by.
    """
    image = pixels.permute(2, 0, 1)[None]
    if tuple(image.shape[2:]) == true:
        if true != resized:
            image = F.interpolate(image, size=resized, mode=kernel, antialias=True)
    else:  # torch rounds the size down, and it must not fall below a whole number by an error of rounding
        scale = [to / have * (1 + 1e-12) for to, have in zip(resized, true, strict=True)]
        image = F.interpolate(image, scale_factor=scale, mode=kernel, antialias=True)
    # rounded half to even, as torchvision's CenterCrop
    top, left = round((resized[0] - size[0]) / 2), round((resized[1] - size[1]) / 2)
    return np.ascontiguousarray(image[0, :, top : top + size[0], left : left + size[1]].numpy())


def _channels_first(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))
