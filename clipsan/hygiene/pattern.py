"""Images that carry one pattern over the whole picture, and whose captions agree: what a blended trigger does.

A pattern blended into a share p of n images is one direction in the space of whitened images along which
those images stand out on one side. Its variance exceeds the noise, so that principal components find it,
where p a^2 > sqrt(d / n), a being its strength in standard deviations of whitened images (Baik, Ben Arous
and Peche 2005; the spectral signatures of Tran et al., arXiv 1811.00636, in the space of pixels instead of a
network's features). Each component's outliers are then averaged into the pattern itself, which fits better
and finds more of them, a few times over.

Watermarks and frames do the same, so a group is dropped only where its captions hold one word far more
often than chance: then it teaches "this pattern means that word", planted or not.
"""

from __future__ import annotations

import torch
from torch import Tensor

from clipsan.hygiene.details import shrunk, unit_rows
from clipsan.hygiene.evidence import Evidence, whitened_views
from clipsan.hygiene.finding import Finding
from clipsan.hygiene.robust import robust_z
from clipsan.hygiene.words import Agreement

COMPONENTS = 32
SEED_Z = 4.0  # to start a group
MEMBER_Z = 6.0  # to belong to it once its pattern is known
FEWEST = 5
ROUNDS = 3
SURE = -6.0  # log10 of the chance that captions agree so


def check_pattern(evidence: Evidence, rows: list[int]) -> Finding:
    """Drops the pairs of each group, of at least FEWEST images, that hold the group's word."""
    finding = Finding(settings={"components": COMPONENTS, "z": MEMBER_Z, "fewest": FEWEST, "log10_chance": SURE})
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
        {"word": word, "images": int((z > MEMBER_Z).sum())} for _, _, z, word in patterns
    ]
    for _, _, z, word in patterns:
        for place in (z > MEMBER_Z).nonzero()[:, 0].tolist():
            if captions.holds(place, word):
                _drop(finding, where[place], float(z[place]), word)
    rest = sorted(alive.difference(where))
    if patterns and rest:
        everyone = Agreement([evidence.caption(row) for row in rest])
        order = {row: place for place, row in enumerate(rest)}
        for batch, pixels in evidence.pixels(rest):
            others = unit_rows(shrunk(pixels), view.amplitude)
            for pattern, (middle, scale), _, word in patterns:
                z = (others @ pattern - middle) / scale
                for place in (z > MEMBER_Z).nonzero()[:, 0].tolist():
                    if everyone.holds(order[batch[place]], word):
                        _drop(finding, batch[place], float(z[place]), word)
    return finding


def _drop(finding: Finding, row: int, z: float, word: str) -> None:
    earlier = finding.drops.get(row)
    if earlier is None or (earlier[1] or 0.0) < z:
        finding.drops[row] = (f"shares a pattern with other images captioned with {word!r}", z)


def find_patterns(
    vectors: Tensor, captions: Agreement
) -> list[tuple[Tensor, tuple[float, float], Tensor, str]]:
    """The patterns whose images agree on a word.

    Args:
        vectors: float32 [n x d], unit length.
        captions: of the same n images.

    Returns:
        For each: the pattern [d], median and scale of the images along it, z of each image [n], the word.
    """
    rank = min(COMPONENTS, len(vectors) - 1)
    centre = vectors.mean(dim=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        _, _, components = torch.svd_lowrank(vectors - centre, q=rank, niter=3)
    projected = vectors @ components
    found: list[tuple[Tensor, tuple[float, float], Tensor, str]] = []
    taken = torch.zeros(len(vectors), dtype=torch.bool)
    for component in range(rank):
        z = robust_z(projected[:, component])
        for side in (z, -z):
            grown = _grow(vectors, (side > SEED_Z) & ~taken)
            if grown is None:
                continue
            pattern, place, strength = grown
            members = ((strength > MEMBER_Z) & ~taken).nonzero()[:, 0].tolist()
            word, chance = captions.on(members)
            if len(members) >= FEWEST and chance < SURE:
                found.append((pattern, place, strength, word))
                taken |= strength > MEMBER_Z
    return found


def _grow(vectors: Tensor, members: Tensor) -> tuple[Tensor, tuple[float, float], Tensor] | None:
    """The pattern of some images, refined with whoever fits it; None where fewer than FEWEST do."""
    total = vectors.sum(dim=0)
    for _ in range(ROUNDS):
        count = int(members.sum())
        if not FEWEST <= count <= len(vectors) // 2:
            return None
        inside = vectors[members].sum(dim=0)
        others = (total - inside) / (len(vectors) - count)
        pattern = inside / count - others
        along = vectors @ pattern
        # A member's own part in the pattern would make any image a member for good: it is taken out.
        own = vectors[members]
        without = (inside - own) / (count - 1) - others
        along[members] = (own * without).sum(dim=1)
        strength = robust_z(along)
        members = strength > MEMBER_Z
    if int(members.sum()) < FEWEST:
        return None
    middle = float(along.double().median())
    scale = float((along - middle).abs().double().median()) * 1.4826
    return pattern, (middle, scale), strength
