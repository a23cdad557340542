"""What `--until` and `--effort` ask for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches

from clipsan.errors import UsageError

EFFORTS = {"quick": 1, "normal": 3, "thorough": 6}
"""Rounds of fine-tuning at most."""

MOST_ROUNDS = 50
EXAMPLE = "asr<=5%,drop<=3"
_QUANTITIES = ("asr", "drop")


@dataclass(frozen=True)
class Budget:
    """When a model is good enough.

    Attributes:
        asr: no inverted trigger may succeed on a larger share of the held-out images; 0..1.
        drop: accuracy on held-out pairs that may be lost, in percentage points.
    """

    asr: float
    drop: float

    def excess(self, asr: float, drop: float) -> float:
        """By how many points a model is over the budget, both limits added; 0: it is met."""
        over = max(0.0, 100 * (asr - self.asr)) + max(0.0, drop - self.drop)
        return over if over > 1e-9 else 0.0

    @property
    def words(self) -> str:
        """As a user reads it."""
        return f"attack success at most {100 * self.asr:g} %, accuracy lost at most {self.drop:g} points"


def parse_budget(text: str, max_asr: float, max_drop: float) -> Budget:
    """Read `asr<=5%,drop<=3`: percent, and percentage points; `%` may be left out.

    Args:
        text: as typed; a limit that it does not name is that of the verdict.
        max_asr: the verdict's limit, in percent.
        max_drop: the verdict's limit, in points.

    Raises:
        UsageError: what is wrong with which part.
    """
    limits = {"asr": max_asr, "drop": max_drop}
    named: set[str] = set()
    for part in text.split(","):
        name, limit = _limit(part.strip(), text)
        if name in named:
            raise UsageError(f"--until names {name} twice ({text!r}): give each limit once, as in {EXAMPLE}")
        named.add(name)
        limits[name] = limit
    return Budget(limits["asr"] / 100, limits["drop"])


def parse_effort(text: str) -> int:
    """Rounds of fine-tuning at most: a name of EFFORTS, or a whole number from 1 to MOST_ROUNDS."""
    asked = text.strip().lower()
    if asked in EFFORTS:
        return EFFORTS[asked]
    if not asked.isascii() or not asked.isdigit() or not 1 <= int(asked) <= MOST_ROUNDS:
        names = ", ".join(f"{name} ({rounds})" for name, rounds in EFFORTS.items())
        raise UsageError(
            f"--effort is {text!r}, but is how many rounds of fine-tuning there may be: {names}, or a whole "
            f"number from 1 to {MOST_ROUNDS}"
        )
    return int(asked)


def _limit(part: str, whole: str) -> tuple[str, float]:
    """(quantity, number) of one part."""
    found = re.fullmatch(r"([A-Za-z]+)\s*(<=|=<|≤|<|>=|>|==?)\s*(\S+?)\s*(%?)", part)
    if found is None:
        what = f"the part {part!r}" if part else "an empty part"
        raise UsageError(f"--until has {what} ({whole!r}): write limits with <=, as in {EXAMPLE}")
    name, sign, number, percent = found.groups()
    name = name.lower()
    if name not in _QUANTITIES:
        near = get_close_matches(name, _QUANTITIES, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(
            f"--until limits {name!r}: {hint}asr (attack success of inverted triggers, in percent) and drop "
            f"(accuracy lost, in points) can be limited, as in {EXAMPLE}"
        )
    if sign not in ("<=", "=<", "≤"):
        raise UsageError(f"--until says {part!r}: a limit is written with <=, as in {EXAMPLE}")
    if percent and name == "drop":
        raise UsageError(f"--until says {part!r}: drop is in percentage points, so write {part.rstrip('% ')}")
    try:
        limit = float(number)
    except ValueError:
        raise UsageError(f"--until says {part!r}: {number!r} is not a number") from None
    if not 0 <= limit <= 100:
        raise UsageError(f"--until says {part!r}: choose a number from 0 to 100")
    return name, limit
