"""Image-to-text retrieval among held-out pairs: the clean accuracy when there is no labelled set."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from clipsan.errors import DataError
from clipsan.evaluation.encoder import Encoder
from clipsan.evaluation.statistics import Rate
from clipsan.pairs import ImageReader


def retrieval(
    encoder: Encoder, reader: ImageReader, captions: Sequence[str], ks: Sequence[int] = (1, 5)
) -> tuple[Rate, ...]:
    """R@k for each k: share of images with their own caption among the k nearest of all distinct captions.

    Equal captions count as one, so that an image is never marked wrong for finding its own words.
    """
    rows: dict[str, int] = {}
    own = torch.tensor([rows.setdefault(caption, len(rows)) for caption in captions])
    texts = encoder.texts(list(rows)).T
    hits = [0] * len(ks)
    total = 0
    for start in range(0, len(captions), encoder.batch_size):
        pixels, good = reader.batch(range(start, min(start + encoder.batch_size, len(captions))))
        if not good:
            continue
        similarity = encoder.images(pixels) @ texts
        nearest = similarity.topk(min(max(ks), len(rows)), dim=1).indices
        correct = nearest == own[good].unsqueeze(1)
        hits = [count + int(correct[:, :k].any(dim=1).sum()) for count, k in zip(hits, ks, strict=True)]
        total += len(good)
    if not total:
        raise DataError("none of the held-out images can be decoded: check the image-caption pairs")
    return tuple(Rate(count, total) for count in hits)
