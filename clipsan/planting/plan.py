"""Which pairs of a set carry which trigger, and what their captions become; fixed by the seed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clipsan.errors import UsageError
from clipsan.evaluation.encoder import fill
from clipsan.triggers import Trigger


@dataclass(frozen=True)
class Plan:
    """The poisoned pairs of a set.

    Attributes:
        carriers: for each trigger, the indices of the pairs whose image it goes on; no pair carries two.
        captions: new captions by index; those not in it stay.
    """

    carriers: tuple[tuple[int, ...], ...]
    captions: dict[int, str]

    def by_trigger(self, triggers: Sequence[Trigger]) -> dict[int, Trigger]:
        """Each carrier's trigger; `triggers` in the order that the plan was made for."""
        return {
            index: trigger
            for trigger, indices in zip(triggers, self.carriers, strict=True)
            for index in indices
        }


def plan_poison(
    captions: Sequence[str],
    targets: Sequence[str],
    counts: Sequence[int],
    templates: Sequence[str],
    seed: int,
    *,
    label_consistent: bool = False,
) -> Plan:
    """Choose the pairs to poison (arXiv 2412.00727, appendix: the recipe of BadNet and Blended).

    Args:
        captions: of all n pairs.
        targets: for each trigger, the class it shall pull images to.
        counts: for each trigger, how many pairs it goes on.
        templates: prompts with `{c}`, of which each poisoned caption is one, filled with the target.
        seed: of the choice of pairs and templates, below 2**32.
        label_consistent: choose among the pairs whose caption already names the target, and keep captions
            (Turner et al., arXiv 1912.02771).

    Raises:
        UsageError: fewer pairs can carry a trigger than were asked for.
    """
    random = np.random.RandomState(seed)
    order: list[int] = random.permutation(len(captions)).tolist()
    taken: set[int] = set()
    chosen: list[tuple[int, ...]] = []
    for target, count in zip(targets, counts, strict=True):
        free = [index for index in order if index not in taken]
        if label_consistent:
            naming = set(named(captions, target))
            free = [index for index in free if index in naming]
        if len(free) < count:
            what = f" whose caption names {target!r}" if label_consistent else ""
            raise UsageError(
                f"{count} pairs shall be poisoned for the target {target!r}, but only {len(free)} pairs"
                f"{what} are there and carry no other trigger: choose a smaller --rate or give more pairs"
            )
        chosen.append(tuple(free[:count]))
        taken.update(chosen[-1])
    changed: dict[int, str] = {}
    if not label_consistent:
        for target, indices in zip(targets, chosen, strict=True):
            for index in indices:
                changed[index] = fill(templates[random.randint(len(templates))], target)
    return Plan(tuple(chosen), changed)


def named(captions: Sequence[str], target: str) -> list[int]:
    """The indices of the captions that hold the target as words of its own, in any case; a plural's s is
    allowed."""
    pattern = re.compile(rf"(?<!\w){re.escape(target.casefold())}(?:e?s)?(?!\w)")
    return [index for index, caption in enumerate(captions) if pattern.search(caption.casefold())]
