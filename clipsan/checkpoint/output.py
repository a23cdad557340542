"""An output folder that is either complete or not there."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path

from clipsan.disk import WRITE_REFUSALS, plain_os_errors
from clipsan.errors import OutputError

REPORT_NAMES = ("report.json", "scan.json")
LARGEST_REPORT = 64 << 20  # bytes
_RANDOM = "[0-9a-f]" * 8  # the end of a hidden folder's name


def check_output(path: Path, *, overwrite: bool = False, needed_bytes: int) -> None:
    """Refuse at once what `output_folder` would refuse after hours of work; leaves nothing behind.

    Raises:
        OutputError: the place is taken, not writable or too small.
    """
    target = _check_place(path, overwrite)
    _check_space(target.parent, needed_bytes)
    with plain_os_errors(target):
        trial = _hidden(target)
        trial.mkdir()
        trial.rmdir()


@contextmanager
def output_folder(path: Path, *, overwrite: bool = False, needed_bytes: int) -> Iterator[Path]:
    """Write into a hidden folder beside `path` that takes its name only when the block ends well.

    On any exception, an interrupt included, the hidden folder is removed and what was at `path` stays.

    Args:
        path: where the output shall be; its parent must exist.
        overwrite: replace an earlier output of clipsan, and nothing else.
        needed_bytes: how much will be written; checked against the free space at once.

    Yields:
        The hidden folder, in which everything is to be written.

    Raises:
        OutputError: the place is taken, not writable or too small, or the disk refuses.
    """
    target = _check_place(path, overwrite)
    _check_space(target.parent, needed_bytes)
    partial = _hidden(target)
    with plain_os_errors(target):
        partial.mkdir()
        try:
            yield partial
            _put_in_place(partial, target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def sweep(path: Path) -> None:
    """Tidy up what killed runs left half written beside `path`, where no other run may be at work.

    An earlier output that was about to be replaced is put back.
    """
    target = Path(os.path.realpath(path))
    for old in sorted(target.parent.glob(f".{escape(target.name)}.old-{_RANDOM}")):
        if target.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.replace(target)
    for partial in target.parent.glob(f".{escape(target.name)}.partial-{_RANDOM}"):
        shutil.rmtree(partial, ignore_errors=True)


def is_earlier_output(path: Path) -> bool:
    """True for a folder that clipsan wrote: its report.json or scan.json has a schema_version."""
    return any(_is_report(path / name) for name in REPORT_NAMES)


def _is_report(file: Path) -> bool:
    try:
        if file.stat().st_size > LARGEST_REPORT:
            return False
        found = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and "schema_version" in found


def _hidden(target: Path) -> Path:
    return target.parent / f".{target.name}.partial-{secrets.token_hex(4)}"


def _check_place(path: Path, overwrite: bool) -> Path:
    """The real path of the target, where it may be written."""
    target = Path(os.path.realpath(path))
    parent = target.parent
    if not parent.is_dir():
        raise OutputError(f"The folder {str(parent)!r} for the output does not exist; create it first.")
    try:
        if target.exists() and not target.is_dir():
            raise OutputError(f"{str(path)!r} is a file; choose another --out.")
        taken = target.is_dir() and any(target.iterdir())
    except OSError as error:
        raise OutputError(
            f"{str(path)!r} cannot be looked at ({error.strerror}); choose another --out."
        ) from error
    if taken and not (overwrite and is_earlier_output(target)):
        if is_earlier_output(target):
            hint = "holds an earlier output; choose another --out, or replace it with --overwrite"
        else:
            hint = "is in use, and not by an earlier output of clipsan; choose another --out"
        raise OutputError(f"The output folder {str(path)!r} {hint}.")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise OutputError(f"{str(path)!r} cannot be written: {WRITE_REFUSALS[errno.EACCES]}.")
    return target


def _check_space(parent: Path, needed: int) -> None:
    free = shutil.disk_usage(parent).free
    if free < needed:
        raise OutputError(
            f"The output takes about {needed / 1e6:.0f} MB and {str(parent)!r} has {free / 1e6:.0f} MB free;"
            " make room or choose another --out."
        )


def _put_in_place(partial: Path, target: Path) -> None:
    """Give the finished folder its name. What was there goes only after the new one is in place."""
    if not target.is_dir() or not any(target.iterdir()):
        partial.replace(target)  # over an empty folder too
        return
    if not is_earlier_output(target):
        raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), str(target))
    old = target.parent / f".{target.name}.old-{secrets.token_hex(4)}"
    target.replace(old)
    try:
        partial.replace(target)
    except BaseException:
        old.replace(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
