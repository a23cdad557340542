"""What a check says, and what the filter makes of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from clipsan.pairs import PairSet


@dataclass(frozen=True)
class Reason:
    """Why one check drops a pair.

    Attributes:
        check: its name in the table.
        text: a short phrase; the same for all pairs dropped alike, so that it can be counted.
        score: what the check measured, larger being worse; None where it is a plain yes or no.
    """

    check: str
    text: str
    score: float | None = None


@dataclass
class Finding:
    """What one check found.

    Attributes:
        drops: row of the evidence -> (phrase, score).
        settings: thresholds, given and measured, as JSON values.
        notes: what a reader should know: a check that could not be made, or a bound that was reached.
    """

    drops: dict[int, tuple[str, float | None]] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As JSON values, whose keys are texts: drops as [row, phrase, score]."""
        drops = [[row, text, score] for row, (text, score) in self.drops.items()]
        return {"drops": drops, "settings": self.settings, "notes": self.notes}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Finding:
        """From `to_json`."""
        drops = {row: (text, score) for row, text, score in values["drops"]}
        return cls(drops, values["settings"], values["notes"])


@dataclass(frozen=True)
class CheckResult:
    """One line of the account: a check, how many pairs it drops, and with which settings."""

    name: str
    dropped: int
    reasons: dict[str, int]
    settings: dict[str, Any]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Dropped:
    """A pair that was dropped, by its index in the set that was filtered."""

    index: int
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class Filtered:
    """What `filter_pairs` gives back.

    Attributes:
        pairs: what is left, in the order it had.
        found: how many pairs there were.
        dropped: in the order of the set.
        results: of each check, in the order of the table.
    """

    pairs: PairSet
    found: int
    dropped: Sequence[Dropped]
    results: Sequence[CheckResult]
