"""The updates of a training, whatever its loss: gone through, counted, saved, left out where not finite.

An accelerator is not waited for: what an update's loss was is read once the next update is started.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

import torch
from torch import Tensor, nn

from clipsan.methods import Loss
from clipsan.pairs import BatchStream, ImageReader, PairSet, Skipped, order_of
from clipsan.training.faults import Before, MicroBatch, NotFinite
from clipsan.training.processes import ALONE, Processes
from clipsan.training.settings import TrainSettings
from clipsan.training.shared_reader import SharedReader
from clipsan.training.state import (
    Keeper,
    KeepNothing,
    ModelState,
    OptimizerState,
    Randomness,
    State,
    Stateful,
    StreamPlace,
)
from clipsan.training.transfer import Numbers

_TOTAL, _LEFT_OUT = "loss", "left out"

LossOf = Callable[[int, Tensor, Sequence[int]], Callable[[int], Loss]]
"""Of an update (from 0), uint8 pixels [b x 3 x h x w] and their indices [b]: a function of the micro-batch
that adds the gradient to the model's parameters and gives the loss. It may be called again after an undo."""


@dataclass(frozen=True)
class Step:
    """One update, as shown while it runs and kept in the report's curves.

    Attributes:
        step: 1 … steps.
        steps: updates of the run.
        lr: learning rate of this update.
        loss: the method's loss over the batch, before the update.
        terms: `clip`, and where the method has them `s_image` and `s_text`.
        seconds: since the start of the loop.
        pairs_per_second: on average since then.
    """

    step: int
    steps: int
    lr: float
    loss: float
    terms: dict[str, float]
    seconds: float
    pairs_per_second: float


@dataclass
class Training:
    """What a run did.

    Attributes:
        curve: every update.
        seconds: wall time of the loop, without the time between a stop and going on.
        device: as torch names it.
        precision: `fp32` or `bf16`.
        micro_batch: pairs that were in memory at once, at the end.
        left_out: updates whose loss or gradient was not finite; they are not in the curve.
        broken: images that could not be read, by index, of those that training came to.
        notes: what else the reader of a report should know.
    """

    device: str
    precision: str
    micro_batch: int = 0
    seconds: float = 0.0
    curve: list[Step] = field(default_factory=list)
    left_out: int = 0
    broken: Mapping[int, Skipped] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The notes, and one on updates that were left out."""
        if not self.left_out:
            return tuple(self.notes)
        return (*self.notes, f"{self.left_out} updates were left out: their loss or gradient was not finite.")

    def state(self) -> State:
        """What is known so far."""
        return State(
            values={"curve": [asdict(s) for s in self.curve], "seconds": self.seconds, "notes": self.notes}
        )

    def load_state(self, state: State) -> None:
        """Go on from there."""
        self.curve = [Step(**values) for values in state.values["curve"]]
        self.seconds = float(state.values["seconds"])
        self.notes = list(state.values["notes"])

    def reached(self, term: str, tau: float) -> int | None:
        """The first update whose `term` (s_image, s_text) was above tau; None: never."""
        return next((s.step for s in self.curve if s.terms.get(term, -math.inf) > tau), None)


@dataclass(frozen=True)
class _Started:
    """An update whose numbers are on their way; `before`: to take back what is left of one left out."""

    step: int
    rate: float
    numbers: Numbers
    before: Before


class Updates:
    """A run's updates, those excepted that a saved state has done.

    Attributes:
        micro: runs what needs memory, with fewer pairs at once where it runs out.
        steps: updates of the whole run.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        generator: torch.Generator,
        pairs: PairSet,
        settings: TrainSettings,
        result: Training,
        parts: Mapping[str, Stateful],
        *,
        method: object = None,
        on_step: Callable[[Step], None] = lambda step: None,
        on_fault: Callable[[str], None] = lambda sentence: None,
        keeper: Keeper | None = None,
        processes: Processes = ALONE,
        sharded: bool = False,
    ) -> None:
        """Restore what the keeper has saved.

        Args:
            model: as it is trained, on its device.
            optimizer: of its parameters.
            generator: that the run draws from.
            pairs: to train on.
            settings: of the run.
            result: filled in.
            parts: what else changes during the training, by the name that a sentence calls it.
            method: whose memory, if it has one, an undone update gives back.
            on_step: called after every update.
            on_fault: hears in a sentence of what went wrong and did not end the run.
            keeper: saves the run and goes on with a saved one; None: nothing is kept.
            processes: that train together.
            sharded: the model lies in parts in them.
        """
        self._processes = processes
        self._model, self._optimizer, self._method = model, optimizer, method
        self._pairs, self._settings, self._result = pairs, settings, result
        self._on_step, self._on_fault = on_step, on_fault
        self._keeper = keeper or KeepNothing()
        self.micro = MicroBatch(settings, self._fault, processes, sharded)
        self._not_finite = NotFinite(model, optimizer, on_fault, processes)
        self._place = StreamPlace()
        self._unread: deque[_Started] = deque()
        self._start = 0.0
        self.steps = settings.updates(len(pairs))
        self._first = self._keeper.restore({
            "model": ModelState(model), "optimizer": OptimizerState(model, optimizer),
            "random numbers": Randomness(generator), "pairs": self._place, "curve": self,
            "micro-batch": self.micro, "updates left out": self._not_finite, **parts,
            **({"method": method} if isinstance(method, Stateful) else {}),
        })  # fmt: skip

    def run(
        self,
        reader: ImageReader,
        rate_of: Callable[[int], float],
        loss_of: LossOf,
        stop: Callable[[Step], bool] | None = None,
    ) -> None:
        """Go through the updates.

        Args:
            reader: decodes the images; what it cannot decode it skips and counts.
            rate_of: the learning rate of an update, from 0.
            loss_of: its loss.
            stop: asked after every update whether this one was the last; None: no.

        Raises:
            TrainingError: the loss is not finite time after time, or memory runs out with a single pair.
            DataError: fewer good images than a batch needs.
        """
        settings, result = self._settings, self._result
        on_host = next(self._model.parameters()).device.type == "cpu"
        processes = self._processes
        # a method's memory can only be taken back before the next update has read it, and of several
        # processes one alone saves, which reads early: all have to stop after the same update
        waits = on_host or stop is not None or isinstance(self._method, Stateful) or processes.size > 1
        self._start = time.perf_counter() - result.seconds
        order = order_of(self._pairs, settings.seed)
        shared = SharedReader.of(reader, processes)
        with BatchStream(
            shared, len(self._pairs), settings.batch_size, settings.seed, order=order,
            start=self._place.start,
            # all stop at the same one
            most=self.steps - self._first if processes.size > 1 else None,
        ) as stream:  # fmt: skip
            self._place.stream = stream
            batches = self._keeper.batches(stream)
            if isinstance(shared, SharedReader):
                batches = shared.own(batches)
            for step, (pixels, indices) in zip(range(self._first, self.steps), batches, strict=False):
                self._update(step, rate_of(step), loss_of(step, pixels, indices))
                done = self._read(0 if waits else 1)
                self._keeper.update_done(step + 1, self.steps)
                if done is not None and stop is not None and stop(done):
                    break
            self._read()
            result.broken = stream.position.skipped
        processes.check_equal(self._model)
        result.micro_batch = self.micro.size
        result.left_out = len(self._not_finite.skipped)
        result.seconds = time.perf_counter() - self._start

    def _update(self, step: int, rate: float, compute: Callable[[int], Loss]) -> None:
        """Start one update."""
        optimizer = self._optimizer
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        before = Before(self._model, optimizer, self._method)
        loss = self.micro.run(compute, before.undo)
        left_out = self._not_finite.step(loss)
        before.undo_statistics_where(left_out)
        numbers = Numbers({**loss.terms, _TOTAL: loss.total, _LEFT_OUT: left_out})
        self._unread.append(_Started(step, rate, numbers, before))

    def _read(self, unread: int = 0) -> Step | None:
        """Read what came of the started updates, save the last `unread`; the last that was not left out."""
        done, result = None, self._result
        while len(self._unread) > unread:
            started = self._unread.popleft()
            terms = started.numbers.read()
            total, left_out = terms.pop(_TOTAL), bool(terms.pop(_LEFT_OUT))
            result.seconds = time.perf_counter() - self._start
            if left_out:
                started.before.undo_method()
            self._not_finite.count(started.step + 1, self.steps, left_out, self._settings)
            if left_out:
                continue
            speed = (started.step + 1) * self._settings.batch_size / result.seconds
            done = Step(started.step + 1, self.steps, started.rate, total, terms, result.seconds, speed)
            result.curve.append(done)
            self._on_step(done)
        return done

    def state(self) -> State:
        """The curve, as a part of what is saved; nothing is left unread then."""
        self._read()
        return self._result.state()

    def load_state(self, state: State) -> None:
        """Go on with that curve."""
        self._result.load_state(state)

    def say_once(self, sentence: str) -> None:
        """Note it, unless a run that this one goes on with has."""
        if sentence not in self._result.notes:
            self._fault(sentence)

    def _fault(self, sentence: str) -> None:
        self._result.notes.append(sentence)
        self._on_fault(sentence)
