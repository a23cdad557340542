"""Planting backdoors: which pairs of a set are poisoned and how, and a reader that puts the triggers on.

    plan = plan_poison(pairs.captions, ["banana"], [120], templates, seed=0)
    poisoned = pairs.recaptioned(plan.captions)
    poisoned = plan_words(pairs.captions, text_triggers, [120], taken, seed=0).planted(poisoned)
    reader = PoisonedReader(poisoned, preprocess_cfg, size, plan.by_trigger(triggers))

What comes out are pairs like any others, so that the one training loop plants a backdoor as it removes one.
`TriggeredCopies` are for the other way, in which the pairs stay clean and triggered copies come beside them.
This room knows nothing of models.
"""

from __future__ import annotations

from clipsan.planting.copies import TriggeredCopies
from clipsan.planting.plan import Plan, named, plan_poison
from clipsan.planting.reader import PoisonedReader
from clipsan.planting.words import WordPlan, plan_words

__all__ = ["Plan", "PoisonedReader", "TriggeredCopies", "WordPlan", "named", "plan_poison", "plan_words"]
