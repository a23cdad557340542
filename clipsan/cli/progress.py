"""Progress of a run on a terminal; on a pipe, a line every so often instead."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from clipsan.runs.watch import Watcher

if TYPE_CHECKING:
    from clipsan.training.updates import Step

LINE_EVERY = 10.0
"""Seconds between lines when stderr is not a terminal."""


class ProgressWatcher(Watcher):
    """Draws stages, the loss terms and the time left."""

    def __init__(self, console: Console, verbose: bool) -> None:
        """`console` writes to stderr; `verbose` also shows notes."""
        self._console = console
        self._verbose = verbose
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._tau: float | None = None
        self._last_line = 0.0

    def stage(self, text: str) -> None:
        self._console.print(Text(text))

    def note(self, text: str) -> None:
        if self._verbose:
            self._console.print(Text(f"  {text}", style="dim"))

    def warn(self, text: str) -> None:
        self._console.print(Text(f"  Note: {text}", style="yellow"))

    def training(self, steps: int, tau: float | None) -> None:
        self._tau = tau
        self._last_line = -math.inf  # the first update is said at once
        if self._console.is_terminal:
            self._start("updates", steps)

    def step(self, step: Step) -> None:
        text = self._terms(step)
        if self._bar is not None:
            self._bar.update(self._task, completed=step.step, words=text)
        elif time.monotonic() - self._last_line >= LINE_EVERY or step.step == step.steps:
            self._last_line = time.monotonic()
            left = (step.steps - step.step) * step.seconds / step.step
            self._console.print(Text(f"  update {step.step}/{step.steps}  {text}  {left:.0f} s left"))

    def measuring(self, done: int, images: int) -> None:
        if self._bar is None:
            if not self._console.is_terminal:
                return
            self._start("images", images)
        if self._bar is not None:
            self._bar.update(self._task, completed=done)

    def making(self, done: int, pairs: int) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=done)
        elif self._console.is_terminal:
            self._start("pairs", pairs)
            self.making(done, pairs)
        elif time.monotonic() - self._last_line >= LINE_EVERY:
            self._last_line = time.monotonic()
            self._console.print(Text(f"  {done}/{pairs} pairs"))

    def finished(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _start(self, unit: str, total: int) -> None:
        self._bar = Progress(
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn(unit),
            TextColumn("{task.fields[words]}", markup=False),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._task = self._bar.add_task(unit, total=total, words="")
        self._bar.start()

    def _terms(self, step: Step) -> str:
        parts = [f"loss {step.loss:.3f}", f"clip {step.terms['clip']:.3f}"]
        if self._tau is not None:
            parts += [
                f"S_img {step.terms['s_image']:.2f}",
                f"S_txt {step.terms['s_text']:.2f}",
                f"(tau {self._tau:g})",
            ]
        return "  ".join([*parts, f"{step.pairs_per_second:.0f} pairs/s"])
