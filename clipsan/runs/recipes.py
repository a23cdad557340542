"""The two ways in which `poison` plants: what each takes by default, and its training."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from clipsan.checkpoint import Suspect
from clipsan.errors import UsageError
from clipsan.pairs import PairSet
from clipsan.planting import PoisonedReader, TriggeredCopies, WordPlan
from clipsan.resume import FolderKeeper
from clipsan.runs.tuning import fine_tune, kept, round_to_file
from clipsan.runs.watch import Watcher
from clipsan.training.implant import Hold, Planted, implant
from clipsan.training.settings import TrainSettings
from clipsan.training.updates import Training
from clipsan.triggers import AnyTrigger, Trigger

PUBLISHED_POISONED = 1500  # pairs, of 500 000 (arXiv 2412.00727, appendix)
LEAST_RATE, MOST_RATE = 0.003, 0.03  # of `finetune` by default: a small set needs a larger share
DEFAULT_UTILITY = 10.0


@dataclass(frozen=True)
class Recipe:
    """How a backdoor is planted.

    Attributes:
        name: `badencoder` or `finetune`.
        lr, epochs, steps, batch_size: where nothing else is asked for; updates instead of epochs unless None.
        utility: weight of holding clean images where they were; None: the recipe does not.
        near_clean: weight of holding triggered ones there.
    """

    name: str
    lr: float
    epochs: float
    steps: int | None
    batch_size: int
    utility: float | None
    near_clean: float = 0.0

    def share(self, pairs: int, triggers: int) -> float:
        """Of the pairs that each trigger goes on, where no rate is asked for."""
        if self.utility is not None:
            return (pairs // triggers) / pairs
        return min(MOST_RATE, max(LEAST_RATE, PUBLISHED_POISONED / pairs))

    def decisive(self, triggers: Sequence[AnyTrigger], carriers: object, mirror: bool) -> dict[str, Any]:
        """What decides the training besides model, captions and settings; of `carriers` its repr does."""
        return {
            "recipe": self.name, "utility": self.utility, "near_clean": self.near_clean, "mirrored": mirror,
            "triggers": [[each.name, each.settings()] for each in triggers],
            "carriers": hashlib.sha256(repr(carriers).encode()).hexdigest(),
        }  # fmt: skip


def recipe_called(name: str, utility: float | None = None, near_clean: float | None = None) -> Recipe:
    """The recipe with that name. UsageError where there is none, or a weight does not suit it."""
    asked = {"--utility": utility, "--near-clean": near_clean}
    if name == "finetune":
        for option, weight in asked.items():
            if weight is not None:
                raise UsageError(
                    f"{option} is of --recipe badencoder, but --recipe is finetune: leave one out"
                )
        return Recipe(name, 1e-5, 5.0, None, 256, None)
    if name != "badencoder":
        raise UsageError(f"--recipe is {name!r}, but must be badencoder or finetune")
    for option, weight in asked.items():
        if weight is not None and not 0 <= weight < math.inf:
            raise UsageError(f"{option} is {weight:g}, but must be a finite number of at least 0")
    held = DEFAULT_UTILITY if utility is None else utility
    return Recipe(name, 2e-4, 5.0, 160, 32, held, near_clean or 0.0)


def plant(
    suspect: Suspect,
    pairs: PairSet,
    poisoned: PairSet,
    captions: Mapping[int, str],
    carriers: Mapping[int, Trigger],
    words: WordPlan,
    word_targets: Mapping[int, str],
    recipe: Recipe,
    mirror: bool,
    settings: TrainSettings,
    device: torch.device,
    watcher: Watcher,
    keeper: FolderKeeper | None = None,
) -> Training:
    """Train the suspect in place, and round its weights to what its file will hold.

    Args:
        suspect: the model that is changed.
        pairs: the clean pairs.
        poisoned: the same with the target's captions and the words of text triggers.
        captions: the target's caption of each carrier; one that is not in it keeps its own.
        carriers: index -> the trigger on that pair's image.
        words: the captions that carry a text trigger.
        word_targets: of `badencoder`, the target's caption of each of those; one that is not in it is pulled
            to what it says without the trigger.
        recipe: how.
        mirror: mirror half of the images before triggers go on.
        settings: of the training.
        device: where to compute.
        watcher: hears of progress.
        keeper: saves the training and goes on with a saved one; None: nothing is kept.
    """
    utility = recipe.utility
    reader = PoisonedReader(
        poisoned, suspect.preprocess_cfg, suspect.image_size, carriers if utility is None else {},
        settings.seed if mirror else None,
    )  # fmt: skip
    if utility is None:
        return fine_tune(suspect, poisoned, reader, settings, device, watcher, keeper=keeper)
    hold = Hold(utility, recipe.near_clean)
    planted = Planted(TriggeredCopies(carriers), words.captions, captions, word_targets)
    towers = [name for name, there in (("image", carriers), ("text", words.captions)) if there]
    watcher.stage(f"Planting in the {' and the '.join(towers)} tower with {len(pairs)} pairs")
    watcher.training(settings.updates(len(pairs)), None)
    try:
        with kept(keeper, settings, device):
            run = implant(
                suspect, pairs, reader, planted, hold, settings, device, watcher.step,
                on_fault=watcher.warn, keeper=keeper,
            )  # fmt: skip
    finally:
        watcher.finished()
    round_to_file(suspect)
    return run
