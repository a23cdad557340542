"""Shares with the number of images behind them, and the test of two models on the same images. No torch here.

Wilson's interval (Wilson 1927, "Probable inference, the law of succession, and statistical inference")
stays within 0..1 and is not empty at 0 of n, which the plain normal interval is. McNemar's test (McNemar
1947, "Note on the sampling error of the difference between correlated proportions") asks only the images
on which the two models differ, as two intervals side by side cannot.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from clipsan.errors import DataError

Z_95 = 1.959963984540054
"""The 97.5 % quantile of the standard normal distribution."""

MOST_EXACT = 1000
"""Up to so many discordant pairs McNemar's test is the exact binomial one."""

_LARGEST = 2**53  # the largest count that a JSON number keeps exactly
_KEYS = ("successes", "n", "rate", "low", "high")


@dataclass(frozen=True)
class Rate:
    """`successes` of `n` images; raises ValueError unless 0 <= successes <= n."""

    successes: int
    n: int

    def __post_init__(self) -> None:
        if not 0 <= self.successes <= self.n <= _LARGEST:
            raise ValueError(f"a rate needs 0 <= successes <= n, not {self.successes} of {self.n}")

    @property
    def rate(self) -> float | None:
        """The share in 0..1; None when nothing was counted."""
        return self.successes / self.n if self.n else None

    @property
    def low(self) -> float:
        """Lower end of the interval, in 0..1."""
        return self._bound(-Z_95)

    @property
    def high(self) -> float:
        """Upper end of the interval, in 0..1."""
        return self._bound(Z_95)

    def among(self, looks: int) -> tuple[float, float]:
        """The ends of the interval of one of `looks` rates, such that all hold with 95 % (Bonferroni)."""
        z = NormalDist().inv_cdf(1 - 0.025 / max(1, looks))
        return self._bound(-z), self._bound(z)

    def _bound(self, z: float) -> float:
        """The end of Wilson's interval that is `z` standard deviations away."""
        # There the formula gives the end of the range but for rounding, which could leave 1e-18.
        if self.n == 0 or self.successes == (0 if z < 0 else self.n):
            return 0.0 if z < 0 else 1.0
        centre = (self.successes + z**2 / 2) / (self.n + z**2)
        spread = self.successes * (self.n - self.successes) / self.n + z**2 / 4
        half_width = abs(z) * math.sqrt(spread) / (self.n + z**2)
        return max(0.0, centre - half_width) if z < 0 else min(1.0, centre + half_width)

    def to_dict(self) -> dict[str, Any]:
        """`successes`, `n` and what follows from them, as report.json stores it."""
        return {
            "successes": self.successes,
            "n": self.n,
            "rate": self.rate,
            "low": self.low,
            "high": self.high,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Rate:
        """Read what `to_dict` wrote.

        Raises DataError for other keys, for counts that are no counts, and for a share or an interval
        that does not follow from the counts: in a report from elsewhere it would mislead.
        """
        if not isinstance(data, Mapping) or set(data) != set(_KEYS):
            raise DataError(f"a rate needs exactly the keys {', '.join(_KEYS)}")
        successes, n = data["successes"], data["n"]
        if type(successes) is not int or type(n) is not int or not 0 <= successes <= n <= _LARGEST:
            raise DataError("a rate needs whole numbers with 0 <= successes <= n")
        counted = cls(successes, n)
        for key in ("rate", "low", "high"):
            if not _same(data[key], getattr(counted, key)):
                raise DataError(f"the {key} of a rate does not follow from {successes} of {n}")
        return counted


def mcnemar(lost: int, gained: int) -> float:
    """Two-sided p-value, in 0..1, of McNemar's test that changes go either way equally often.

    Up to MOST_EXACT discordant pairs it is exact: twice the binomial tail with p = 1/2, at most 1. Beyond,
    it is chi-squared with one degree of freedom and the continuity correction (Edwards 1948).

    Args:
        lost: images that count before and not after.
        gained: images that count after and not before.
    """
    if lost < 0 or gained < 0:
        raise ValueError(f"McNemar's test takes counts, not {lost} and {gained}")
    changed = lost + gained
    if changed <= MOST_EXACT:
        tail = sum(math.comb(changed, k) for k in range(min(lost, gained) + 1))
        both_tails: float = 2 * tail / 2**changed
        return min(1.0, both_tails)
    excess = max(0, abs(lost - gained) - 1)
    return math.erfc(excess / math.sqrt(2 * changed))


def _same(stored: object, computed: float | None) -> bool:
    if stored is None or computed is None:
        return stored is computed
    return type(stored) in (int, float) and math.isclose(float(stored), computed, abs_tol=1e-6)  # type: ignore[arg-type]
