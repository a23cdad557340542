"""The part of the pairs that is kept to measure on."""

from __future__ import annotations

import hashlib

from clipsan.errors import UsageError
from clipsan.pairs.pairset import PairSet


def split(pairs: PairSet, held_out: float, seed: int) -> tuple[PairSet, PairSet]:
    """Parts `pairs` into (train, held-out).

    A pair's side follows from the seed and its encoded image alone. So it stays the same when the source is
    read again, reordered, extended, renamed or packed in another form, and captions of one image and copies
    of one image stay together. Each side gets at least one pair when 0 < held_out and there are two
    different images or more. 4 KiB of each image are read.

    Args:
        held_out: share of the images to hold out, 0 <= held_out < 1.
    """
    if not 0 <= held_out < 1:
        raise UsageError(f"The held-out share must be at least 0 and below 1, and it is {held_out}.")
    if held_out == 0:
        return pairs.subset(range(len(pairs))), pairs.subset([])
    shares = [_share(seed, pairs.content(index)) for index in range(len(pairs))]
    apart = {share for share in shares if share < held_out}
    if len(set(shares)) >= 2:
        apart.add(min(shares))
        apart.discard(max(shares))
    train = [index for index, share in enumerate(shares) if share not in apart]
    return pairs.subset(train), pairs.subset([i for i, share in enumerate(shares) if share in apart])


def _share(seed: int, content: bytes) -> float:
    """A number in [0, 1) that looks uniform over images and is fixed by (seed, content)."""
    digest = hashlib.sha256(b"%d:%b" % (seed, content)).digest()
    return int.from_bytes(digest[:6], "big") / 2**48
