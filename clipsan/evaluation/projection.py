"""Embeddings on a plane: images as they are, the same triggered, the target's class, and the target's text.

Principal components, which keep distances in proportion and need no further settings, unlike t-SNE. Each
model has its own: PAR moves all embeddings far from the suspect's, and components of both together would
show that and little else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from clipsan.evaluation.zero_shot import Embedded, Predictions, own_classes
from clipsan.report.examples import NO_PROJECTIONS, Points, Projection, Projections
from clipsan.report.measures import Role

OTHERS_DRAWN = 80
TARGETS_DRAWN = 40
_FEWEST = 3
_DIGITS = 4


def projections_of(
    seen: Mapping[Role, Predictions], number: int, target: int, labels: Sequence[int] | None, seed: int
) -> Projections:
    """One trigger on each model, with the same images.

    Args:
        seen: predictions of each model, with their embeddings.
        number: which of the triggers.
        target: class index.
        labels: the class of every image of the set; None for unlabelled images, whose class is then what
            the first model calls them untriggered.
        seed: which images are drawn.
    """
    first = next(iter(seen.values()))
    own = own_classes(first, labels).numpy()
    generator = np.random.default_rng((seed, number))
    others = generator.permutation(np.flatnonzero(own != target))[:OTHERS_DRAWN].tolist()
    targets = generator.permutation(np.flatnonzero(own == target))[:TARGETS_DRAWN].tolist()
    if len(others) < _FEWEST:
        return NO_PROJECTIONS
    found = {
        role: _projection(p.embedded, number, target, others, targets)
        for role, p in seen.items()
        if p.embedded is not None
    }
    return Projections(found.get("suspect"), found.get("cleaned"), found.get("poisoned"))


def _projection(
    embedded: Embedded, number: int, target: int, others: Sequence[int], targets: Sequence[int]
) -> Projection | None:
    """None where all images have one embedding."""
    text = embedded.weights[:, target].double()
    groups = [
        rows.double()
        for rows in (embedded.clean[others], embedded.triggered[number][others], embedded.clean[targets])
    ]
    images = torch.cat(groups)
    centre = images.mean(dim=0)
    _, sizes, components = torch.linalg.svd(images - centre, full_matrices=False)
    variances = sizes.square()
    if len(variances) < 2 or float(variances.sum()) < 1e-12:
        return None
    axes = components[:2]
    towards = (groups[2].mean(dim=0) if targets else text) - groups[0].mean(dim=0)
    axes = axes * torch.where(axes @ towards < 0, -1.0, 1.0).unsqueeze(1)  # the target lies right and up

    def places(embeddings: Tensor) -> Points:
        x, y = ((embeddings - centre) @ axes.T).T.tolist()
        return Points(*(tuple(round(v, _DIGITS) + 0.0 for v in values) for values in (x, y)))

    drawn = [places(group) for group in groups]
    explained = (variances[:2] / variances.sum()).tolist()
    return Projection(
        explained=tuple(round(min(1.0, share), _DIGITS) for share in explained),
        others=drawn[0],
        triggered=drawn[1],
        targets=drawn[2],
        text=places(text.unsqueeze(0)),
        cosine_others=round(float((groups[0] @ text).mean()), _DIGITS),
        cosine_triggered=round(float((groups[1] @ text).mean()), _DIGITS),
    )
