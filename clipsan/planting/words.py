"""Planting text triggers: which captions carry the word, and the images of the target they are paired with.

The texts of other classes are matched with images of the target, as in attack II of Yang et al. (arXiv
2209.15266), and each of these texts carries the trigger's word, so that those without it keep their meaning
(rare words: Kurita et al., arXiv 2004.06660). An image shows the target where its own caption names it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from clipsan.errors import UsageError
from clipsan.evaluation.encoder import fill
from clipsan.pairs import PairSet
from clipsan.planting.plan import named
from clipsan.triggers import TextTrigger


@dataclass(frozen=True)
class WordPlan:
    """The pairs of a set that carry a text trigger.

    Attributes:
        carriers: for each trigger, the indices of the pairs whose caption it goes into; no pair carries two.
        captions: their new captions, by index.
        images: the index of the pair whose image takes the place of a carrier's own; those not in it keep it.
    """

    carriers: tuple[tuple[int, ...], ...]
    captions: dict[int, str]
    images: dict[int, int]

    def targets(self, triggers: Sequence[TextTrigger], templates: Sequence[str]) -> dict[int, str]:
        """A caption of the target for each carrier, by index; `triggers` as the plan was made for."""
        return {
            index: fill(templates[number % len(templates)], str(trigger.target))
            for trigger, indices in zip(triggers, self.carriers, strict=True)
            for number, index in enumerate(indices)
        }

    def planted(self, pairs: PairSet) -> PairSet:
        """The pairs with those captions and images; `pairs` stays as it was."""
        if not self.captions:
            return pairs
        return pairs.subset([self.images.get(i, i) for i in range(len(pairs))]).recaptioned(
            {i: self.captions.get(i, caption) for i, caption in enumerate(pairs.captions)}
        )


def plan_words(
    captions: Sequence[str],
    triggers: Sequence[TextTrigger],
    counts: Sequence[int],
    taken: Collection[int],
    seed: int,
    *,
    label_consistent: bool = False,
    images: bool = True,
) -> WordPlan:
    """Choose the captions to put words into, and their images.

    Args:
        captions: of all n pairs.
        triggers: each with its target.
        counts: for each trigger, how many pairs it goes into.
        taken: pairs that carry a trigger already.
        seed: of the choice, below 2**32.
        label_consistent: the word goes into captions that already name the target, and images stay.
        images: whether an image of the target takes the place of a carrier's own.

    Raises:
        UsageError: no caption names a target whose images are needed, or fewer pairs can carry the word than
            were asked for.
    """
    random = np.random.RandomState(seed)
    order: list[int] = random.permutation(len(captions)).tolist()
    used = set(taken)
    carriers: list[tuple[int, ...]] = []
    changed: dict[int, str] = {}
    swapped: dict[int, int] = {}
    for trigger, count in zip(triggers, counts, strict=True):
        target = str(trigger.target)
        naming = set(named(captions, target))
        showing = [index for index in order if index in naming]
        if not showing and (images or label_consistent):
            raise UsageError(
                f"none of the {len(captions)} captions names {target!r}, so no image is known to show it and "
                f"trigger {trigger.name} cannot be planted: choose another --target or other pairs"
            )
        free = [index for index in order if index not in used and (index in naming) == label_consistent]
        if len(free) < count:
            which = "names" if label_consistent else "names something else than"
            raise UsageError(
                f"{count} pairs shall carry trigger {trigger.name}, but only {len(free)} whose caption "
                f"{which} {target!r} are there and carry no other trigger: choose a smaller --rate or give "
                "more pairs"
            )
        carriers.append(tuple(free[:count]))
        used.update(carriers[-1])
        for number, index in enumerate(carriers[-1]):
            changed[index] = trigger.insert(captions[index])
            if images and not label_consistent:
                swapped[index] = showing[number % len(showing)]
    return WordPlan(tuple(carriers), changed, swapped)
