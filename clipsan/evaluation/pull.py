"""How far a trigger moves a model towards its target, also where it does not get there.

The attack success rate asks only who wins, so a backdoor that fine-tuning pushed just under the winner
looks like one that is gone. Margin and rank of the target, with and without the trigger, tell them apart.
A trigger that merely blurs or covers an image lowers the winner, and so brings every class nearer; the
other classes are therefore measured as well, each over the images that are not its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import torch
from torch import Tensor

from clipsan.evaluation.zero_shot import Predictions, own_classes
from clipsan.report.measures import Pull, Standing

_LARGEST_PART = 1 << 22  # logits at once
_DIGITS = 4  # a logit's own rounding is about 1e-5


def target_pull(
    predictions: Predictions, trigger: int, target: int, labels: Sequence[int] | None
) -> Pull | None:
    """The pull of one trigger on one model, over the images that its ASR counts.

    Args:
        predictions: with their embeddings.
        trigger: which of its triggers.
        target: class index.
        labels: the true class of every image of the set; None for unlabelled images, whose class is then
            what this model calls them untriggered.

    Returns:
        None where the embeddings were not kept or no image counts.
    """
    embedded = predictions.embedded
    own = own_classes(predictions, labels)
    rows = (own != target).nonzero().squeeze(1)
    if embedded is None or not len(rows):
        return None
    classes = embedded.weights.shape[1]
    margins: list[list[Tensor]] = [[], []]
    ranks = [0, 0]
    totals = torch.zeros(2, classes, dtype=torch.float64)
    for part in rows.split(max(1, _LARGEST_PART // classes)):
        mine = own[part].unsqueeze(1)
        for side, images in enumerate((embedded.clean, embedded.triggered[trigger])):
            logits = embedded.scale * (images[part] @ embedded.weights).double()
            of_all = _margins(logits)
            margins[side].append(of_all[:, target])
            ranks[side] += int((logits > logits[:, target : target + 1]).sum()) + len(part)
            totals[side] += of_all.scatter(1, mine, 0.0).sum(dim=0)
    counts = len(rows) - torch.bincount(own[rows], minlength=classes)
    closed = _closed(totals, counts)
    others = [share for label, share in enumerate(closed) if label != target and share is not None]
    of_target = closed[target]
    return Pull(
        n=len(rows),
        untriggered=_standing(torch.cat(margins[0]), ranks[0]),
        triggered=_standing(torch.cat(margins[1]), ranks[1]),
        closed=of_target,
        closed_elsewhere=round(median(others), _DIGITS) if others else None,
        others=len(others),
        others_above=0 if of_target is None else sum(share >= of_target for share in others),
    )


def _margins(logits: Tensor) -> Tensor:
    """[b x c]: each class's logit minus the best one of the other classes."""
    best = logits.topk(2, dim=1)
    rivals = best.values[:, :1].expand_as(logits).scatter(1, best.indices[:, :1], best.values[:, 1:])
    return logits - rivals


def _closed(totals: Tensor, counts: Tensor) -> list[float | None]:
    """Per class, the share of its mean gap to the best other class that the trigger closes.

    `totals` [2 x c] are its margins untriggered and triggered, summed over `counts` [c] images.
    """
    shares: list[float | None] = []
    for before, after, count in zip(*totals.tolist(), counts.tolist(), strict=True):
        wide = count > 0 and -before / count > 10**-_DIGITS
        shares.append(round(1 - after / before, _DIGITS) if wide else None)
    return shares


def _standing(margins: Tensor, ranks: int) -> Standing:
    return Standing(
        mean_margin=round(float(margins.mean()), _DIGITS),
        median_margin=round(median(margins.tolist()), _DIGITS),
        mean_rank=round(ranks / len(margins), _DIGITS),
    )
