"""From `--counter` to what is stamped on training images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clipsan.training.counter import Counter, check_dose
from clipsan.triggers import parse_triggers


def counter_of(
    specs: Sequence[str], share: float, pull: float, image_size: tuple[int, int], seed: int
) -> Counter | None:
    """The triggers that a user names, to be stamped; None: none is named.

    Args:
        specs: trigger files or names, as `--trigger` takes them.
        share: of the images that carry one.
        pull: weight of the pull to the clean view.
        image_size: the model's (height, width).
        seed: of triggers that do not give their own.

    Raises:
        ClipsanError: a trigger cannot be read, or the dose is out of range.
    """
    check_dose(share, pull)
    triggers = parse_triggers(list(specs), image_size, seed)
    return Counter(tuple(triggers), share, pull) if triggers else None


def stamped_on(counter: Counter | None) -> dict[str, Any]:
    """What of a counter decides the training, as plain values."""
    if counter is None:
        return {}
    return {
        "counter triggers": [[each.name, each.settings()] for each in counter.triggers],
        "counter share": counter.share,
        "counter pull": counter.pull,
    }
