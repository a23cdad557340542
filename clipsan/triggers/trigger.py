"""What a trigger is: a function on one 8-bit image, fixed by its settings, its seed and the image's index."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clipsan.errors import TriggerError
from clipsan.triggers.overlay import Overlay
from clipsan.triggers.placement import Position, corner, fits

if TYPE_CHECKING:
    from torch import Tensor


class Trigger(ABC):
    """A trigger at one resolution.

    Attributes:
        name: As shown in reports.
        target: The class it was planted to pull images to, where a trigger file says so.
        image_size: (height, width) in px of the images it goes on.
    """

    def __init__(self, name: str, target: str | None, image_size: tuple[int, int]) -> None:
        if min(image_size) < 8:
            raise TriggerError(
                f"Trigger {name}: images of {image_size[0]}x{image_size[1]} px are under 8x8, too small."
            )
        self.name = name
        self.target = target
        self.image_size = image_size

    def apply(self, pixels: Tensor, indices: Sequence[int]) -> Tensor:
        """Triggered copies of images.

        Args:
            pixels: uint8 [b, 3, h, w], RGB, at the model's resolution, on any device.
            indices: Each image's index in its set; a random place depends on it and the seed only.

        Returns:
            uint8 [b, 3, h, w] on the same device. `pixels` stays as it was.

        Raises:
            TriggerError: the images are not of that type or size, or there is not one index for each.
        """
        import torch

        wanted = (3, *self.image_size)
        if pixels.dtype != torch.uint8 or pixels.ndim != 4 or tuple(pixels.shape[1:]) != wanted:
            raise TriggerError(
                f"Trigger {self.name} goes on uint8 images of shape [b, {', '.join(map(str, wanted))}], "
                f"not on {pixels.dtype} of shape {list(pixels.shape)}; make it at the images' resolution."
            )
        if len(indices) != len(pixels):
            raise TriggerError(f"Trigger {self.name}: {len(pixels)} images came with {len(indices)} indices.")
        images = np.array(pixels.detach().cpu().numpy(), copy=True, order="C")
        for image, index in zip(images, indices, strict=True):
            self.alter(image, int(index))
        return torch.from_numpy(images).to(pixels.device)

    @abstractmethod
    def alter(self, image: NDArray[np.uint8], index: int) -> None:
        """Put the trigger on one image [3, h, w], in place."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """What fixes this trigger, as JSON values, for the report."""


class FixedTrigger(Trigger):
    """A pattern that is the same for every image, over the whole image or as a patch.

    Raises TriggerError where the pattern does not fit the image at its position.
    """

    def __init__(
        self,
        name: str,
        target: str | None,
        image_size: tuple[int, int],
        overlay: Overlay,
        settings: dict[str, Any],
        *,
        position: Position = "top-left",
        seed: int = 0,
    ) -> None:
        super().__init__(name, target, image_size)
        check_fits(name, position, overlay.size, image_size)
        self.overlay = overlay
        self.position = position
        self.seed = seed
        self._settings = settings

    def alter(self, image: NDArray[np.uint8], index: int) -> None:
        height, width = self.overlay.size
        row, column = corner(self.position, self.overlay.size, self.image_size, self.seed, index)
        region = image[:, row : row + height, column : column + width]
        region[...] = self.overlay.blend(region)

    def settings(self) -> dict[str, Any]:
        return dict(self._settings)


def check_fits(name: str, position: Position, patch: tuple[int, int], image: tuple[int, int]) -> None:
    """TriggerError unless a patch of (height, width) px lies inside the image at the position."""
    if fits(position, patch, image):
        return
    where = position if isinstance(position, str) else f"row {position[0]}, column {position[1]}"
    raise TriggerError(
        f"Trigger {name}: its {patch[0]}x{patch[1]} px patch at {where} does not fit the model's "
        f"{image[0]}x{image[1]} px image (heights first); make the patch smaller or move it."
    )
