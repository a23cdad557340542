"""What a method is shown of a batch: the plain pairs, augmented views in their place, or both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from clipsan.methods import Views
from clipsan.training.image_views import image_view
from clipsan.training.processes import Share
from clipsan.training.texts import Captions


@dataclass(frozen=True)
class Shown:
    """A batch, not yet normalised.

    Attributes:
        pixels: uint8 [b x 3 x h x w].
        tokens: int64 [b x context_length].
        views: pixels and tokens of the same shapes beside them; None: not asked for.
    """

    pixels: Tensor
    tokens: Tensor
    views: tuple[Tensor, Tensor] | None = None


def shown(
    views: Views | None,
    pixels: Tensor,
    captions: Captions,
    indices: Sequence[int],
    seed: int,
    share: Share | None = None,
) -> Shown:
    """The batch of these images and captions as a method with these `views` is to see it.

    Args:
        views: of the method.
        pixels: uint8 [b x 3 x h x w].
        captions: of the run.
        indices: the b pairs of the batch.
        seed: of the views, another one for each update.
        share: which rows of a batch these are; None: all of them.
    """
    if views is None:
        return Shown(pixels, captions.tokens(indices))
    view = image_view(pixels, views.images, seed, share), captions.views(indices, seed)
    return Shown(*view) if views.instead else Shown(pixels, captions.tokens(indices), view)
