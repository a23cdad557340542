"""A place in a stream of pairs, which JSON can hold: what a resumed run needs to go on with the next pair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipsan.errors import DataError
from clipsan.pairs.order import Order
from clipsan.pairs.pairset import Skipped


@dataclass(frozen=True)
class Position:
    """After the `taken` first entries of one process's part of an endless order.

    Attributes:
        order: identity of the order (`Order.identity`): pairs, weights and seed.
        rank: of the process.
        world_size: of how many.
        taken: entries this process has gone through, broken images included.
        skipped: index -> broken image, as known then.
    """

    order: str
    rank: int = 0
    world_size: int = 1
    taken: int = 0
    skipped: Mapping[int, Skipped] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world_size or self.taken < 0:
            raise DataError(
                f"There is no entry {self.taken} of process {self.rank} among {self.world_size} processes."
            )

    def place(self, length: int) -> tuple[int, int]:
        """(epoch, offset in it) of the next entry, in epochs of `length` entries of all processes."""
        return divmod(self.rank + self.taken * self.world_size, length)

    def times(self, order: Order) -> NDArray[np.int64]:
        """How often this process came to each index before this place: [order.pairs]."""
        end, length = self.rank + self.taken * self.world_size, order.length
        times = np.zeros(order.pairs, np.int64)
        for number in range(-(-end // length)):
            first = (self.rank - number * length) % self.world_size
            passed = order.epoch(number)[first : end - number * length : self.world_size]
            times += np.bincount(passed, minlength=order.pairs)
        return times

    def after(self, count: int) -> Position:
        """`count` entries further."""
        return replace(self, taken=self.taken + count)

    def with_skipped(self, skipped: Mapping[int, Skipped]) -> Position:
        """The same place with what is known to be broken; copied only where there is more of it."""
        return self if len(skipped) == len(self.skipped) else replace(self, skipped=dict(skipped))

    def check_fits(self, other: Position) -> None:
        """DataError unless both are places in the same process's part of the same order."""
        if (self.order, self.rank, self.world_size) != (other.order, other.rank, other.world_size):
            raise DataError(
                "The position is one of another stream (other pairs, weights, seed or processes); start from "
                "the beginning, or give what the stopped run was given."
            )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; `Position.from_dict` gives an equal position back."""
        return {
            "order": self.order, "rank": self.rank, "world_size": self.world_size, "taken": self.taken,
            "skipped": [[index, s.name, s.reason] for index, s in sorted(self.skipped.items())],
        }  # fmt: skip

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Position:
        """What `to_dict` gave. DataError where it is something else."""
        try:
            rank, world_size, taken = (_whole(data[name]) for name in ("rank", "world_size", "taken"))
            skipped = {_whole(index): Skipped(name, reason) for index, name, reason in data["skipped"]}
            return cls(str(data["order"]), rank, world_size, taken, skipped)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"The saved position in the pairs is damaged ({error}).") from error


def _whole(value: object) -> int:
    if type(value) is not int:
        raise TypeError(f"{value!r:.40} is no whole number")
    return value
