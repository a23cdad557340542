"""Random choices that are the same in every Python and on every platform."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

SEEDS = 2**52
"""Seeds of single images lie below it, so that every JSON reader holds them exactly."""


def derive_seed(*parts: object) -> int:
    """A seed in 0 to 2^52 - 1 from the words of `parts`; BLAKE2b: neighbours have nothing in common."""
    words = "\x00".join(str(part) for part in parts).encode("utf-8")
    return int.from_bytes(hashlib.blake2b(words, digest_size=8).digest(), "big") % SEEDS


class Dice:
    """A stream of choices from a seed. Of `random.Random` only `random()` is used: the part Python keeps."""

    def __init__(self, seed: int) -> None:
        """`seed` is 0 or above."""
        self._next = random.Random(seed).random  # noqa: S311 - pictures, not secrets

    def chance(self, share: float) -> bool:
        """True in `share` of all cases."""
        return self._next() < share

    def uniform(self, low: float, high: float) -> float:
        """A number from low to high."""
        return low + (high - low) * self._next()

    def below(self, bound: int) -> int:
        """A whole number from 0 to bound - 1."""
        return int(self._next() * bound)

    def pick(self, items: Sequence[T]) -> T:
        """One of `items`, each equally often."""
        return items[int(self._next() * len(items))]

    def sample(self, items: Sequence[T], number: int) -> list[T]:
        """`number` different ones of `items`, in random order; all of them where there are fewer."""
        rest = list(items)
        return [rest.pop(self.below(len(rest))) for _ in range(min(number, len(rest)))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """All of `items` in random order."""
        return self.sample(items, len(items))
