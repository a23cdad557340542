"""A command in several processes, which `--gpus` starts here, or a launcher has started."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import typer

from clipsan.cli.output import Output
from clipsan.runs.watch import Watcher

if TYPE_CHECKING:
    from clipsan.training.processes import Processes

_R = TypeVar("_R")


def together(gpus: int, device: str, output: Output, run: Callable[[str, Watcher, Processes], _R]) -> _R:
    """What `run` gives in the first process, the only one whose watcher shows anything.

    Args:
        gpus: processes to start, unless a launcher has.
        device: as typed.
        output: whose watcher the first process has.
        run: given the device of this process, its watcher, and who works together.

    Raises:
        SystemExit: processes were started here, and have done it all; with the exit code of theirs.
        typer.Exit: this process is not the first, and its work is done.
    """
    from clipsan.runs.processes import HelpedError, joined, launched

    if gpus > 1 and not launched():
        from clipsan.runs.launch import start

        raise SystemExit(start(gpus, device, sys.argv[1:]))
    with joined(device) as (own, processes):
        try:
            return run(own, Watcher() if processes.rank else output.watcher(), processes)
        except HelpedError:
            pass
    raise typer.Exit
