"""Accuracy on held-out pairs as a choice among a few captions: fine enough to see a loss of two points.

Whether an image finds its own caption first among all (R@1) says little where captions are near copies of
each other, and says it in a few hits. Here an image's own caption stands against w − 1 others drawn at random
without replacement, and what counts is the chance that it is the nearest of the w. With h of the other m
captions nearer to the image than its own that chance is known exactly,

    C(m − h, w − 1) / C(m, w − 1)

so nothing is drawn, and two models are compared image by image. With w = m + 1 it is R@1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clipsan.evaluation.encoder import Encoder

WAYS = (2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
_LARGEST_PART = 1 << 24  # similarities at once


@dataclass(frozen=True)
class Matched:
    """How near each of n images is to its own caption.

    Attributes:
        nearer: int64 [n], how many of the other captions are nearer to the image.
        others: the other distinct captions, the same number for each image.
    """

    nearer: Tensor
    others: int

    def chances(self, ways: int) -> Tensor:
        """float64 [n]: the chance of each image to find its caption among `ways`, its own included."""
        drawn = ways - 1
        if not 1 <= drawn <= self.others:
            raise ValueError(f"{ways} captions cannot be drawn of {self.others + 1}")
        left = (self.others - self.nearer).to(torch.float64)
        logs = torch.lgamma(left + 1) - torch.lgamma((left - drawn).clamp(min=0) + 1)
        whole = math.lgamma(self.others + 1) - math.lgamma(self.others - drawn + 1)
        return torch.where(left >= drawn, (logs - whole).exp(), torch.zeros_like(logs))

    def score(self, ways: int) -> float:
        """The mean of the chances, in 0..1; guessing gives 1 / `ways`."""
        return float(self.chances(ways).mean())


@dataclass(frozen=True)
class Loss:
    """What a model lost against another one on the same images, in percentage points.

    Attributes:
        points: positive where it is worse.
        error: one standard error of that, over the images.
    """

    points: float
    error: float


def match(encoder: Encoder, images: Tensor, captions: Sequence[str]) -> Matched:
    """Rank each image's own caption among the distinct ones.

    Args:
        encoder: embeds the captions.
        images: float32 [n x d], unit-length embeddings.
        captions: of the n images, at least two of them distinct; equal ones count as one.
    """
    rows: dict[str, int] = {}
    own = torch.tensor([rows.setdefault(caption, len(rows)) for caption in captions])
    texts = encoder.texts(list(rows))
    size = max(1, _LARGEST_PART // len(texts))
    nearer = []
    for part, numbers in zip(images.split(size), own.split(size), strict=True):
        similar = part @ texts.T
        nearer.append((similar > similar.gather(1, numbers.unsqueeze(1))).sum(dim=1))
    return Matched(torch.cat(nearer), len(rows) - 1)


def telling_ways(matched: Matched) -> int:
    """Of WAYS, the number of captions among which a model scores nearest to one half."""
    possible = [ways for ways in WAYS if ways <= matched.others + 1]
    return min(possible, key=lambda ways: abs(matched.score(ways) - 0.5))


def lost(before: Tensor, after: Tensor) -> Loss:
    """What one model lost against another: float [n] each, the chance of being right on the same n images."""
    differences = 100 * (before.to(torch.float64) - after.to(torch.float64))
    error = float(differences.std()) / math.sqrt(len(differences)) if len(differences) > 1 else 0.0
    return Loss(float(differences.mean()), error)
