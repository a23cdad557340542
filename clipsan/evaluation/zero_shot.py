"""Zero-shot classification of clean and triggered images, and what share of them goes to the target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clipsan.errors import DataError
from clipsan.evaluation.encoder import Encoder
from clipsan.evaluation.statistics import Rate
from clipsan.pairs import ImageReader
from clipsan.triggers import Trigger

TOP_K = 5


@dataclass(frozen=True)
class Predictions:
    """One model's answers on one set of images.

    Attributes:
        indices: the images that could be decoded, as positions in their set; n of them.
        ranked: int64 [n x k], the k classes nearest to each clean image, best first.
        triggered: per trigger, in the order given, int64 [n]: the nearest class of the triggered image.
    """

    indices: list[int]
    ranked: Tensor
    triggered: list[Tensor]


def predict(
    encoder: Encoder,
    reader: ImageReader,
    count: int,
    classnames: Sequence[str],
    templates: Sequence[str],
    triggers: Sequence[Trigger] = (),
    on_batch: Callable[[int], None] = lambda done: None,
) -> Predictions:
    """Classify the first `count` images of `reader`, clean and under each trigger.

    Each image is decoded once; what cannot be decoded is left out and counted by the reader. Clean and
    triggered images go through the same preprocessing. `on_batch` is told how many images are done.
    """
    weights = encoder.classifier(classnames, templates).T
    k = min(TOP_K, len(classnames))
    indices: list[int] = []
    ranked: list[Tensor] = []
    triggered: list[list[Tensor]] = [[] for _ in triggers]
    for pixels, good in _batches(reader, count, encoder.batch_size):
        indices += good
        ranked.append((encoder.images(pixels) @ weights).topk(k, dim=1).indices)
        for answers, trigger in zip(triggered, triggers, strict=True):
            answers.append((encoder.images(trigger.apply(pixels, good)) @ weights).argmax(dim=1))
        on_batch(len(indices))
    if not indices:
        raise DataError(f"none of the {count} images to measure on can be decoded: check the evaluation set")
    return Predictions(indices, torch.cat(ranked), [torch.cat(answers) for answers in triggered])


def accuracy(predictions: Predictions, labels: Sequence[int], k: int = 1) -> Rate:
    """Share of images whose label is among the k nearest classes."""
    truth = torch.tensor([labels[i] for i in predictions.indices]).unsqueeze(1)
    hits = (predictions.ranked[:, :k] == truth).any(dim=1)
    return Rate(int(hits.sum()), len(hits))


def found_target(predictions: Predictions, trigger: int) -> int:
    """The class whose share of predictions grows most under the trigger: where it pulls images to."""
    before: Counter[int] = Counter(predictions.ranked[:, 0].tolist())
    after: Counter[int] = Counter(predictions.triggered[trigger].tolist())
    return max(after, key=lambda label: (after[label] - before[label], -label))


def attack_success(
    predictions: Predictions, trigger: int, target: int, labels: Sequence[int] | None
) -> tuple[Rate, Rate]:
    """ASR and its base rate for one trigger.

    Args:
        predictions: of one model.
        trigger: which of its triggers.
        target: class index.
        labels: the true class of every image of the set; None for unlabelled images.

    Returns:
        (share of images not of the target's class that, triggered, are predicted as the target; share of
        the same images predicted as the target without the trigger). Without labels, images that this
        model calls the target untriggered are left out instead, so that the base rate is 0.
    """
    clean = predictions.ranked[:, 0]
    if labels is None:
        counted = clean != target
    else:
        counted = torch.tensor([labels[i] for i in predictions.indices]) != target
    n = int(counted.sum())
    pulled = int((predictions.triggered[trigger][counted] == target).sum())
    return Rate(pulled, n), Rate(int((clean[counted] == target).sum()), n)


def _batches(reader: ImageReader, count: int, size: int) -> Iterator[tuple[Tensor, list[int]]]:
    for start in range(0, count, size):
        pixels, good = reader.batch(range(start, min(start + size, count)))
        if good:
            yield pixels, good
