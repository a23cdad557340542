"""Images that carry one pattern over the whole picture, and whose captions agree, as a blended trigger does.

A pattern blended into a share p of n images is one direction in the space of whitened images along which
those images stand out on one side. Its variance exceeds the noise, so that principal components find it,
where p a^2 > sqrt(d / n), a being its strength in standard deviations of whitened images (Baik, Ben Arous
and Peche 2005; the spectral signatures of Tran et al., arXiv 1811.00636, in the space of pixels instead of
a network's features). A rare pattern is less rare among the pairs of its target, so components are also
taken of the images of each common word. Each component's outliers are then averaged into the pattern
itself, which fits better and finds more of them, a few times over.

Watermarks and frames do the same, so a group is dropped only where its captions hold one word far more
often than chance: then it teaches "this pattern means that word", planted or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from clipsan.hygiene.details import shrunk, unit_rows
from clipsan.hygiene.evidence import Evidence, whitened_views
from clipsan.hygiene.finding import Finding
from clipsan.hygiene.robust import MAD_TO_SD, robust_z
from clipsan.hygiene.words import Agreement

COMPONENTS = 32
WORD_COMPONENTS = 8
WORD_FEWEST, WORD_SHARE, WORDS = 24, 0.25, 200
"""The commonest WORDS words that WORD_FEWEST captions or more and at most WORD_SHARE of them hold."""
SEED_Z = 4.0  # to start a group
MEMBER_Z = 6.0  # to belong to it once its pattern is known
FEWEST = 5
ROUNDS = 3
SURE = -6.0  # log10 of the chance that captions agree so


def check_pattern(evidence: Evidence, rows: list[int]) -> Finding:
    """Drops the pairs of each group, of at least FEWEST images, that hold the group's word."""
    finding = Finding(
        settings={"components": COMPONENTS, "z": MEMBER_Z, "fewest": FEWEST, "log10_chance": SURE}
    )
    alive = set(rows)
    kept = [place for place, row in enumerate(evidence.searched.tolist()) if row in alive]
    finding.settings["images_searched"] = len(kept)
    if len(kept) < 4 * FEWEST:
        finding.notes.append(f"too few images ({len(kept)}) to search for a pattern in")
        return finding
    view = whitened_views(evidence)
    where = [int(row) for row in evidence.searched[kept]]
    captions = Agreement([evidence.caption(row) for row in where])
    vectors = view.rows[kept]
    patterns = find_patterns(vectors, captions)
    finding.settings["patterns"] = [
        {"word": pattern.word, "images": int((pattern.z > MEMBER_Z).sum())} for pattern in patterns
    ]
    for pattern in patterns:
        for place in (pattern.z > MEMBER_Z).nonzero()[:, 0].tolist():
            if captions.holds(place, pattern.word):
                _drop(finding, where[place], float(pattern.z[place]), pattern.word)
    rest = sorted(alive.difference(where))
    if patterns and rest:
        everyone = Agreement([evidence.caption(row) for row in rest])
        order = {row: place for place, row in enumerate(rest)}
        for batch, pixels in evidence.pixels(rest):
            others = unit_rows(shrunk(pixels), view.amplitude)
            for pattern in patterns:
                z = (others @ pattern.vector - pattern.middle) / pattern.scale
                for place in (z > MEMBER_Z).nonzero()[:, 0].tolist():
                    if everyone.holds(order[batch[place]], pattern.word):
                        _drop(finding, batch[place], float(z[place]), pattern.word)
    return finding


def _drop(finding: Finding, row: int, z: float, word: str) -> None:
    earlier = finding.drops.get(row)
    if earlier is None or (earlier[1] or 0.0) < z:
        finding.drops[row] = (f"shares a pattern with other images captioned with {word!r}", z)


@dataclass(frozen=True)
class Pattern:
    """A pattern that some images share.

    Attributes:
        vector: float32 [d]; `z` of other images is (image . vector - middle) / scale.
        z: float64 [n], of the images searched.
        word: that their captions agree on.
    """

    vector: Tensor
    middle: float
    scale: float
    z: Tensor
    word: str


def find_patterns(vectors: Tensor, captions: Agreement) -> list[Pattern]:
    """The patterns whose images agree on a word.

    Everything is computed from the products of all pairs of images, n^2 d multiplications once; a pattern
    being a sum of images, what lies along it is then a sum of those.

    Args:
        vectors: float32 [n x d], unit length.
        captions: of the same n images.
    """
    products = vectors @ vectors.T
    found: list[Pattern] = []
    taken = torch.zeros(len(vectors), dtype=torch.bool)
    for seeds in _seeds(products, captions):
        grown = _grow(products, seeds & ~taken)
        if grown is None:
            continue
        members, along = grown
        z = robust_z(along)
        fitting = (z > MEMBER_Z) & ~taken
        word, chance = captions.on(fitting.nonzero()[:, 0].tolist())
        if int(fitting.sum()) >= FEWEST and chance < SURE:
            vector = vectors[members].mean(dim=0) - vectors[~members].mean(dim=0)
            middle = float(along.median())
            scale = MAD_TO_SD * float((along - middle).abs().median())
            found.append(Pattern(vector, middle, scale, z, word))
            taken |= fitting
    return found


def _seeds(products: Tensor, captions: Agreement) -> Iterator[Tensor]:
    """Images that stand out together along a component, of all images or of those with one word: bool [n]."""
    everyone = torch.arange(len(products))
    groups = [(everyone, COMPONENTS)]
    for holders in captions.common(WORD_FEWEST, WORD_SHARE, WORDS):
        groups.append((torch.tensor(holders), WORD_COMPONENTS))
    for places, components in groups:
        own = products[places][:, places]
        own = own - own.mean(dim=0) - own.mean(dim=1, keepdim=True) + own.mean()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            scores, _, _ = torch.svd_lowrank(own, q=min(components, len(own) - 1), niter=3)
        for component in range(scores.shape[1]):
            z = robust_z(scores[:, component])
            for side in (z, -z):
                seeds = torch.zeros(len(products), dtype=torch.bool)
                seeds[places[side > SEED_Z]] = True
                yield seeds


def _grow(products: Tensor, members: Tensor) -> tuple[Tensor, Tensor] | None:
    """Refine a pattern, the mean of its members less that of the others, with whoever fits it.

    A member's own part in the pattern would keep any image a member for good, so it is taken out for it.

    Args:
        products: float32 [n x n], of unit vectors.
        members: bool [n], to start with.

    Returns:
        The members whose mean the pattern is, bool [n], and float64 [n], each image along it; None where
        fewer than FEWEST fit.
    """
    n = len(products)
    total = products.sum(dim=0).double()
    diagonal = products.diagonal().double()
    grown = None
    for _ in range(ROUNDS):
        count = int(members.sum())
        if not FEWEST <= count <= n // 2:
            return None
        inside = products[members].sum(dim=0).double()
        along = inside / count - (total - inside) / (n - count)
        without = (inside - diagonal) / (count - 1) - (total - inside) / (n - count)
        along = torch.where(members, without, along)
        grown = members, along
        members = robust_z(along) > MEMBER_Z
    return grown if int(members.sum()) >= FEWEST else None
