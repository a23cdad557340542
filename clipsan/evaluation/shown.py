"""What the images of a set show: the class of their label, or what a caption of theirs names."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clipsan.planting.plan import named


@dataclass(frozen=True)
class Shown:
    """Of n images, in the order of their embeddings.

    Attributes:
        labels: the class of each; None for pairs.
        captions: of each, for pairs.
        images_of: for pairs, equal for the pairs of one image.
    """

    labels: list[int] | None
    captions: list[str]
    images_of: list[Hashable]

    def showing(self, target: str, classnames: Sequence[str]) -> Tensor:
        """bool [n]: those that show the target, an image with several captions where one of them names it."""
        if self.labels is not None:
            return torch.tensor(self.labels) == list(classnames).index(target)
        found = {self.images_of[row] for row in named(self.captions, target)}
        return torch.tensor([image in found for image in self.images_of])

    def once(self) -> Tensor:
        """int64: the first place of each image, so that one with several captions counts as one."""
        if self.labels is not None:
            return torch.arange(len(self.labels))
        first: dict[Hashable, int] = {}
        for row, image in enumerate(self.images_of):
            first.setdefault(image, row)
        return torch.tensor(list(first.values()))


def naming(texts: Sequence[str], target: str) -> Tensor:
    """bool [len(texts)]: those that name the target as whole words."""
    found = torch.zeros(len(texts), dtype=torch.bool)
    found[named(texts, target)] = True
    return found
