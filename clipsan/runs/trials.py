"""Short trainings from a suspect, to see how settings take: does S pass tau, and does the loss come back?"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from clipsan.checkpoint import Suspect
from clipsan.errors import DataError, TrainingError
from clipsan.evaluation.encoder import Encoder
from clipsan.pairs import ImageReader, PairSet
from clipsan.report.tuning import Trial
from clipsan.runs.material import spread
from clipsan.runs.settle import loss_of_each
from clipsan.runs.watch import Watcher
from clipsan.training.encode import logit_scale
from clipsan.training.loop import train
from clipsan.training.settings import TrainSettings
from clipsan.training.updates import Step, Training

FALL = 10.0  # the published rate at half of the updates is a tenth of the first
FEWEST_UPDATES = 8
TAKEN_BACK = 1 / 3
LOSS_PAIRS = 256


@dataclass(frozen=True)
class HeldOut:
    """Held-out pairs, decoded: uint8 [n x 3 x h x w] and their captions."""

    pixels: Tensor
    captions: list[str]

    @classmethod
    def of(cls, pairs: PairSet, suspect: Suspect) -> HeldOut:
        reader = ImageReader(pairs, suspect.preprocess_cfg, suspect.image_size, keep="none")
        pixels, good = reader.batch(spread(len(pairs), LOSS_PAIRS))
        if len(good) < 2:
            raise DataError(
                f"only {len(good)} held-out pairs can be decoded, too few to find settings with: give more "
                "pairs, or raise --held-out"
            )
        return cls(pixels, [pairs.captions[index] for index in good])

    def loss(self, suspect: Suspect, device: torch.device) -> float:
        """The contrastive loss; a model that is not finite has the largest one."""
        encoder = Encoder(suspect, device)
        images, texts = encoder.images(self.pixels), encoder.texts(self.captions)
        value = float(loss_of_each(images, texts, logit_scale(suspect.model).cpu()).mean())
        return value if math.isfinite(value) else 1e6


class Bench:
    """Runs trials, each from the suspect's weights."""

    def __init__(
        self,
        suspect: Suspect,
        train_on: tuple[PairSet, ImageReader],
        held: HeldOut,
        settings: TrainSettings,
        device: torch.device,
        watcher: Watcher,
    ) -> None:
        self._suspect = suspect
        self._pairs, self._reader = train_on
        self._held = held
        self._settings = settings
        self._device = device
        self._watcher = watcher
        state: Mapping[str, Tensor] = suspect.model.state_dict()
        self._state = {key: value.detach().cpu().clone() for key, value in state.items()}
        self._before = held.loss(suspect, device)
        self._steps = settings.updates(len(self._pairs))

    def restore(self) -> None:
        """Give the model its weights back."""
        self._suspect.model.load_state_dict(self._state)

    def trial(self, rate: float, tau: float, part: int) -> Trial:
        """Push until both S pass tau, for a `part`th of the updates at most; then recover, if they did."""
        push = max(FEWEST_UPDATES, self._steps // part)
        self._watcher.stage(f"Probing learning rate {rate:g} with tau {tau:g}")
        self.restore()
        falls = {"lr_start": rate, "lr": rate / FALL, "tau": tau}
        pushed = replace(self._settings, **falls)  # type: ignore[arg-type]
        pushed = replace(pushed, steps=max(push, self._steps))
        passed: set[str] = set()

        def over(step: Step) -> bool:
            passed.update(name for name in ("s_image", "s_text") if step.terms.get(name, 0.0) > tau)
            return len(passed) == 2 or step.step >= push

        try:
            run = self._trained(pushed, push, tau, over)
        except TrainingError as error:
            return self._trial(rate, tau, push, (0.0, 0.0), None, None, None, f"broke down: {error}")
        highest = tuple(max(step.terms[name] for step in run.curve) for name in ("s_image", "s_text"))
        if len(passed) < 2:
            return self._trial(rate, tau, push, highest, None, None, None, "S did not pass tau in time")
        after_push = self._held.loss(self._suspect, self._device)
        last = run.curve[-1]
        recovery = replace(
            pushed, method="finetune", lr_start=last.lr, lr=rate / FALL, steps=push, epochs=1.0
        )
        self._trained(recovery, push, None, lambda step: False)
        recovered = self._held.loss(self._suspect, self._device)
        back = after_push - recovered >= TAKEN_BACK * (after_push - self._before)
        why = "the loss came back" if back else "the loss did not come back"
        return self._trial(rate, tau, push, highest, last.step, after_push, recovered, why)

    def _trained(
        self, settings: TrainSettings, updates: int, tau: float | None, stop: Callable[[Step], bool]
    ) -> Training:
        """Train on, at most so many updates, while the watcher hears of each."""
        self._watcher.training(updates, tau)
        try:
            return train(
                self._suspect,
                self._pairs,
                self._reader,
                settings,
                self._device,
                self._watcher.step,
                stop=stop,
                on_fault=self._watcher.warn,
            )
        finally:
            self._watcher.finished()

    def _trial(
        self,
        rate: float,
        tau: float,
        push: int,
        highest: Sequence[float],
        reached: int | None,
        pushed: float | None,
        recovered: float | None,
        why: str,
    ) -> Trial:
        return Trial(
            lr_start=rate, tau=tau, push=push, s_image=highest[0], s_text=highest[1], reached=reached,
            loss_before=self._before, loss_pushed=pushed, loss_recovered=recovered,
            good=why == "the loss came back", why=why,
        )  # fmt: skip
