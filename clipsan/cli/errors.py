"""From an exception to one sentence on stderr and an exit code. Tracebacks only with CLIPSAN_DEBUG=1."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from functools import wraps
from types import FrameType
from typing import NoReturn, ParamSpec, TypeVar

import typer

from clipsan.errors import ClipsanError, StoppedError
from clipsan.runs.processes import hear_signals, ignore_signals, launched, may_speak
from clipsan.signals import INTERRUPTED

ERROR = 2
# ClickException: the base of every usage error, also where Typer carries its own copy of Click
_P = ParamSpec("_P")
_R = TypeVar("_R")
_USAGE: type[Exception] = typer.BadParameter.__mro__[2]


class RunInterruptedError(Exception):
    """Ctrl-C or SIGTERM stopped a command that leaves something worth knowing; the message says what."""


def saying_what_is_kept(command: Callable[_P, _R]) -> Callable[_P, _R]:
    """A command whose Ctrl-C can leave something to go on from; Typer would drop the words."""

    @wraps(command)
    def saying(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return command(*args, **kwargs)
        except StoppedError as stop:
            raise RunInterruptedError(f"{stop}.") from None

    return saying


def exit_with_sentences(app: typer.Typer) -> NoReturn:
    """Run the app and leave the process with its exit code."""
    debug = bool(os.environ.get("CLIPSAN_DEBUG"))
    signal.signal(signal.SIGTERM, _interrupt)  # a scheduler's stop cleans up as Ctrl-C does
    try:
        if launched():
            hear_signals(_interrupt)
        code = app(standalone_mode=False)
        if code == INTERRUPTED:  # newer Typer makes this code, older an Abort, of a KeyboardInterrupt
            code = _interrupted()
    except (ClipsanError, _USAGE) as error:
        if debug:
            raise
        code = _say(_sentence(error))
    except (KeyboardInterrupt, typer.Abort):
        code = _interrupted()
    except RunInterruptedError as stop:
        code = _interrupted(str(stop))
    except MemoryError:
        if debug:
            raise
        code = _say(
            "memory ran out: choose a smaller --micro-batch or --batch-size, or a machine with more memory"
        )
    except OSError as error:
        if debug:
            raise
        where = f" ({error.filename})" if error.filename else ""
        code = _say(f"the system refused: {error.strerror or error}{where}")
    except Exception as error:
        if debug:
            raise
        code = _say(
            f"this is a defect of clipsan, not of your input: {type(error).__name__}: {error} "
            "(run again with CLIPSAN_DEBUG=1 for the traceback and report it)"
        )
    sys.exit(code if isinstance(code, int) else 0)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    if launched():
        ignore_signals()
    raise KeyboardInterrupt


def _interrupted(sentence: str = "nothing was written.") -> int:
    if may_speak():
        print(f"Interrupted: {sentence}", file=sys.stderr)  # noqa: T201
    return INTERRUPTED


def _sentence(error: Exception) -> str:
    format_message = getattr(error, "format_message", None)
    return str(format_message()) if callable(format_message) else str(error)


def _say(sentence: str) -> int:
    words = " ".join(sentence.split())
    # names from files stand in sentences: what could move a terminal's cursor is shown as its escape
    text = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in words)
    if may_speak():
        print(f"clipsan: {text if text.endswith(('.', '?')) else text + '.'}", file=sys.stderr)  # noqa: T201
    return ERROR
