"""One measurement on one or two models, put beside each other in the report's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from clipsan.evaluation.retrieval import KS, Retrieved, nearest
from clipsan.evaluation.shown import Shown, naming
from clipsan.evaluation.statistics import Rate
from clipsan.evaluation.zero_shot import Predictions, correct, own_classes
from clipsan.report.measures import (
    CLASSES_KEPT,
    ClassResult,
    Paired,
    Rates,
    Reach,
    Recalls,
    Repeats,
    Retrieval,
    RetrievalAttack,
    Role,
    Shares,
    Spread,
)


def rates(values: Mapping[Role, Rate | None]) -> Rates:
    """A rate of each model."""
    return Rates(values.get("suspect"), values.get("cleaned"), values.get("poisoned"))


def paired(hits: Mapping[Role, Mapping[int, bool]]) -> Paired | None:
    """McNemar's test over the images counted on both models; None unless there are two."""
    made = [role for role in hits if role != "suspect"]
    if "suspect" not in hits or not made:
        return None
    return Paired.of(hits["suspect"], hits[made[0]])


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
    return Shares(means.get("suspect"), means.get("cleaned"), means.get("poisoned"))


def class_results(
    recalls: Mapping[Role, Sequence[Rate]], classnames: Sequence[str]
) -> tuple[ClassResult, ...]:
    """Of the classes that have images, all or the CLASSES_KEPT worst, in their order.

    The worst are those of the model made of the suspect, where there is one.
    """
    if not recalls:
        return ()
    judged = recalls[next((role for role in recalls if role != "suspect"), "suspect")]
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
    return Repeats(number, spreads.get("suspect"), spreads.get("cleaned"), spreads.get("poisoned"))


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


def reach(hits: Mapping[Role, tuple[Tensor, Tensor] | None]) -> Reach:
    """Shares of each model's hits, bool [m] with and without the trigger; None: not measured on that one."""
    counted = {role: found for role, found in hits.items() if found is not None}
    with_it, without = (
        {role: Rate(int(found[side].sum()), len(found[side])) for role, found in counted.items()}
        for side in (0, 1)
    )
    return Reach(rates(with_it), rates(without))


def first_hits(right: Sequence[Tensor], candidates: int, k: int) -> tuple[Tensor, Tensor] | None:
    """Whether any of the first k is right, of bool [m x 10] with and without the trigger.

    None where no more candidates are there than k: any would be among the first.
    """
    return (right[0][:, :k].any(dim=1), right[1][:, :k].any(dim=1)) if candidates > k else None


def retrieval_attack(
    shown: Mapping[Role, Shown],
    predictions: Mapping[Role, Predictions],
    retrieved: Mapping[Role, Retrieved],
    trigger: int,
    target: str,
) -> RetrievalAttack | None:
    """Whether triggered images find captions that name the target; None for labelled images.

    Counted is each image once that no caption of its own names the target for. Also None where no caption
    names it.
    """
    right: dict[Role, list[Tensor]] = {}
    for role, found in retrieved.items():
        embedded = predictions[role].embedded if role in predictions else None
        names = naming(found.captions, target)
        if embedded is None or not bool(names.any()):
            continue
        rows = shown[role].once()
        rows = rows[~shown[role].showing(target, ())[rows]]
        sides = (embedded.triggered[trigger], embedded.clean)
        right[role] = [names[nearest(side[rows], found.embedded)] for side in sides]
    if not right:
        return None
    first = (
        reach({role: first_hits(both, len(retrieved[role].captions), k) for role, both in right.items()})
        for k in KS
    )
    return RetrievalAttack(*first)
