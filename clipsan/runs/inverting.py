"""What inversion finds in the versions of one model, alone and beside each other."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from clipsan.checkpoint import Suspect
from clipsan.evaluation.encoder import Encoder
from clipsan.inversion import Found, invert
from clipsan.inversion.evidence import robust_z
from clipsan.inversion.ladder import EFFORTS, Rung, ladder
from clipsan.inversion.refine import Beside, images_for, refine
from clipsan.inversion.search import images_needed, screening_for
from clipsan.report.scan_record import Candidate
from clipsan.runs.scan_judgement import judge_beside
from clipsan.runs.watch import Counter, Watcher
from clipsan.training.processes import ALONE, Processes
from clipsan.training.settings import TrainSettings
from clipsan.training.updates import Training
from clipsan.triggers import Trigger

SCAN = "quick"
"""The effort of every scan: the one whose bars are calibrated on most clean models."""

Evident = tuple[Trigger, Rung, Candidate]


@dataclass(frozen=True, eq=False)
class Version:
    """A state of the model, on the CPU, the (first) training it came from, and how many are in it."""

    state: Mapping[str, Tensor]
    training: Training | None = None
    settings: TrainSettings | None = None
    trainings: int = 1


@dataclass(frozen=True)
class Classes:
    """What images are sent to: the names that are scanned, and the templates they are put into."""

    names: list[str]
    templates: list[str]


class Inverter:
    """Inverts triggers from versions of one model, from each but once while it is kept."""

    def __init__(
        self,
        tool: Suspect,
        encoder_of: Callable[[Version], Encoder],
        images: Tensor,
        classes: Classes,
        seed: int,
        device: torch.device,
        watcher: Watcher,
        processes: Processes = ALONE,
    ) -> None:
        """`encoder_of`: loads a version into `tool`; `images`: uint8 [n x 3 x h x w], unlabelled."""
        self._tool = tool
        self._encoder_of = encoder_of
        self._unlabelled = images
        self._names, self._templates = classes.names, classes.templates
        self._seed = seed
        self._device = device
        self._watcher = watcher
        self._processes = processes
        self._inversions: list[tuple[weakref.ref[Version], bool, list[list[Found]]]] = []

    def ranked(self, model: Version, strong: bool) -> list[tuple[Rung, list[tuple[Found, float]]]]:
        """Each rung that is strong, or that is not: what it finds for every class, highest z first."""
        ranked = []
        for rung, inverted in zip(self._rungs(strong), self._inverted(model, strong), strict=True):
            scores = robust_z([each.gain for each in inverted])
            ranked.append((rung, sorted(zip(inverted, scores, strict=True), key=lambda pair: -pair[1])))
        return ranked

    def beside(self, suspect: Version, cleaned: Version) -> list[Evident]:
        """What stands out in one version beside the other, by every rung: the rule of `scan --reference`."""
        evident = []
        for strong in (False, True):
            own = self._inverted(suspect, strong)
            targets = [[self._names.index(each.target) for each in found] for found in own]
            other = self._inverted(cleaned, strong, targets)
            for rung, found, theirs in zip(self._rungs(strong), own, other, strict=True):
                triggers = {each.target: each.trigger for each in found}
                judged = judge_beside(rung, found, theirs, len(self._names))
                evident += [(triggers[c.target], rung, c) for c in judged.candidates if c.evidence]
        return evident

    def larger(self, suspect: Version, cleaned: Version, evident: Sequence[Evident]) -> list[Evident]:
        """Larger ones of the make of each class's first, that one version follows and the other does not."""
        firsts: dict[str, tuple[Rung, Candidate]] = {}
        for _, rung, candidate in evident:
            if rung.larger:
                firsts.setdefault(candidate.target, (rung, candidate))
        if not firsts:
            return []
        self._watcher.stage(f"Inverting larger triggers towards {', '.join(firsts)}")
        theirs = self._encoder_of(cleaned).classifier(self._names, self._templates)
        other = replace(self._tool, model=copy.deepcopy(self._tool.model))
        own = self._encoder_of(suspect).classifier(self._names, self._templates)
        sought = [(kind, rung, c) for rung, c in firsts.values() for kind in rung.larger]
        progress = Counter(self._watcher, images_for(len(sought)))
        try:
            refined = refine(
                self._tool, self._unlabelled, self._names, own,
                [(kind, self._names.index(candidate.target)) for kind, _, candidate in sought],
                beside=Beside(other, theirs), device=self._device, seed=self._seed, on_images=progress,
            )  # fmt: skip
        finally:
            self._watcher.finished()
        return [(one.found.trigger, rung, c) for one, (_, rung, c) in zip(refined, sought, strict=True)]

    def _rungs(self, strong: bool) -> list[Rung]:
        """Those that are strong, or those that are not."""
        return [rung for rung in ladder(self._tool.image_size) if rung.strong == strong]

    def _inverted(
        self, model: Version, strong: bool, targets: Sequence[Sequence[int]] | None = None
    ) -> list[list[Found]]:
        """What inversion finds by each rung, strong or not.

        `targets`: of each rung, numbers of classes where they are so many as to be screened; None: all.
        """
        effort, names, rungs = EFFORTS[SCAN], self._names, self._rungs(strong)
        if screening_for(len(names)) is None:
            targets = None
        self._inversions = [each for each in self._inversions if each[0]() is not None]
        if targets is None:
            for whose, kind, found in self._inversions:
                if whose() is model and kind == strong:
                    return found
        self._watcher.stage(f"Scanning for triggers towards {len(names)} classes")
        weights = self._encoder_of(model).classifier(names, self._templates)
        wanted = len(targets[0]) if targets else len(names)
        total = images_needed(wanted, rungs, self._tool.image_size, effort)
        progress = Counter(self._watcher, total, self._processes.size)
        try:
            found = [
                invert(
                    self._tool, self._unlabelled, names, weights, [rung.kind],
                    targets=targets[number] if targets else None, effort=effort.patterns,
                    screening=None if targets else screening_for(len(names)), device=self._device,
                    seed=self._seed, on_images=progress, processes=self._processes,
                )
                for number, rung in enumerate(rungs)
            ]  # fmt: skip
        finally:
            self._watcher.finished()
        if targets is None:
            self._inversions.append((weakref.ref(model), strong, found))
        return found
