"""One text over many images that have nothing in common.

A caption that describes something repeats over images that look alike to the suspect; "photo of the day"
repeats over anything. How alike k images are is the mean cosine of their pairs, (|sum|^2 - k) / (k (k - 1)),
and how alike any k images are is measured on random draws. A weak model sees no likeness where there is
some, so the text must also be no nearer to its own images than to all others.
"""

from __future__ import annotations

import math
from collections import defaultdict

import torch
from torch import Tensor

from clipsan.hygiene.evidence import Evidence
from clipsan.hygiene.finding import Finding
from clipsan.hygiene.words import plain

FEWEST = 16
DRAWS = 200
ALIKE_Z = 2.0
MATCH_Z = 5.0


def check_boilerplate(evidence: Evidence, rows: list[int]) -> Finding:
    """Drops the pairs of a caption of at least FEWEST images no more alike than any images."""
    finding = Finding(settings={"fewest": FEWEST, "z": ALIKE_Z})
    groups: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        groups[plain(evidence.caption(row))].append(row)
    repeated = {caption: group for caption, group in groups.items() if len(group) >= FEWEST}
    if not repeated:
        return finding
    suspect = next(iter(evidence.images))
    images, texts = evidence.images[suspect][rows], evidence.texts[suspect][rows]
    middle, deviation = _random_likeness(images)
    if deviation <= 0 or not _matches_at_all(images, texts):
        finding.notes.append(
            "the suspect does not tell matching pairs from others, so it cannot say which texts do"
        )
        return finding
    for group in repeated.values():
        # the deviation of a mean over all pairs of k draws falls about as 1 / k
        own = evidence.images[suspect][group]
        z = (_likeness(own) - middle) / (deviation * FEWEST / len(group))
        if z <= ALIKE_Z and _pull(evidence.texts[suspect][group[0]], own, images) <= ALIKE_Z:
            for row in group:
                finding.drops[row] = ("the same text over many images that have nothing in common", -z)
    return finding


def _matches_at_all(images: Tensor, texts: Tensor) -> bool:
    """Whether images are clearly nearer to their own texts than to those of pairs drawn at random."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        other = texts[torch.randperm(len(texts))]
    gain = (images * texts).sum(dim=1) - (images * other).sum(dim=1)
    return float(gain.mean()) > MATCH_Z * float(gain.std()) / math.sqrt(len(gain))


def _pull(text: Tensor, own: Tensor, images: Tensor) -> float:
    """How much nearer a text is to its own images than to all, in standard errors."""
    everywhere = images @ text
    error = float(everywhere.std()) / math.sqrt(len(own))
    return float((own @ text).mean() - everywhere.mean()) / error if error > 0 else 0.0


def _likeness(images: Tensor) -> float:
    """Mean cosine of the pairs of k unit vectors."""
    k = len(images)
    return float((images.sum(dim=0).square().sum() - k) / (k * (k - 1)))


def _random_likeness(images: Tensor) -> tuple[float, float]:
    """Mean and standard deviation of the likeness of FEWEST images drawn at random."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        drawn = torch.tensor([_likeness(images[torch.randint(len(images), (FEWEST,))]) for _ in range(DRAWS)])
    return float(drawn.mean()), float(drawn.std())
