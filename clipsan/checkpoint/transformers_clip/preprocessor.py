"""`preprocessor_config.json` of a transformers CLIP -> open_clip's `preprocess_cfg`.

Both libraries make a square image, by resizing the shorter side and cutting the middle out ("shortest") or by
resizing both sides ("squash"), and then subtract a mean and divide by a deviation. What differs from that is
refused where it changes every image, and said where it changes only how an image is cut.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clipsan.checkpoint.config import DEFAULT_PREPROCESS, LARGEST_CONFIG, OPENAI_MEAN, OPENAI_STD
from clipsan.checkpoint.transformers_clip.fields import Fields, read_object

PREPROCESSOR_NAME = "preprocessor_config.json"
PROCESSOR_NAME = "processor_config.json"  # transformers 5 puts the former into it, as "image_processor"
INTERPOLATIONS = {2: "bilinear", 3: "bicubic"}  # by the numbers of PIL
RESCALE = 1 / 255
LARGEST_SIDE = 8192
Size = tuple[int, int]  # height, width


def read_preprocessor(folder: Path, image_size: int) -> tuple[dict[str, Any], tuple[str, ...]]:
    """How images are prepared, and what is to be said of it.

    Args:
        folder: the checkpoint.
        image_size: pixels of a side, as the model takes them.

    Returns:
        A complete `preprocess_cfg`, and lines of evidence.

    Raises:
        CheckpointError: an impossible value, or a preparation that open_clip has no equal for.
    """
    found = _find(folder)
    if found is None:
        line = f"no {PREPROCESSOR_NAME}: mean and std of the pixels are OpenAI's, as transformers assumes"
        return dict(DEFAULT_PREPROCESS), (line,)
    mean, std = _normalisation(found)
    mode, remarks = _resize_mode(found, image_size)
    number = found.count("resample", 3, 255)
    if number not in INTERPOLATIONS:
        found.refuse("resample", "and clipsan resizes by 2 (bilinear) and 3 (bicubic)")
    cfg = {"mean": mean, "std": std, "interpolation": INTERPOLATIONS[number], "resize_mode": mode}
    return DEFAULT_PREPROCESS | cfg, (f"preparation of the pixels: from {found.where}", *remarks)


def _find(folder: Path) -> Fields | None:
    """The settings where transformers 5 looks for them first, then where older versions do."""
    if (folder / PROCESSOR_NAME).is_file():
        outer = Fields(read_object(folder / PROCESSOR_NAME, LARGEST_CONFIG), PROCESSOR_NAME)
        if "image_processor" in outer.found:
            return outer.inner("image_processor")
    if (folder / PREPROCESSOR_NAME).is_file():
        return Fields(read_object(folder / PREPROCESSOR_NAME, LARGEST_CONFIG), PREPROCESSOR_NAME)
    return None


def _normalisation(found: Fields) -> tuple[list[float], list[float]]:
    """Mean and deviation per channel, for pixels in [0, 1]."""
    factor = found.number("rescale_factor", RESCALE, 0, 1e6)
    if not found.flag("do_rescale", True):
        found.refuse("do_rescale", "and a CLIP of open_clip takes pixels in [0, 1]")
    if abs(factor - RESCALE) > 1e-6 * RESCALE:
        found.refuse(
            "rescale_factor", "and a CLIP of open_clip takes pixels in [0, 1], for which it is 1/255"
        )
    mean = found.three("image_mean", OPENAI_MEAN, -10, 10)
    std = found.three("image_std", OPENAI_STD, 1e-6, 10)
    return (mean, std) if found.flag("do_normalize", True) else ([0.0] * 3, [1.0] * 3)


def _resize_mode(found: Fields, image_size: int) -> tuple[str, list[str]]:
    """ "shortest" or "squash", and where the file's own way differs from open_clip's."""
    side, both = _size(found)
    crop = _crop(found) if found.flag("do_center_crop", True) else None
    final = crop or both
    remarks = []
    if not found.flag("do_resize", True):
        remarks.append(f"images are not resized by {found.where}, and are here")
    elif final is None:
        remarks.append(f"images are not made square by {found.where}, and are here")
    elif side is not None and crop is not None and side != min(crop):
        remarks.append(
            f"images are resized to {side} pixels by {found.where} before the middle is cut out, here not"
        )
    if final is not None and final != (image_size, image_size):
        remarks.append(
            f"images of {final[0]} x {final[1]} pixels in {found.where}: not used, the model takes"
            f" {image_size} x {image_size}"
        )
    squashed = both is not None and (crop is None or crop == both)
    if both is not None and not squashed:
        remarks.append(
            f"images are resized to {both[0]} x {both[1]} by {found.where} before they are cut, here not"
        )
    return "squash" if squashed else "shortest", remarks


def _size(found: Fields) -> tuple[int | None, Size | None]:
    """(pixels of the shorter side, None) or (None, height and width)."""
    if not isinstance(found.found.get("size"), dict):
        return found.count("size", 224, LARGEST_SIDE), None
    size = found.inner("size")
    if "shortest_edge" in size.found:
        return size.count("shortest_edge", 224, LARGEST_SIDE), None
    if not {"height", "width"} <= size.found.keys():
        found.refuse("size", "which has neither shortest_edge nor height and width")
    return None, (size.count("height", 224, LARGEST_SIDE), size.count("width", 224, LARGEST_SIDE))


def _crop(found: Fields) -> Size:
    if not isinstance(found.found.get("crop_size"), dict):
        side = found.count("crop_size", 224, LARGEST_SIDE)
        return side, side
    crop = found.inner("crop_size")
    return crop.count("height", 224, LARGEST_SIDE), crop.count("width", 224, LARGEST_SIDE)
