"""One untrusted encoded image to pixels at the model's resolution, exactly as open_clip would see it.

Only JPEG, PNG and WebP are decoded; of an animation, the first frame. EXIF rotation is not applied, as
open_clip does not. One thing differs on purpose: 16-bit grey is scaled to 8 bits, where open_clip's
conversion turns nearly all of it white. The faster, not quite exact way for training is in
`training_images.py`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from torchvision.transforms import Normalize, ToTensor

from clipsan.errors import CheckpointError, DataError
from clipsan.pairs.captions import printable
from clipsan.pairs.headers import header_size

MAX_PIXELS = 64_000_000
MIN_SIDE = 8
MAX_ASPECT = 100
"""Scaling the short side to the model's makes the long side this much longer, before it is cropped."""

Geometry = Callable[[Image.Image], Image.Image]
"""Any picture -> an RGB picture at the model's resolution."""

_FORMATS = ("JPEG", "PNG", "WEBP")


def decode(
    data: bytes, preprocess_cfg: Mapping[str, Any], size: tuple[int, int], *, max_pixels: int = MAX_PIXELS
) -> NDArray[np.uint8]:
    """Decodes, resizes and crops one image.

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
    geometry = geometry_of(preprocess_cfg, size)
    claimed = claimed_size(data, max_pixels)
    with decoder_errors(), open_picture(data, claimed) as image:
        picture = geometry(eight_bit(image))
    return np.ascontiguousarray(np.asarray(picture, dtype=np.uint8).transpose(2, 0, 1))


def geometry_of(preprocess_cfg: Mapping[str, Any], size: tuple[int, int]) -> Geometry:
    """open_clip's evaluation transform, less its last two steps (to tensor, normalise).

    Raises:
        CheckpointError: `preprocess_cfg` has a value open_clip does not know.
    """
    fill = preprocess_cfg.get("fill_color") or 0
    return _geometry(
        size,
        preprocess_cfg.get("resize_mode") or "shortest",
        preprocess_cfg.get("interpolation") or "bicubic",
        tuple(fill) if isinstance(fill, list) else fill,
    )


@lru_cache(maxsize=16)
def _geometry(size: tuple[int, int], resize_mode: str, interpolation: str, fill_color: Any) -> Geometry:
    for key, value, known in (
        ("resize_mode", resize_mode, ("shortest", "longest", "squash")),
        ("interpolation", interpolation, ("bicubic", "bilinear", "random")),
    ):
        if value not in known:
            raise CheckpointError(
                f"The preprocess setting {key} is {value!r} in the model's configuration, and must be one of "
                f"{', '.join(known)}."
            )
    config = PreprocessCfg(
        size=size, resize_mode=resize_mode, interpolation=interpolation, fill_color=fill_color
    )
    *picture_steps, to_tensor, normalize = image_transform_v2(config, is_train=False).transforms
    if not (isinstance(to_tensor, ToTensor) and isinstance(normalize, Normalize)):
        raise TypeError("open_clip's transform no longer ends in ToTensor, Normalize")

    def apply(image: Image.Image) -> Image.Image:
        for step in picture_steps:
            image = step(image)
        return image

    return apply


def claimed_size(data: bytes, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """(width, height) of an encoded image that is worth decoding; DataError for any other."""
    width, height = size = header_size(data)
    if width * height > max_pixels:
        raise DataError(
            f"is too large ({width}x{height} pixels; the limit is {max_pixels / 1e6:.0f} million)"
        )
    if min(size) < MIN_SIDE:
        raise DataError(f"is too small ({width}x{height} pixels; each side must have {MIN_SIDE})")
    if max(size) > MAX_ASPECT * min(size):
        raise DataError(f"is too narrow ({width}x{height} pixels)")
    return size


@contextmanager
def decoder_errors() -> Iterator[None]:
    """Words whatever a decoder raises on an untrusted file as a DataError."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        reason = printable(f"{type(error).__name__}: {error}", limit=100)
        raise DataError(f"cannot be decoded ({reason})") from error


@contextmanager
def open_picture(data: bytes, claimed: tuple[int, int]) -> Iterator[Image.Image]:
    """The picture of an encoded file, of an animation the first frame; its pixels are not decoded yet."""
    with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
        if image.size != claimed:
            raise DataError("its header contradicts itself about the size")
        yield image


def eight_bit(image: Image.Image) -> Image.Image:
    """The image, decoded, with 8-bit channels and no transparency that conversion would warn about."""
    image.load()
    image.info.pop("transparency", None)
    if not image.mode.startswith("I"):
        return image
    grey = np.asarray(image).astype(np.int64) >> 8
    return Image.fromarray(cast("NDArray[np.uint8]", grey.clip(0, 255).astype(np.uint8)))
