"""Retrieval among held-out pairs, both ways: the clean accuracy when there is no labelled set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clipsan.evaluation.encoder import Encoder
from clipsan.evaluation.statistics import Rate

KS = (1, 5, 10)
_LARGEST_PART = 1 << 24  # similarities at once


@dataclass(frozen=True)
class Retrieved:
    """One model's retrieval among n images and their m distinct captions.

    Attributes:
        images: bool [n x 3], whether an image finds its own caption among the first 1, 5 and 10.
        texts: bool [m x 3], whether a caption finds one of its own images.
        captions: the m distinct ones.
        embedded: float32 [m x d], their embeddings.
    """

    images: Tensor
    texts: Tensor
    captions: list[str]
    embedded: Tensor

    def image_to_text(self, k: int) -> Rate:
        """R@k for k of KS over the images."""
        return _rate(self.images[:, KS.index(k)])

    def text_to_image(self, k: int) -> Rate:
        """R@k for k of KS over the distinct captions."""
        return _rate(self.texts[:, KS.index(k)])


def retrieve(encoder: Encoder, images: Tensor, captions: Sequence[str]) -> Retrieved:
    """Look for each image's caption among all, and for each caption's images.

    Equal captions count as one, so that an image is never marked wrong for finding its own words.

    Args:
        encoder: embeds the captions.
        images: float32 [n x d], unit-length embeddings.
        captions: of the n images.
    """
    rows: dict[str, int] = {}
    own = torch.tensor([rows.setdefault(caption, len(rows)) for caption in captions])
    texts = encoder.texts(list(rows))
    of_text = torch.arange(len(rows))
    found, back = _found(images, texts, own, of_text), _found(texts, images, of_text, own)
    return Retrieved(found, back, list(rows), texts)


def nearest(queries: Tensor, candidates: Tensor) -> Tensor:
    """int64 [q x 10]: the candidates nearest to each query, best first; all where there are fewer."""
    k = min(max(KS), len(candidates))
    size = max(1, _LARGEST_PART // len(candidates))
    parts = [(part @ candidates.T).topk(k, dim=1).indices for part in queries.split(size)]
    return torch.cat(parts)


def _found(queries: Tensor, candidates: Tensor, own: Tensor, of_candidate: Tensor) -> Tensor:
    """bool [q x 3]: whether a candidate with the query's own number is among its nearest of KS."""
    right = of_candidate[nearest(queries, candidates)] == own.unsqueeze(1)
    return torch.stack([right[:, :first].any(dim=1) for first in KS], dim=1)


def _rate(found: Tensor) -> Rate:
    return Rate(int(found.sum()), len(found))
