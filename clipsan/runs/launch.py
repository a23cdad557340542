"""`--gpus N`: the command line once more in N processes of this machine, by torch's own launcher."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from multiprocessing import resource_tracker

from clipsan.errors import TrainingError, UsageError
from clipsan.signals import INTERRUPTED, SIGNALS

VERDICTS = (0, 1, 3)


def start(count: int, device: str, arguments: Sequence[str]) -> int:
    """Run the command line in `count` processes of this machine; the exit code.

    The launcher works on a thread of its own, where it leaves signals alone: they are passed on to the
    processes here, and these get all the time they need to save.

    Raises:
        UsageError: there are not so many GPUs, or the device names one of them.
        TrainingError: a signal ended one of the processes, which nobody had asked to stop.
    """
    import torch
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    if device not in ("cpu", "auto", "cuda"):
        raise UsageError(f"--device is {device!r}, but --gpus {count} takes the first {count}: leave it out")
    there = torch.cuda.device_count()
    if device != "cpu" and there < count:
        raise UsageError(
            f"--gpus is {count}, but torch sees {there} CUDA devices here: choose a smaller number, or "
            "--device cpu for so many processes on the CPU"
        )
    for name in ("torch.distributed.elastic", "torch.multiprocessing"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # the processes say it themselves
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # in them, too
    config = LaunchConfig(
        min_nodes=1, max_nodes=1, nproc_per_node=count, run_id="clipsan", rdzv_backend="c10d",
        rdzv_endpoint="localhost:0", max_restarts=0, monitor_interval=0.2,
    )  # fmt: skip
    asked: list[int] = []
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda number, frame: asked.append(number))
    with ThreadPoolExecutor(1) as thread:
        launch = thread.submit(_launch_with_signals_blocked, elastic_launch(config, _work), list(arguments))
        _pass_on(asked, launch, count)
        try:
            return int(launch.result()[0])
        except ChildFailedError as error:
            rank, failure = error.get_first_failure()
    if asked:
        return INTERRUPTED
    if failure.exitcode < 0:
        name = signal.Signals(-failure.exitcode).name
        raise TrainingError(
            f"process {rank + 1} of {count} was ended by {name}"
            f"{', as a system does that runs out of memory' if name == 'SIGKILL' else ''}"
        )
    return int(failure.exitcode)


def _launch_with_signals_blocked(
    launch: Callable[[list[str]], dict[int, int]], arguments: list[str]
) -> dict[int, int]:
    """Processes inherit what is blocked, until `hear_signals`: none is ended before it can say a word."""
    resource_tracker.ensure_running()  # which would unblock them
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    return launch(arguments)


def _pass_on(asked: Sequence[int], launch: Future[dict[int, int]], count: int) -> None:
    """Until the launch is over: once something is asked, ask each process once."""
    told: set[int | None] = set()
    while not launch.done():
        wait([launch], timeout=0.2)
        if asked and len(told) < count:
            for process in multiprocessing.active_children():
                if process.pid not in told:
                    told.add(process.pid)
                    process.terminate()


def _work(arguments: list[str]) -> int:
    """One of the processes; the exit code where it is a verdict's, else the process ends with it."""
    from clipsan.cli import main

    sys.argv = ["clipsan", *arguments]
    try:
        main()
    except SystemExit as end:
        if end.code in VERDICTS:
            return int(end.code or 0)
        raise
    return 0
