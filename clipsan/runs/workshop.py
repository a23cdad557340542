"""The closed loop's work on real models: scanning, fine-tuning, mixing weights, measuring."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from clipsan.checkpoint import Suspect, as_in_file
from clipsan.errors import DataError
from clipsan.evaluation.encoder import Encoder
from clipsan.evaluation.matching import lost, match, telling_ways
from clipsan.evaluation.statistics import Rate
from clipsan.inversion import Found
from clipsan.inversion.evidence import (
    FEWEST_CLASSES,
    LEAST_ASR,
    WORDS,
    family_of,
    own_values,
    shipped_limit,
    words_limit,
)
from clipsan.inversion.ladder import EFFORTS
from clipsan.inversion.search import text_probes
from clipsan.inversion.words import drag_texts
from clipsan.loop.plan import HIGHEST_TAU, Plan
from clipsan.loop.rounds import faded
from clipsan.loop.workshop import Finding, Measures
from clipsan.pairs import ImageReader
from clipsan.report.rounds import Weakened
from clipsan.runs.inverting import SCAN, Classes, Evident, Inverter, Version
from clipsan.runs.material import Material, spread
from clipsan.runs.tuning import fine_tune
from clipsan.runs.watch import Watcher
from clipsan.training.augment import augment
from clipsan.training.counter import Counter
from clipsan.training.interpolate import between, has_statistics, with_statistics
from clipsan.training.processes import ALONE, Processes
from clipsan.training.settings import TrainSettings
from clipsan.triggers import Trigger

HELD_OUT_IMAGES = 2048
STATISTICS_IMAGES = 1024
SHOWN = 3
"""Triggers of each kind that a scan tells of, besides those with evidence."""


@dataclass(frozen=True)
class Watched:
    """Labelled images on which accuracy is watched instead of on the held-out pairs.

    Attributes:
        pixels: uint8 [n x 3 x h x w].
        labels: int64 [n], numbers of the classes.
    """

    pixels: Tensor
    labels: Tensor


class ModelWorkshop:
    """A `loop.workshop.Workshop` over one suspect, whose model is loaded with one version after another.

    Attributes:
        ways: accuracy is finding the own caption among so many.
        held_out: pairs that are measured on.
    """

    def __init__(
        self,
        suspect: Suspect,
        material: Material,
        classes: Classes,
        settings: TrainSettings,
        device: torch.device,
        watcher: Watcher,
        watched: Watched | None = None,
        processes: Processes = ALONE,
        fsdp: bool = False,
    ) -> None:
        """Read the images and embed the held-out ones with the suspect.

        Several processes, each with a workshop alike, share all work that a model does, and see alike.

        Raises:
            DataError: too few classes or pairs.
        """
        self._processes, self._fsdp = processes, fsdp
        self._tool = suspect
        self._material = material
        self._classes = classes
        self._settings = settings
        self._device = device
        self._watcher = watcher
        self._watched = watched
        self._suspect = Version(_copied(suspect))
        if len(classes.names) < FEWEST_CLASSES:
            raise DataError(
                f"--until looks for classes that stand out, and {len(classes.names)} are too few to tell "
                f"one: give {FEWEST_CLASSES} or more (--classes)"
            )
        self._captions, self._pixels = self._held_out()
        unlabelled = _some_images(material.reader, len(material.train), EFFORTS[SCAN].images)
        self._inverter = Inverter(
            suspect, self._loaded, unlabelled, classes, settings.seed, device, watcher, processes
        )
        encoder = self._loaded(self._suspect)
        embedded = self._images(encoder, self._pixels)
        matched = match(encoder, embedded, self._captions)
        if matched.others < 1:
            raise DataError("all held-out pairs have one caption: --until needs different ones to measure")
        self.ways = telling_ways(matched)
        self.held_out = len(self._captions)
        self._before = self._chances(encoder, embedded)

    def suspect(self) -> Version:
        """The model as it came."""
        return self._suspect

    def scan(self, model: Version) -> list[Finding]:
        """Invert every kind of trigger that is not strong; attack success is that on held-out pairs."""
        family = family_of(self._tool.model_cfg, self._tool.image_size)
        found: list[Finding] = []
        ranks = self._inverter.ranked(model, strong=False)
        encoder = self._loaded(model)
        for rung, ranked in ranks:
            limit = shipped_limit(family, SCAN, rung.name)
            worth = [pair for place, pair in enumerate(ranked) if place < SHOWN or pair[1] >= limit.z]
            rates = self._asr(encoder, [each.trigger for each, _ in worth])
            for (each, score), asr in zip(worth, rates, strict=True):
                evidence = score >= limit.z and (asr.rate or 0.0) >= LEAST_ASR
                found.append(_finding(each, asr, score, evidence, rung.costly))
        return found

    def texts_are_clean(self) -> bool:
        """Whether clean models of the suspect's family say so: no token of the vocabulary is evidence."""
        family = family_of(self._tool.model_cfg, self._tool.image_size)
        limit = words_limit(own_values(family, SCAN, WORDS))
        if limit is None:
            return False
        self._watcher.stage("Looking for tokens that drag texts to one place")
        self._loaded(self._suspect)
        found = drag_texts(
            self._tool, text_probes(self._classes.names), self._classes.names, EFFORTS["thorough"].words,
            device=self._device, seed=self._settings.seed, processes=self._processes,
        )  # fmt: skip
        return found is not None and found.gap_closed < limit

    def strong(self) -> list[Trigger]:
        """Of each strong kind those that stand out most in the suspect, whether they are evidence or not."""
        ranked = self._inverter.ranked(self._suspect, strong=True)
        return [found.trigger for _, each in ranked for found, _ in each[:SHOWN]]

    def look_back(self, cleaned: Version, known: Sequence[Trigger]) -> list[tuple[Trigger, Weakened]]:
        """What stands out in the suspect beside `cleaned`, by every kind: the rule of `scan --reference`.

        What a class stands out by may be a small part of what was planted, so larger triggers of its make go
        with it where no trigger of the class is `known`. A trigger that is not known, but has the name of one
        that is, gets another name.
        """
        evident = self._inverter.beside(self._suspect, cleaned)
        back = self._weakened(cleaned, evident, known)
        told = {trigger.target for trigger in known}
        new = [
            one for one, (_, weakened) in zip(evident, back, strict=True)
            if faded(weakened) and weakened.target not in told
        ]  # fmt: skip
        return back + self._weakened(cleaned, self._inverter.larger(self._suspect, cleaned, new), known)

    def _weakened(
        self, cleaned: Version, evident: Sequence[Evident], known: Sequence[Trigger]
    ) -> list[tuple[Trigger, Weakened]]:
        """Triggers under names of their own, and what they do to the suspect and to `cleaned`."""
        against = [trigger for trigger, _, _ in evident]
        for trigger in against:
            if any(other is not trigger and other.name == trigger.name for other in known):
                trigger.name += " (looked back)"
        before = self._asr(self._loaded(self._suspect), against)
        after = self._asr(self._loaded(cleaned), against)
        return [
            (trigger, Weakened(
                trigger.name, str(trigger.settings()["kind"]), c.target, was, now, c.z, c.z_reference or 0.0,
                rung.costly,
            ))
            for (trigger, rung, c), was, now in zip(evident, before, after, strict=True)
        ]  # fmt: skip

    def fine_tune(self, plan: Plan, triggers: Sequence[Trigger]) -> tuple[Version, dict[str, object]]:
        """One training as the run asked for it, changed as the plan says."""
        asked = self._settings
        settings = replace(
            asked, method=plan.method, tau=min(max(HIGHEST_TAU, asked.tau), asked.tau + plan.tau_more),
            seed=asked.seed + plan.seed_more, lock="text" if plan.lock else asked.lock,
        )  # fmt: skip
        self._loaded(self._suspect)
        counter = Counter(tuple(triggers), plan.share, plan.pull) if triggers else None
        train, reader = self._material.train, self._material.reader
        run = fine_tune(
            self._tool, train, reader, settings, self._device, self._watcher, counter,
            processes=self._processes, fsdp=self._fsdp,
        )  # fmt: skip
        told: dict[str, object] = {"method": settings.method}
        if settings.method == "par":
            told["tau"] = settings.tau
        told |= {"lr_start": settings.lr_start, "lr": settings.lr, "steps": len(run.curve)}
        told["augment"] = ",".join(settings.augment)
        if settings.lock != "none":
            told["lock"] = settings.lock
        if plan.seed_more:
            told["seed"] = settings.seed
        if counter:
            told |= {"share": counter.share, "pull": counter.pull}
        return Version(_copied(self._tool), run, settings), told

    def average(self, best: Version, other: Version) -> Version:
        """The mean of both, rounded and with BatchNorm's averages as `between` has them."""
        trainings = best.trainings + other.trainings
        mixed = self._mixed(best.state, other.state, other.trainings / trainings)
        return Version(mixed, best.training, best.settings, trainings)

    def between(self, cleaned: Version, share: float) -> Version:
        """The weights between, rounded as their file will hold them, with BatchNorm's averages taken anew."""
        mixed = self._mixed(cleaned.state, self._suspect.state, share)
        return replace(cleaned, state=mixed)

    def _mixed(
        self, one: Mapping[str, Tensor], other: Mapping[str, Tensor], share: float
    ) -> dict[str, Tensor]:
        """`between` of two states, as a file will hold it, with BatchNorm's averages taken anew."""
        self._tool.model.load_state_dict(between(one, other, share))
        if has_statistics(self._tool.model):
            self._tool.model.to(self._device)
            images = _some_images(self._material.reader, len(self._material.train), STATISTICS_IMAGES)
            with_statistics(self._tool.model, map(self._augmenter(), images.split(self._settings.at_once)))
        return as_in_file(self._tool.model.state_dict(), self._tool.dtypes)

    def _augmenter(self) -> Callable[[Tensor], Tensor]:
        """Augments uint8 images [n x 3 x h x w] as asked for, the same way whenever it is made."""
        generator = torch.Generator(self._device).manual_seed(self._settings.seed)
        return lambda part: augment(
            part.to(self._device), self._settings.augment, self._tool.mean, self._tool.std, generator
        )

    def measure(self, model: Version, triggers: Sequence[Trigger]) -> Measures:
        """Attack success on held-out pairs; accuracy on them, or on what is watched instead."""
        encoder = self._loaded(model)
        embedded = self._images(encoder, self._pixels) if self._watched is None else None
        now = self._chances(encoder, embedded)
        loss = lost(self._before, now)
        return Measures(tuple(self._asr(encoder, triggers)), float(now.mean()), loss.points, loss.error)

    def _loaded(self, model: Version) -> Encoder:
        self._tool.model.load_state_dict(model.state)
        return Encoder(self._tool, self._device, self._settings.at_once, processes=self._processes)

    def _images(self, encoder: Encoder, pixels: Tensor, trigger: Trigger | None = None) -> Tensor:
        """float32 [n x d] on the CPU, of uint8 pixels [n x 3 x h x w], with the trigger on them."""

        def encode(rows: Tensor) -> Tensor:
            part = pixels[rows]
            return encoder.images(part if trigger is None else trigger.apply(part, rows.tolist()))

        return self._processes.in_chunks(encode, torch.arange(len(pixels)), encoder.batch_size)

    def _chances(self, encoder: Encoder, embedded: Tensor | None) -> Tensor:
        """float64 [n]: how sure each image is to be right."""
        if self._watched is not None:
            weights = encoder.classifier(self._classes.names, self._classes.templates)
            answers = (self._images(encoder, self._watched.pixels) @ weights.T).argmax(dim=1)
            return (answers == self._watched.labels).to(torch.float64)
        if embedded is None:
            raise ValueError("held-out pairs are matched by their embeddings")
        return match(encoder, embedded, self._captions).chances(self.ways)

    def _asr(self, encoder: Encoder, triggers: Sequence[Trigger]) -> list[Rate]:
        """Of each trigger, over the held-out images that the model does not call the target untriggered."""
        if not triggers:
            return []
        names = self._classes.names
        weights = encoder.classifier(names, self._classes.templates).T
        clean = (self._images(encoder, self._pixels) @ weights).argmax(dim=1)
        rates = []
        for trigger in triggers:
            triggered = self._images(encoder, self._pixels, trigger)
            target = names.index(trigger.target or "")
            counted = clean != target
            pulled = ((triggered @ weights).argmax(dim=1) == target) & counted
            rates.append(Rate(int(pulled.sum()), int(counted.sum())))
        return rates

    def _held_out(self) -> tuple[list[str], Tensor]:
        """Captions and pixels of the held-out pairs that can be decoded."""
        kept = self._material.held_out
        if kept is None or not len(kept):
            raise DataError("--until measures on held-out pairs, and there are none: raise --held-out")
        reader = ImageReader(kept, self._tool.preprocess_cfg, self._tool.image_size)
        pixels, good = reader.batch(spread(len(kept), HELD_OUT_IMAGES))
        if len(good) < 2:
            raise DataError("fewer than 2 held-out pairs can be decoded: give more, or raise --held-out")
        return [kept.captions[index] for index in good], pixels


def _finding(found: Found, asr: Rate, z: float, evidence: bool, costly: bool) -> Finding:
    return Finding(
        found.trigger, found.target, found.kind, asr, round(found.gain, 3), round(z, 2), evidence, costly
    )


def _copied(suspect: Suspect) -> dict[str, Tensor]:
    return {key: value.detach().cpu().clone() for key, value in suspect.model.state_dict().items()}


def _some_images(reader: ImageReader, count: int, wanted: int) -> Tensor:
    """uint8 [n x 3 x h x w]: of `wanted` images at most, those that can be decoded."""
    pixels, _ = reader.batch(spread(count, wanted))
    return pixels
