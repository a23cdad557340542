"""What a run tells whoever watches it. The library is silent; the command line draws progress."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clipsan.training.updates import Step


class Watcher:
    """Hears of every stage of a run; this one ignores it all. Override what you want to show."""

    def stage(self, text: str) -> None:
        """A new stage begins; `text` is one short sentence."""

    def note(self, text: str) -> None:
        """Something was found or settled that the user should read."""

    def warn(self, text: str) -> None:
        """Something that makes the result worth less; also in the report."""

    def training(self, steps: int, tau: float | None) -> None:
        """Training begins: so many updates, and PAR's threshold where there is one."""

    def step(self, step: Step) -> None:
        """One update is done."""

    def measuring(self, done: int, images: int) -> None:
        """So many of the images have been classified."""

    def making(self, done: int, pairs: int) -> None:
        """So many of the pairs have been made."""

    def finished(self) -> None:
        """The stage with a progress bar is over, also when it ended by an error."""


class Counter:
    """Adds up what a loop reports and tells a watcher how much of the whole is done."""

    def __init__(self, watcher: Watcher, images: int, processes: int = 1) -> None:
        """`images`: that will go through the model in all, by so many processes that do alike much."""
        self._watcher = watcher
        self._images = images
        self._processes = processes
        self._done = 0

    def __call__(self, more: int) -> None:
        """So many more images went through here."""
        self._done += more * self._processes
        self._watcher.measuring(min(self._done, self._images), self._images)
