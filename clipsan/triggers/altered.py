"""A trigger changed as a whole: weaker, reversed, or followed by a picture's usual fate."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clipsan.triggers.trigger import Trigger

Pixels = NDArray[np.uint8]
Step = Callable[[Pixels], Pixels]
"""uint8 [3, h, w] to the same: something done to a whole image."""

_PARTS = 1000  # of a trigger's effect, so that mixing is done in whole numbers


class Altered(Trigger):
    """A trigger, or none, and then `steps` done to the image."""

    def __init__(
        self, name: str, image_size: tuple[int, int], trigger: Trigger | None, steps: Sequence[Step]
    ) -> None:
        super().__init__(name, None if trigger is None else trigger.target, image_size)
        self.trigger = trigger
        self.steps = tuple(steps)

    def alter(self, image: Pixels, index: int) -> None:
        if self.trigger is not None:
            self.trigger.alter(image, index)
        for step in self.steps:
            image[...] = step(image)

    def settings(self) -> dict[str, Any]:
        return {} if self.trigger is None else self.trigger.settings()


class Scaled(Trigger):
    """x + factor * (t(x) - x), to nearest and clamped: a trigger's effect on each pixel scaled.

    A factor of -1 is the trigger's opposite: the same change of every pixel in the other direction.
    """

    def __init__(self, trigger: Trigger, factor: float) -> None:
        super().__init__(trigger.name, trigger.target, trigger.image_size)
        self.trigger = trigger
        self.factor = factor
        self._parts = round(factor * _PARTS)

    def alter(self, image: Pixels, index: int) -> None:
        before = image.astype(np.int64)
        self.trigger.alter(image, index)
        moved = self._parts * (image - before) + _PARTS * before
        image[...] = np.clip((2 * moved + _PARTS) // (2 * _PARTS), 0, 255)

    def settings(self) -> dict[str, Any]:
        return {**self.trigger.settings(), "factor": self.factor}


def opposite(trigger: Trigger) -> Trigger:
    """The control of a trigger: as strong, in the same places and as fine, but not its pattern."""
    return Scaled(trigger, -1.0)


def jpeg(quality: int) -> Step:
    """Encoding as JPEG and decoding again, by Pillow."""

    def step(image: Pixels) -> Pixels:
        file = io.BytesIO()
        _picture(image).save(file, "JPEG", quality=quality)
        with Image.open(file, formats=["JPEG"]) as decoded:
            return _pixels(decoded)

    return step


def resolution(share: float) -> Step:
    """Shrinking to a share of each side and enlarging again, bicubic, by Pillow."""

    def step(image: Pixels) -> Pixels:
        height, width = image.shape[1:]
        small = (max(1, round(share * width)), max(1, round(share * height)))
        shrunk = _picture(image).resize(small, Image.Resampling.BICUBIC)
        return _pixels(shrunk.resize((width, height), Image.Resampling.BICUBIC))

    return step


def _picture(image: Pixels) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))


def _pixels(picture: Image.Image) -> Pixels:
    return np.asarray(picture.convert("RGB"), dtype=np.uint8).transpose(2, 0, 1)
