"""One measurement on one or two models, put beside each other in the report's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from clipsan.evaluation.retrieval import Retrieved
from clipsan.evaluation.statistics import Rate
from clipsan.evaluation.zero_shot import Predictions, correct, own_classes
from clipsan.report.measures import (
    CLASSES_KEPT,
    ClassResult,
    Paired,
    Rates,
    Recalls,
    Repeats,
    Retrieval,
    Role,
    Shares,
    Spread,
)


def rates(values: Mapping[Role, Rate | None]) -> Rates:
    """A rate of each model."""
    return Rates(values.get("suspect"), values.get("cleaned"))


def paired(hits: Mapping[Role, Mapping[int, bool]]) -> Paired | None:
    """McNemar's test over the images counted on both models; None unless there are two."""
    if "suspect" not in hits or "cleaned" not in hits:
        return None
    return Paired.of(hits["suspect"], hits["cleaned"])


def recall_of_classes(predictions: Predictions, labels: Sequence[int], classes: int) -> list[Rate]:
    """Per class, the share of its images whose nearest class it is; of 0 images where it has none."""
    own = own_classes(predictions, labels)
    found = torch.bincount(own[correct(predictions, labels)], minlength=classes)
    counts = torch.bincount(own, minlength=classes)
    return [Rate(hits, n) for hits, n in zip(found.tolist(), counts.tolist(), strict=True)]


def mean_recall(recalls: Mapping[Role, Sequence[Rate]]) -> Shares:
    """The mean over the classes that have images, each counting the same whatever its size."""
    means: dict[Role, float] = {}
    for role, of_model in recalls.items():
        shares = [recall.rate for recall in of_model if recall.rate is not None]
        means[role] = sum(shares) / len(shares)
    return Shares(means.get("suspect"), means.get("cleaned"))


def class_results(
    recalls: Mapping[Role, Sequence[Rate]], classnames: Sequence[str]
) -> tuple[ClassResult, ...]:
    """Of the classes that have images, all or the CLASSES_KEPT worst, in their order.

    The worst are those of the cleaned model, where there is one.
    """
    if not recalls:
        return ()
    judged = recalls["cleaned" if "cleaned" in recalls else "suspect"]
    shares = {label: recall.rate for label, recall in enumerate(judged) if recall.rate is not None}
    worst = sorted(shares, key=lambda label: (shares[label], label))[:CLASSES_KEPT]
    return tuple(
        ClassResult(classnames[label], rates({role: of_model[label] for role, of_model in recalls.items()}))
        for label in sorted(worst)
    )


def draws_of(
    predictions: Predictions, trigger: int, target: int, labels: Sequence[int] | None
) -> list[float]:
    """The ASR of each draw of a trigger's random places, the first included; [] where there is one only."""
    redrawn = predictions.redrawn[trigger]
    counted = own_classes(predictions, labels) != target
    n = int(counted.sum())
    if not redrawn or not n:
        return []
    draws = [predictions.triggered[trigger], *redrawn]
    return [int((answers[counted] == target).sum()) / n for answers in draws]


def repeats(draws: Mapping[Role, Sequence[float]]) -> Repeats | None:
    """The spread of the ASR over the draws of each model; None without further draws."""
    spreads = {role: Spread(sum(d) / len(d), min(d), max(d)) for role, d in draws.items() if d}
    if not spreads:
        return None
    number = max(len(d) for d in draws.values())
    return Repeats(number, spreads.get("suspect"), spreads.get("cleaned"))


def retrieval_of(retrieved: Mapping[Role, Retrieved]) -> Retrieval | None:
    """Both directions; None where nothing was retrieved."""
    if not retrieved:
        return None
    one = next(iter(retrieved.values()))

    def both(k: int) -> tuple[Rates, Rates]:
        """Image to text and text to image; nothing where k candidates are all of them."""
        to_text = {role: r.image_to_text(k) for role, r in retrieved.items() if len(one.texts) > k}
        to_image = {role: r.text_to_image(k) for role, r in retrieved.items() if len(one.images) > k}
        return rates(to_text), rates(to_image)

    to_text, to_image = zip(both(1), both(5), both(10), strict=True)
    return Retrieval(Recalls(*to_text), Recalls(*to_image))
