"""The folder beside an output in which an unfinished run keeps its states, held by one process at a time."""

from __future__ import annotations

import errno
import importlib
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from clipsan.checkpoint.output import check_output, sweep
from clipsan.disk import plain_os_errors
from clipsan.errors import ClipsanError, DataError, LostProcessError, OutputError, StoppedError
from clipsan.resume.states import NAME, PARTIAL, saved_updates, update_of

LOCK = "lock"
_NO_LOCKS = {errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.ENOSYS}


class Unfinished:
    """`OUT.resume`, the states of a run whose output is not written yet."""

    def __init__(self, out: Path) -> None:
        """`out`: the output folder; nothing is looked at yet."""
        target = Path(os.path.realpath(out))
        self.path = target.parent / f"{target.name}.resume"

    @property
    def shown(self) -> str:
        """As a sentence names it: its path from here, where that is shorter."""
        return min(str(self.path), os.path.relpath(self.path), key=len)

    @property
    def going_on(self) -> str | None:
        """A sentence on what is kept and how to go on; None where nothing is kept."""
        saved = saved_updates(self.path)
        if not saved:
            return None
        return f"update {update_of(saved[0])} is kept in {self.shown!r}: the same command goes on from there"

    def discard(self) -> None:
        """Remove all states."""
        for state in saved_updates(self.path):
            shutil.rmtree(state, ignore_errors=True)


@contextmanager
def claimed(
    out: Path, *, overwrite: bool = False, say: Callable[[str], None] = lambda sentence: None
) -> Iterator[Unfinished]:
    """Hold an output folder against every other run, and tidy up what a killed one left half done.

    When the block ends well, the states are removed. When it does not, they stay; where the pairs or the disk
    are the reason, the error's sentence says so, for then the same command goes on when that is mended.

    Args:
        out: the output folder.
        overwrite: as for `output_folder`.
        say: hears of what should be known and ends nothing.

    Raises:
        OutputError: the place is taken, another run is at work there, or the disk refuses.
        StoppedError: instead of a KeyboardInterrupt, where something is kept.
    """
    check_output(out, overwrite=overwrite, needed_bytes=0)
    unfinished = Unfinished(out)
    with plain_os_errors(unfinished.path):
        handle = _hold(unfinished, out, say)
    done = False
    try:
        with telling_what_is_kept(unfinished, say):
            sweep(out)
            check_output(out, overwrite=overwrite, needed_bytes=0)  # of what is there now
            shutil.rmtree(unfinished.path / PARTIAL, ignore_errors=True)
            yield unfinished
        done = True
    finally:
        if done or not saved_updates(unfinished.path):
            shutil.rmtree(unfinished.path, ignore_errors=True)
        os.close(handle)


@contextmanager
def telling_what_is_kept(unfinished: Unfinished, say: Callable[[str], None]) -> Iterator[None]:
    """What ends the block early says what is kept of the run, where something is."""
    try:
        yield
    except ClipsanError as error:
        mendable = isinstance(error, DataError | OutputError | LostProcessError)
        if mendable and (kept := unfinished.going_on) is not None:
            error.args = (f"{str(error).rstrip('.')}; {kept}",)
        raise
    except KeyboardInterrupt:
        if (kept := unfinished.going_on) is None:
            raise
        raise StoppedError(kept) from None
    except Exception:
        if (kept := unfinished.going_on) is not None:
            say(kept)
        raise


def _hold(unfinished: Unfinished, out: Path, say: Callable[[str], None]) -> int:
    """Make the folder if need be and lock it; the lock lasts as long as the handle, so no kill leaves one."""
    folder = unfinished.path
    while True:
        try:
            folder.mkdir(exist_ok=True)
        except FileExistsError:
            raise OutputError(
                f"{unfinished.shown!r} is a file, and a run keeps its state there: move it or choose another "
                "--out"
            ) from None
        names = sorted(path.name for path in folder.iterdir())
        strange = [name for name in names if name not in (LOCK, PARTIAL) and not NAME.fullmatch(name)]
        if strange:
            raise OutputError(
                f"{unfinished.shown!r}, where a run keeps its state, holds {strange[0]!r}, which is not "
                "clipsan's: move it or choose another --out"
            )
        try:
            handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # the run that held it has just ended and removed the folder
            continue
        try:
            _lock(handle, unfinished, out, say)
            if _is_at(handle, folder / LOCK):
                os.truncate(handle, 0)
                os.write(handle, f"{os.getpid()} {socket.gethostname()}\n".encode())
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _lock(handle: int, unfinished: Unfinished, out: Path, say: Callable[[str], None]) -> None:
    flock = _flock()
    if flock is None:
        say(f"this system has no file locks: let no other run write {str(out)!r} meanwhile")
        return
    try:
        flock.flock(handle, flock.LOCK_EX | flock.LOCK_NB)
    except BlockingIOError:
        who = os.read(handle, 200).decode("utf-8", "replace").split()
        named = f" (process {who[0]} on {who[1]})" if len(who) == 2 else ""
        raise OutputError(
            f"Another run{named} is writing {str(out)!r}: wait for it, stop it, or choose another --out."
        ) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        say(f"the file system of {unfinished.shown!r} has no locks: let no other run write there meanwhile")


def _flock() -> ModuleType | None:
    """The module with file locks, which Windows does not have."""
    try:
        return importlib.import_module("fcntl")
    except ImportError:
        return None


def _is_at(handle: int, path: Path) -> bool:
    """Whether an open file still has its name."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
