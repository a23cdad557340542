"""Where the time of a training goes: parts that are timed one after the other, and `other` for the rest.

A profiled run waits for the device at both ends of every part, so it is slower on an accelerator than one
that is not; on a CPU it is as fast. It computes the same numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

import torch

from clipsan.pairs import BatchStream
from clipsan.pairs.stream import Batch
from clipsan.training.state import Keeper, KeepNothing, Stateful

PARTS = ("wait for data", "augmentation", "frozen copy", "student", "optimiser", "saving")
OTHER = "other"
_P = ParamSpec("_P")
_R = TypeVar("_R")


class Profile:
    """Seconds of each of `PARTS` in one loop, from its first batch to `finish`.

    Attributes:
        updates: that were done, those left out included.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """Nothing is timed until `begin`; `clock` gives seconds."""
        self.updates = 0
        self._clock = clock
        self._device = torch.device("cpu")
        self._parts = dict.fromkeys(PARTS, 0.0)
        self._start: float | None = None
        self._seconds = 0.0

    def begin(self, device: torch.device, optimizer: torch.optim.Optimizer) -> None:
        """The loop is about to begin on `device`; the optimiser's steps are timed from now on."""
        self._device = device
        started = 0.0

        def before(*_: Any) -> None:
            nonlocal started
            started = self._now()

        def after(*_: Any) -> None:
            self._parts["optimiser"] += self._now() - started

        optimizer.register_step_pre_hook(before)
        optimizer.register_step_post_hook(after)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """The block belongs to one of `PARTS`; blocks do not lie within each other."""
        start = self._now()
        try:
            yield
        finally:
            self._parts[name] += self._now() - start

    def timed(self, name: str, function: Callable[_P, _R]) -> Callable[_P, _R]:
        """`function` as a part."""

        def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            with self.part(name):
                return function(*args, **kwargs)

        return run

    def keeping(self, keeper: Keeper | None) -> Keeper:
        """`keeper`, with the wait for its batches and its saving timed."""
        return _Timed(keeper or KeepNothing(), self)

    def start(self) -> None:
        """The first batch is about to be asked for."""
        self._start = self._now()

    def finish(self) -> None:
        """The loop is over."""
        if self._start is not None:
            self._seconds = self._now() - self._start

    @property
    def seconds(self) -> float:
        """Of the whole loop."""
        return self._seconds

    def parts(self) -> dict[str, float]:
        """Seconds by part, `other` last, which is what is left of `seconds`."""
        return {**self._parts, OTHER: max(0.0, self._seconds - sum(self._parts.values()))}

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return self._clock()


class _Timed:
    """A keeper under a profile."""

    def __init__(self, keeper: Keeper, profile: Profile) -> None:
        self._keeper, self._profile = keeper, profile

    def restore(self, parts: Mapping[str, Stateful]) -> int:
        return self._keeper.restore(parts)

    def batches(self, stream: BatchStream) -> Iterator[Batch]:
        self._profile.start()
        batches = iter(self._keeper.batches(stream))
        while True:
            with self._profile.part("wait for data"):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

    def update_done(self, done: int, steps: int) -> None:
        self._profile.updates += 1
        with self._profile.part("saving"):
            self._keeper.update_done(done, steps)
