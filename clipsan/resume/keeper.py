"""When a run is saved, what it goes on from, and how it stops: the `Keeper` that writes to a folder."""

from __future__ import annotations

import shutil
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from clipsan.errors import OutputError, ResumeError, UsageError
from clipsan.pairs import BatchStream
from clipsan.pairs.stream import Batch
from clipsan.resume.folder import Unfinished
from clipsan.resume.identity import difference
from clipsan.resume.states import Saved, read_state, saved_updates, update_of, write_state
from clipsan.signals import SIGNALS
from clipsan.training.processes import ALONE, Processes
from clipsan.training.state import Stateful, gathered, restore

SECONDS = 600.0
"""Between saved states, where no number of updates is asked for."""
MOST_OF_THE_TIME = 0.02
"""Of a run goes into saving at most, where no number of updates is asked for."""
WORTH_SAVING = 60.0
"""Seconds of training that are saved at its end, so that measuring and writing cannot lose them."""
KEPT = 2
STOPPING = "Stopping after this update, to save it; interrupt again to stop at once"


class Listener(Protocol):
    """Who hears of it: a `Watcher`."""

    def stage(self, text: str) -> None: ...
    def note(self, text: str) -> None: ...
    def warn(self, text: str) -> None: ...


class FolderKeeper:
    """Saves a run into `OUT.resume`, the last two states of it, and restores the newest that is whole.

    By default a state is saved every 10 minutes, less often where that would take above 2 % of the time.
    Time is measured by a clock that nobody can set, and states are told apart by their updates.
    """

    def __init__(
        self,
        unfinished: Unfinished,
        identity: Mapping[str, Any],
        every: int | None,
        listener: Listener,
        *,
        replace: bool = False,
        processes: Processes = ALONE,
        sharded: bool = False,
    ) -> None:
        """Look for a state to go on from.

        Args:
            unfinished: the folder, held by this process.
            identity: JSON-able; what decides the training. A state of another identity is refused.
            every: updates between states; None: by time; 0: never save.
            listener: hears of what is saved and what cannot be.
            replace: remove another run's states instead of refusing them.
            processes: that train together, of which the first saves, and all read what it saved.
            sharded: a state's tensors are parted among them, so that all take part in saving.

        Raises:
            ResumeError: the folder holds another run's state; the difference is named.
            UsageError: `every` is negative.
        """
        if every is not None and every < 0:
            raise UsageError(
                f"--save-every is {every}, but is a number of updates: choose 1 or more, or 0 for never"
            )
        self._unfinished = unfinished
        self._identity = identity
        self._every = every
        self._listener = listener
        self._replace = replace and processes.rank == 0
        self._processes, self._sharded = processes, sharded
        self._parts: Mapping[str, Stateful] = {}
        self._good: list[Path] = []  # states known to be whole, oldest first
        self._done = self._saved = 0  # updates
        self._saved_at = time.monotonic()
        self._cost = 0.0  # seconds, of the last save
        self._asked: int | None = None  # the signal that asked to stop
        self._found = self._newest_whole()

    def _newest_whole(self) -> Saved | None:
        for folder in saved_updates(self._unfinished.path):
            try:
                found = read_state(folder)
            except ResumeError as error:
                self._listener.warn(
                    f"the saved state of update {update_of(folder)} in {self._unfinished.shown!r} is damaged "
                    f"({error}) and not used"
                )
                continue
            differs = difference(found.identity, self._identity)
            if differs is not None and self._replace:
                self._listener.stage(f"Leaving the unfinished run with {differs}")
                self._unfinished.discard()
                return None
            if differs is not None:
                raise ResumeError(
                    f"{self._unfinished.shown!r} holds an unfinished run with {differs}: give the same again "
                    "to go on with it, choose another --out, or begin anew with --overwrite"
                )
            return found
        if saved_updates(self._unfinished.path):
            self._listener.warn("no saved state is whole, so the run begins anew")
        return None

    def restore(self, parts: Mapping[str, Stateful]) -> int:
        """Load the newest whole state into the parts, and remember them."""
        self._parts = parts
        found, self._found = self._found, None
        if len(set(self._processes.numbers(0 if found is None else found.update))) > 1:
            raise ResumeError(
                f"the processes do not see the same states in {self._unfinished.shown!r}: choose an --out on "
                "a file system that all machines share"
            )
        self._saved_at = time.monotonic()
        if found is None:
            return 0
        restore(parts, found.states)
        self._done = self._saved = found.update
        self._good = [found.folder]
        self._listener.stage(f"Going on after update {found.update}, from {self._unfinished.shown}")
        return found.update

    def batches(self, stream: BatchStream) -> Iterator[Batch]:
        """The stream's batches; where reading them fails, what was done is saved first."""
        while True:
            try:
                batch = next(stream)
            except StopIteration:
                return
            except Exception:
                self._save(together=False)
                raise
            yield batch

    def update_done(self, done: int, steps: int) -> None:
        """Save where it is due, or where the run was asked to stop, which this then does."""
        self._done = done
        if self._processes.any(self._asked is not None):
            if self._processes.size > 1:
                self._listener.stage(f"Stopping after update {done}, to save it")
            self._save()
            self._processes.numbers(0)  # a launcher ends the others as soon as one leaves
            raise KeyboardInterrupt
        due = self._due(done == steps)
        if self._as_first(due) if self._sharded else due:
            self._save()

    def _as_first(self, own: bool) -> bool:
        """Whether it is so in the first process."""
        return bool(self._processes.numbers(int(own))[0])

    def _due(self, last: bool) -> bool:
        if self._every is not None:
            return self._every > 0 and (last or self._done % self._every == 0)
        unsaved = time.monotonic() - self._saved_at
        return unsaved >= (WORTH_SAVING if last else max(SECONDS, self._cost / MOST_OF_THE_TIME))

    def _save(self, together: bool = True) -> None:
        """Save, unless that is done or not wanted. A disk that refuses does not end the training.

        Where a state is parted, nothing is saved unless all processes come here `together`.
        """
        takes_part = together if self._sharded else self._processes.rank == 0
        if not takes_part:
            return
        wanted = self._every != 0 and self._done != self._saved
        if not (self._as_first(wanted) if self._sharded else wanted):
            return
        start = time.monotonic()
        try:
            self._write()
        except (OutputError, OSError) as error:
            then = "" if self._asked is not None else "; training goes on"
            self._listener.warn(f"update {self._done} was not saved: {str(error).rstrip('.')}{then}")
        else:
            self._saved = self._done
            self._listener.note(f"saved update {self._done} ({time.monotonic() - start:.1f} s)")
        self._saved_at = time.monotonic()
        self._cost = self._saved_at - start

    def _write(self) -> None:
        """Write a state and remove all but the last two; on a full disk the older of them makes room."""
        first = self._processes.rank == 0
        states = {name: gathered(part.state(), first) for name, part in self._parts.items()}
        if not first:
            return
        folder = self._unfinished.path
        try:
            new = write_state(folder, self._done, self._identity, states)
        except OutputError:
            spare = [state for state in saved_updates(folder) if state not in self._good[-1:]]
            if not spare:
                raise
            for state in spare:
                shutil.rmtree(state, ignore_errors=True)
            new = write_state(folder, self._done, self._identity, states)
        self._good = [*self._good, new][-KEPT:]
        for state in saved_updates(folder):
            if state not in self._good:
                shutil.rmtree(state, ignore_errors=True)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """In the block the first SIGINT or SIGTERM stops the run between two updates; a second one at once.

        Several processes stop after the same update, whichever heard of it, and pass over further signals: a
        terminal, a scheduler and a launcher may each have sent one.

        Signals reach the main thread alone, so elsewhere nothing changes, nor where nothing is saved.
        """
        if self._every == 0 or threading.current_thread() is not threading.main_thread():
            yield
            return
        # what is ignored, as in a job in the background, stays ignored
        before = {n: old for n in SIGNALS if (old := signal.getsignal(n)) not in (signal.SIG_IGN, None)}

        together = self._processes.size > 1

        def put_back() -> None:
            for number, handler in before.items():
                signal.signal(number, handler)

        def ask(number: int, frame: FrameType | None) -> None:
            self._asked = number
            if together:
                return
            put_back()
            # on a thread of its own: this one may be in the middle of printing
            threading.Thread(target=self._listener.stage, args=(STOPPING,), daemon=True).start()

        try:
            for number in before:
                signal.signal(number, ask)
            yield
        finally:
            if not together or self._asked is None:
                put_back()
        if self._asked is not None and self._processes.rank == 0:  # after the last update
            self._save(together=False)
            raise KeyboardInterrupt
