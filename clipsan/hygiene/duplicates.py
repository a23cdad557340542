"""Pairs that are there twice: the same caption on the same image, or on nearly the same.

Captions count as the same where they differ in case, punctuation and spacing only. Several different captions
of one image are no duplicates. The first pair of those alike stays.
"""

from __future__ import annotations

from collections import defaultdict

from torch import Tensor

from clipsan.hygiene.evidence import Evidence
from clipsan.hygiene.finding import Finding
from clipsan.hygiene.words import plain

NEAR_BITS = 8  # of 64 may differ
NEAR_COSINE = 0.95  # under the suspect: a hash alone cannot tell plain pictures apart
_BLOCK = 4096


def check_duplicates(evidence: Evidence, rows: list[int]) -> Finding:
    """Drops exact duplicates by decoded pixels, near ones by hash and, where there are any, embeddings."""
    finding = Finding(settings={"near_bits": NEAR_BITS, "near_cosine": NEAR_COSINE})
    groups: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        groups[plain(evidence.caption(row))].append(row)
    images = next(iter(evidence.images.values()), None)
    for group in groups.values():
        seen: set[bytes] = set()
        different = []
        for row in group:
            if evidence.digests[row] in seen:
                finding.drops[row] = ("the same image and caption as an earlier pair", None)
            else:
                seen.add(evidence.digests[row])
                different.append(row)
        for row, bits in _near(different, evidence.hashes, images):
            finding.drops[row] = ("nearly the same image and the same caption as an earlier pair", bits)
    return finding


def _near(group: list[int], hashes: Tensor, images: Tensor | None) -> list[tuple[int, float]]:
    """(row, 64 - differing bits) of each row that is near an earlier one of its group that stays."""
    if len(group) < 2:
        return []
    found: dict[int, float] = {}
    codes = hashes[group].float()
    vectors = None if images is None else images[group]
    for start in range(0, len(group), _BLOCK):
        same = (64 + codes[start : start + _BLOCK] @ codes.T) / 2
        near = same >= 64 - NEAR_BITS
        if vectors is not None:
            near &= vectors[start : start + _BLOCK] @ vectors.T >= NEAR_COSINE
        for at, earlier in near.tril(start - 1).nonzero().tolist():
            if earlier not in found:
                found[start + at] = max(found.get(start + at, 0.0), float(same[at, earlier]))
    return [(group[at], bits) for at, bits in found.items()]
