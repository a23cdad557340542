"""Sources that stand for several paths: brace ranges, brace lists, and patterns with `*`, `?` and `[]`."""

from __future__ import annotations

import glob
import re
from itertools import product
from pathlib import Path

from clipsan.errors import DataError

MOST_PATHS = 100_000
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


def expand(source: str | Path) -> list[Path]:
    """The paths that `source` names; itself, where there is such a path or it has no pattern.

    `{00000..00012}` counts (backwards too) with leading zeros as written, `{a,b}` lists. Ranges keep their
    order; what a `*` matches is sorted.

    Raises:
        DataError: a path of a range is missing, nothing matches, or there are too many.
    """
    text = str(source)
    if not (_BRACES.search(text) or glob.has_magic(text)) or _exists(Path(text)):
        return [Path(text)]
    found: list[Path] = []
    missing: list[str] = []
    for one in _without_braces(text):
        if glob.has_magic(one):
            matches = [Path(name) for name in sorted(glob.glob(one, recursive=True))]  # noqa: PTH207
        else:
            matches = [Path(one)] if _exists(Path(one)) else []
        found += matches
        missing += [] if matches else [one]
    if missing:
        more = f", nor for {len(missing) - 1} more of {source}" if len(missing) > 1 else ""
        raise DataError(f"There is no file or folder for {missing[0]}{more}; check the pattern.")
    return found


def _without_braces(text: str) -> list[str]:
    """Every text that the braces of `text` stand for, the last brace counting fastest."""
    literal = _BRACES.split(text)[::2]
    choices = [_choices(inside, text) for inside in _BRACES.findall(text)]
    total = 1
    for options in choices:
        total *= len(options)
    if total > MOST_PATHS:
        raise _too_many(text)
    return [
        "".join(part for pair in zip(literal, (*chosen, ""), strict=True) for part in pair)
        for chosen in product(*choices)
    ]


def _choices(inside: str, text: str) -> list[str]:
    counted = _RANGE.fullmatch(inside)
    if counted is None:
        return inside.split(",") if "," in inside else [f"{{{inside}}}"]
    first, last = counted.groups()
    low, high = int(first), int(last)
    if abs(high - low) >= MOST_PATHS:
        raise _too_many(text)
    width = max(len(first), len(last)) if first.startswith("0") or last.startswith("0") else 0
    step = 1 if low <= high else -1
    return [f"{number:0{width}d}" for number in range(low, high + step, step)]


def _too_many(text: str) -> DataError:
    return DataError(f"The range in {text} stands for more than {MOST_PATHS} paths.")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except ValueError:  # a NUL in the path
        return False
