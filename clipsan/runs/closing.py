"""`clean --until`: from what a run has read to a closed loop over it, and to what its report says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from clipsan.checkpoint import Suspect
from clipsan.errors import UsageError
from clipsan.evaluation.labelled import LabelledSet
from clipsan.evaluation.probe import Probe
from clipsan.loop.budget import Budget, parse_budget, parse_effort
from clipsan.loop.plan import AUGMENT
from clipsan.loop.rounds import close
from clipsan.pairs import ImageReader
from clipsan.report import Thresholds
from clipsan.report.rounds import ClosedLoop
from clipsan.runs.inverting import Classes
from clipsan.runs.material import Material
from clipsan.runs.probes import class_names
from clipsan.runs.watch import Watcher
from clipsan.runs.workshop import ModelWorkshop, Watched
from clipsan.training.processes import ALONE, Processes
from clipsan.training.settings import PUBLISHED_AUGMENT, TrainSettings
from clipsan.training.updates import Training
from clipsan.triggers import Trigger

TEMPLATES = ("a photo of a {c}.",)
MOST_WATCHED = 5000
"""Accuracy is watched on half of the labelled images at most, so that the other half sees no choice."""


@dataclass(frozen=True)
class Asked:
    """`--until` and `--effort`, read.

    Attributes:
        budget: when a model is good enough.
        effort: rounds of fine-tuning at most.
        may_lock: whether the rounds choose what `--lock` is.
    """

    budget: Budget
    effort: int
    may_lock: bool


@dataclass(frozen=True)
class Closed:
    """What a loop gives back; the run's model is left as the suspect was.

    Attributes:
        suspect: the suspect's weights.
        best: those of the model to keep, as its file will hold them.
        training: that the best came from.
        settings: of that training, but with the tau that was asked for, which a round may raise.
        known: triggers with evidence, of all scans.
        looked_back: of the suspect, what stands out beside the best and is not among the known.
        record: for the report.
    """

    suspect: Mapping[str, Tensor]
    best: Mapping[str, Tensor]
    training: Training
    settings: TrainSettings
    known: tuple[Trigger, ...]
    looked_back: tuple[Trigger, ...]
    record: ClosedLoop

    def put_into(self, suspect: Suspect) -> Training:
        """Load the best model; the training that it came from."""
        suspect.model.load_state_dict(self.best)
        return self.training


def asked_loop(
    until: str | None,
    effort: str | int | None,
    held_out: float | None,
    thresholds: Thresholds,
    counter: Sequence[str],
    save_every: int | None = None,
    lock: str | None = None,
) -> Asked | None:
    """What is asked for; None: one fine-tuning as ever.

    Args:
        until: the budget as typed; a limit that it leaves out is that of `thresholds`.
        effort: as typed; None: normal.
        held_out: the share that is held out, as typed.
        thresholds: of the verdict.
        counter: triggers that a user wants stamped.
        save_every: updates between saved states, as typed.
        lock: the tower that is to keep its weights, as typed; None: the rounds choose.

    Raises:
        UsageError: the budget or the effort cannot be read, there is an effort without a budget, triggers are
            given that the loop would find itself, states shall be saved, or nothing is held out to measure
            on.
    """
    if until is None:
        if effort is not None:
            raise UsageError("--effort says how many rounds --until may take: give --until, too")
        return None
    if held_out == 0:
        raise UsageError("--until measures on held-out pairs, but --held-out is 0: choose a share above it")
    if counter:
        raise UsageError("--until finds the triggers to stamp itself: leave --counter out")
    if save_every:
        raise UsageError("--until trains in rounds, which are not saved: leave --save-every out")
    budget = parse_budget(until, 100 * thresholds.max_asr, thresholds.max_drop)
    return Asked(budget, parse_effort("normal" if effort is None else str(effort)), lock is None)


def augment_of(given: Sequence[str] | None, until: str | None) -> tuple[str, ...]:
    """The augmentations of a run: those given, else the published ones, or the rounds' own."""
    if given is not None:
        return tuple(given)
    return PUBLISHED_AUGMENT if until is None else AUGMENT


def run_loop(
    asked: Asked,
    suspect: Suspect,
    material: Material,
    labelled: LabelledSet | None,
    classes: str | Path | None,
    settings: TrainSettings,
    device: torch.device,
    watcher: Watcher,
    processes: Processes = ALONE,
    fsdp: bool = False,
) -> Closed:
    """Scan and clean until the budget is met.

    Args:
        asked: the budget and the effort.
        suspect: to be cleaned; its model is used for all versions, and is the suspect again afterwards.
        material: training and held-out pairs.
        labelled: gives class names, and half of its images to watch accuracy on.
        classes: a file of class names; without it those of `labelled`, else ImageNet's.
        settings: of each fine-tuning, changed as the rounds need it.
        device: where to compute.
        watcher: hears of the rounds.
        processes: that go through it together, each called alike.
        fsdp: each has a part of the model that is trained.

    Raises:
        ClipsanError: too few pairs are held out, or a training cannot go on.
    """
    if labelled is not None:
        named = Classes(labelled.classnames, labelled.templates)
    else:
        named = Classes(class_names(classes), list(TEMPLATES))
    watched = None if labelled is None else _watched(labelled, suspect, settings.seed)
    workshop = ModelWorkshop(suspect, material, named, settings, device, watcher, watched, processes, fsdp)
    ended = close(
        workshop, asked.budget, effort=asked.effort, method=settings.method, may_lock=asked.may_lock,
        tell=watcher.stage,
    )  # fmt: skip
    version = ended.best.model
    if version.training is None or version.settings is None:
        raise ValueError("the best model of a loop comes from a training")
    suspect.model.load_state_dict(workshop.suspect().state)
    record = ClosedLoop(
        budget_asr=asked.budget.asr, budget_drop=asked.budget.drop, effort=asked.effort, met=ended.met,
        outcome=ended.words, pairs=workshop.held_out,
        accuracy_on="held-out pairs" if watched is None else "labelled images",
        accuracy_n=workshop.held_out if watched is None else len(watched.labels),
        ways=workshop.ways if watched is None else len(named.names), classes=len(named.names),
        chosen=ended.best.round.number, rounds=ended.rounds,
    )  # fmt: skip
    pushed = replace(version.settings, tau=settings.tau)  # a round may go further than what was asked for
    return Closed(
        workshop.suspect().state, version.state, version.training, pushed, ended.known, ended.looked_back,
        record,
    )  # fmt: skip


def with_known(probe: Probe | None, known: tuple[Trigger, ...]) -> None:
    """Have the inverted triggers measured too, each towards its own target."""
    if probe is not None:
        taken = {trigger.name for trigger in probe.triggers}
        for trigger in known:
            if trigger.name in taken:
                trigger.name = f"{trigger.name} (inverted)"
        probe.triggers.extend(known)
        probe.targets.extend(trigger.target for trigger in known)


def _watched(labelled: LabelledSet, suspect: Suspect, seed: int) -> Watched:
    """A random half of the set, so that no order of its classes matters."""
    reader = ImageReader(labelled.images, suspect.preprocess_cfg, suspect.image_size, keep="none")
    order = torch.randperm(len(labelled.labels), generator=torch.Generator().manual_seed(seed))
    half = order[: min(MOST_WATCHED, len(order) // 2)].sort().values
    pixels, good = reader.batch(half.tolist())
    return Watched(pixels, torch.tensor([labelled.labels[index] for index in good]))
