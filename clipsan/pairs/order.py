"""The order in which a stream goes through a set: which pair comes when, epoch by epoch, fixed by the seed.

Nothing here is random at run time: epoch e of a seed can be asked for at any moment, which is what lets a
stream stop and go on. RandomState's numbers are frozen for all versions of numpy; those of default_rng are
not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from clipsan.errors import UsageError
from clipsan.pairs.pairset import PairSet

Indices = NDArray[np.int64]


class Order(Protocol):
    """An endless sequence of indices below `pairs`, in epochs of `length`."""

    @property
    def pairs(self) -> int: ...

    @property
    def length(self) -> int: ...

    @property
    def identity(self) -> str:
        """Equal for orders that are equal in every epoch."""
        ...

    def epoch(self, number: int) -> Indices: ...


class Shuffled:
    """Each epoch a new permutation of all n pairs, or one within windows where only those are read fast.

    Windowed: the set is cut into blocks of a tenth of a window, the blocks are permuted, and then the pairs
    within each run of `window`. A set that fits one window is permuted as a whole.
    """

    def __init__(self, n: int, seed: int, window: int | None = None, stream: Sequence[int] = ()) -> None:
        """`stream`: numbers that tell orders of one seed apart."""
        self.pairs = self.length = n
        self._words = (seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF)
        self._stream = tuple(stream)
        self._window = window if window is not None and window < n else None

    @property
    def identity(self) -> str:
        return _identity("shuffled", self.pairs, self._words, self._stream, self._window)

    def epoch(self, number: int) -> Indices:
        random = np.random.RandomState([*self._words, number, *self._stream])
        if self._window is None:
            return random.permutation(self.pairs).astype(np.int64)
        block = max(1, self._window // 10)
        starts = random.permutation(range(0, self.pairs, block)).tolist()
        order = np.concatenate([np.arange(start, min(start + block, self.pairs)) for start in starts])
        for start in range(0, self.pairs, self._window):
            order[start : start + self._window] = random.permutation(order[start : start + self._window])
        return order


class Mixed:
    """Several sources side by side, each with a fixed number of places in every epoch.

    Where the places of a source equal its pairs, each comes once an epoch. Else the source goes through its
    own permutations at its own pace: none of its pairs comes a second time before all have come once.
    """

    def __init__(
        self, members: Sequence[Indices], places: Sequence[int], orders: Sequence[Order], seed: int
    ) -> None:
        """Per source: the indices of its pairs, its places in an epoch, the order of its own pairs."""
        self.pairs = sum(len(indices) for indices in members)
        self.length = sum(places)
        self._members = members
        self._places = places
        self._orders = orders
        self._slots = Shuffled(self.length, seed, stream=(len(members), 0))

    @property
    def identity(self) -> str:
        own = [order.identity for order in self._orders]
        return _identity("mixed", self._places, own, self._slots.identity)

    def epoch(self, number: int) -> Indices:
        drawn = [
            indices[_run(order, number * places, places)]
            for indices, places, order in zip(self._members, self._places, self._orders, strict=True)
        ]
        return np.concatenate(drawn)[_slots_in_turn(self._places, self._slots.epoch(number))]


def order_of(pairs: PairSet, seed: int) -> Order:
    """The order of a set: a permutation an epoch; with weights, sources mixed in their proportion.

    With weights an epoch still has as many places as there are pairs, and source i gets the share
    weight_i / sum of weights of them, rounded so that they add up. A source with more pairs than places
    takes several epochs to come through, one with fewer is repeated within one.

    Raises:
        UsageError: a weighted source has no pair left.
    """
    weights = [origin.weight for origin in pairs.origins]
    windows = [origin.window for origin in pairs.origins]
    if weights[0] is None and len(weights) == 1:
        return Shuffled(len(pairs), seed, windows[0])
    if weights[0] is None and not any(windows):
        return Shuffled(len(pairs), seed)
    of = np.asarray(pairs.origin_of)
    members = [np.flatnonzero(of == number).astype(np.int64) for number in range(len(weights))]
    counts = [len(indices) for indices in members]
    places = counts
    if weights[0] is not None:
        for origin, count in zip(pairs.origins, counts, strict=True):
            if count == 0:
                raise UsageError(
                    f"{origin.source} has a weight, but none of its pairs is left: leave it out, or hold "
                    "out or filter less"
                )
        places = _shares(len(pairs), [weight or 0.0 for weight in weights])
    kept = [number for number in range(len(weights)) if places[number]]
    orders = [
        Shuffled(counts[number], seed, windows[number], stream=(len(weights), number + 1)) for number in kept
    ]
    return Mixed([members[number] for number in kept], [places[number] for number in kept], orders, seed)


def repeated(pairs: PairSet, batch_size: int) -> tuple[str, int, int] | None:
    """(source, its pairs, its places in a batch) where a weight asks for more places than it has pairs."""
    weights = [origin.weight or 0.0 for origin in pairs.origins]
    if not any(weights):
        return None
    counts = np.bincount(np.asarray(pairs.origin_of), minlength=len(weights)).tolist()
    for origin, count, weight in zip(pairs.origins, counts, weights, strict=True):
        places = round(batch_size * weight / sum(weights))
        if places > count:
            return origin.source, count, places
    return None


def _shares(total: int, weights: Sequence[float]) -> list[int]:
    """`total` parted in proportion (largest remainder), at least 1 for each."""
    exact = [total * weight / sum(weights) for weight in weights]
    places = [max(1, int(share)) for share in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: (int(exact[i]) - exact[i], i))
    for number in range(max(0, total - sum(places))):
        places[by_remainder[number % len(places)]] += 1
    return places


def _run(order: Order, start: int, count: int) -> Indices:
    """`count` entries of an order from its entry `start` on, over as many of its epochs as that takes."""
    parts = []
    while count > 0:
        number, offset = divmod(start, order.length)
        part = order.epoch(number)[offset : offset + count]
        parts.append(part)
        start += len(part)
        count -= len(part)
    return np.concatenate(parts)


def _slots_in_turn(places: Sequence[int], slots: Indices) -> Indices:
    """For drawn entries that lie source by source, their order in the epoch: within a source unchanged."""
    source_of = np.repeat(np.arange(len(places)), places)[slots]
    at = np.empty(len(slots), np.int64)
    start = 0
    for number, count in enumerate(places):
        at[source_of == number] = np.arange(start, start + count)
        start += count
    return at


def _identity(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
