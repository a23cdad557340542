"""The checks of the filter: a new one is a file and a row here."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from clipsan.errors import UsageError
from clipsan.hygiene.boilerplate import check_boilerplate
from clipsan.hygiene.captions import check_captions
from clipsan.hygiene.density import check_density
from clipsan.hygiene.duplicates import check_duplicates
from clipsan.hygiene.evidence import Evidence
from clipsan.hygiene.finding import Finding
from clipsan.hygiene.images import check_images
from clipsan.hygiene.match import check_match
from clipsan.hygiene.patch import check_patch
from clipsan.hygiene.pattern import check_pattern


@dataclass(frozen=True)
class Check:
    """One row.

    Attributes:
        run: (evidence, rows to judge) -> finding.
        needs: what of the evidence it reads.
        first: it runs before the others, which do not see what it drops.
    """

    run: Callable[[Evidence, list[int]], Finding]
    needs: frozenset[str] = frozenset()
    first: bool = False


CHECKS: dict[str, Check] = {
    "images": Check(check_images, frozenset({"sizes"}), first=True),
    "captions": Check(check_captions, first=True),
    "duplicates": Check(check_duplicates, frozenset({"hashes", "embeddings"}), first=True),
    "boilerplate": Check(check_boilerplate, frozenset({"embeddings"})),
    "pattern": Check(check_pattern, frozenset({"views"})),
    "patch": Check(check_patch, frozenset({"windows"})),
    "match": Check(check_match, frozenset({"embeddings"})),
    "density": Check(check_density, frozenset({"embeddings"})),
}


def parse_checks(asked: str | Sequence[str]) -> tuple[str, ...]:
    """The checks asked for, in the order of the table.

    Args:
        asked: "all", "none", or names, separated by commas where it is one text.

    Raises:
        UsageError: an unknown name, or none at all.
    """
    names = [name.strip() for name in asked.split(",")] if isinstance(asked, str) else list(asked)
    if names == ["none"]:
        return ()
    if names == ["all"]:
        return tuple(CHECKS)
    for name in names:
        if name not in CHECKS:
            near = difflib.get_close_matches(name, [*CHECKS, "all", "none"], 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise UsageError(
                f"There is no filter check {name!r}{hint} Give all, none, or some of {', '.join(CHECKS)},"
                " separated by commas."
            )
    return tuple(name for name in CHECKS if name in names)
