"""Pickle programs that run code: each a step that creates the canary when a careless unpickler takes it.

Most are found in the wild or in the write-ups of scanners that missed them; the point of so many is that
a list of bad names never ends, so that only a list of good ones may decide.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hostile.opcodes import call, named, text

EXEC = r"(__builtin__|builtins)\.exec"  # by its old name up to protocol 2
Step = Callable[[Path, Path], bytes]


@dataclass(frozen=True)
class Bomb:
    """A step that runs code, the name that must be found in it, and the pickle protocol that it needs."""

    step: Step
    finds: str
    protocol: int = 2


class Touches:
    """An object whose pickle runs `exec`, for what `torch.save` and numpy write themselves."""

    def __init__(self, canary: Path) -> None:
        self.code = python(canary)

    def __reduce__(self):
        return exec, (self.code,)


def shell(canary: Path) -> str:
    return f"touch '{canary}'"


def python(canary: Path) -> str:
    return f"open({str(canary)!r}, 'w').close()"


def shell_call(module: str, name: str) -> Step:
    """A call of something that takes a command for the shell."""
    return lambda folder, canary: call(named(module, name), text(shell(canary)))


def python_call(module: str, name: str, *more: bytes) -> Step:
    """A call of something that takes Python."""
    return lambda folder, canary: call(named(module, name), text(python(canary)), *more)
