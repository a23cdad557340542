"""Zero-shot classification of clean and triggered images, and what share of them goes to the target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clipsan.evaluation.embed import Reader, batches, joined
from clipsan.evaluation.encoder import Encoder
from clipsan.evaluation.statistics import Rate
from clipsan.triggers import Trigger

TOP_K = 5


@dataclass(frozen=True)
class Embedded:
    """What the answers were made from, kept to ask more of it without another pass.

    Takes 4 * d bytes for each image, once clean and once per trigger.

    Attributes:
        weights: float32 [d x c], unit-length class embeddings.
        scale: of the logits, which are scale * embedding @ weights.
        clean: float32 [n x d].
        triggered: per trigger, float32 [n x d].
    """

    weights: Tensor
    scale: float
    clean: Tensor
    triggered: list[Tensor]


@dataclass(frozen=True)
class Predictions:
    """One model's answers on one set of images.

    Attributes:
        indices: the images that could be decoded, as positions in their set; n of them.
        ranked: int64 [n x k], the k classes nearest to each clean image, best first.
        triggered: per trigger, in the order given, int64 [n]: the nearest class of the triggered image.
        redrawn: per trigger, the same for each further draw of its places; none where it has no random one.
        embedded: None unless it was to be kept.
    """

    indices: list[int]
    ranked: Tensor
    triggered: list[Tensor]
    redrawn: list[list[Tensor]]
    embedded: Embedded | None


def predict(
    encoder: Encoder,
    reader: Reader,
    count: int,
    classnames: Sequence[str],
    templates: Sequence[str],
    triggers: Sequence[Trigger] = (),
    on_batch: Callable[[int], None] = lambda done: None,
    *,
    draws: int = 1,
    keep: bool = False,
) -> Predictions:
    """Classify the first `count` images of `reader`, clean and under each trigger.

    Each image is decoded once and goes through the model once, and once more per trigger; what cannot be
    decoded is left out and counted by the reader. Clean and triggered images go through the same
    preprocessing.

    Args:
        encoder, reader, count, classnames, templates, triggers: what is classified, and how.
        on_batch: told how many images are done.
        draws: how often random places are drawn. A draw that changes no pixel costs no pass.
        keep: also give back the embeddings of the first draw.
    """
    weights = encoder.classifier(classnames, templates).T
    k = min(TOP_K, len(classnames))
    indices: list[int] = []
    ranked: list[Tensor] = []
    answers: list[list[list[Tensor]]] = [[[] for _ in range(draws)] for _ in triggers]
    moved = [False for _ in triggers]
    kept: list[list[Tensor]] = [[] for _ in range(1 + len(triggers))]
    processes = encoder.processes
    for pixels, good in batches(reader, count, encoder.batch_size, processes):
        indices += good
        clean = encoder.images(pixels)
        ranked.append((clean @ weights).topk(k, dim=1).indices)
        of_batch = [clean]
        for number, trigger in enumerate(triggers):
            first = trigger.apply(pixels, good)
            of_batch.append(encoder.images(first))
            answers[number][0].append((of_batch[-1] @ weights).argmax(dim=1, keepdim=True))
            for draw in range(1, draws):
                # A place depends on the seed and the image's index, so another index is another draw.
                other = trigger.apply(pixels, [index + draw * count for index in good])
                same = torch.equal(other, first)
                moved[number] |= not same
                answer = answers[number][0][-1]
                if not same:
                    answer = (encoder.images(other) @ weights).argmax(dim=1, keepdim=True)
                answers[number][draw].append(answer)
        if keep:
            for parts, part in zip(kept, of_batch, strict=True):
                parts.append(part)
        on_batch(min(count, len(indices) * processes.size))
    of_draws = [of_draw for of_trigger in answers for of_draw in of_trigger]
    indices, (best, *rest) = joined(
        reader, count, indices, [ranked, *of_draws, *(kept if keep else [])], processes
    )
    drawn = [answer.squeeze(1) for answer in rest[: len(of_draws)]]
    embedded = None
    if keep:
        whole, *triggered = rest[len(of_draws) :]
        embedded = Embedded(weights, encoder.scale, whole, triggered)
    again = [processes.any(one) for one in moved]
    return Predictions(
        indices,
        best,
        drawn[::draws],
        [drawn[n * draws + 1 : (n + 1) * draws] if more else [] for n, more in enumerate(again)],
        embedded,
    )


def correct(predictions: Predictions, labels: Sequence[int], k: int = 1) -> Tensor:
    """bool [n]: whether each image's label is among the k nearest classes."""
    return (predictions.ranked[:, :k] == own_classes(predictions, labels).unsqueeze(1)).any(dim=1)


def accuracy(predictions: Predictions, labels: Sequence[int], k: int = 1) -> Rate:
    """Share of images whose label is among the k nearest classes."""
    hits = correct(predictions, labels, k)
    return Rate(int(hits.sum()), len(hits))


def own_classes(predictions: Predictions, labels: Sequence[int] | None) -> Tensor:
    """int64 [n]: the class of each image; without labels, what this model calls it untriggered."""
    if labels is None:
        return predictions.ranked[:, 0]
    return torch.tensor([labels[i] for i in predictions.indices])


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
    counted = own_classes(predictions, labels) != target
    n = int(counted.sum())
    pulled = int((predictions.triggered[trigger][counted] == target).sum())
    return Rate(pulled, n), Rate(int((predictions.ranked[counted, 0] == target).sum()), n)
