"""`clean` in several processes: starting them with torch's own launcher, and joining those that one started.

A launcher (torchrun, accelerate launch, or `--gpus N`, which calls torch's) tells each process its place
in the environment. The first process alone writes and prints; of an error one alone says the sentence.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing import resource_tracker
from types import FrameType
from typing import TYPE_CHECKING

from clipsan.errors import TrainingError, UsageError

if TYPE_CHECKING:
    from clipsan.training.processes import Processes

PATIENCE = timedelta(days=1)
"""For the first process, while it measures; one that dies is noticed at once."""
VERDICTS = (0, 1, 3)
INTERRUPTED = 130
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class HelpedError(Exception):
    """This process helped the first one to train, which alone has the result."""


def launched() -> bool:
    """Whether a launcher started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ


def may_speak() -> bool:
    """Whether this process may say what ended the run: the first one that asks may."""
    if not launched():
        return True
    dist = sys.modules.get("torch.distributed")
    if dist is None or not dist.is_initialized():
        return os.environ["RANK"] == "0"
    try:
        store = dist.distributed_c10d._get_default_store()
        return int(store.add("clipsan: what ended the run is said", 1)) == 1
    except RuntimeError:  # whoever held the store is gone
        return os.environ["RANK"] == "0"


def hear_signals(handler: Callable[[int, FrameType | None], None]) -> None:
    """In a process that a launcher started: handle what would stop it, also what came before this."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def ignore_signals() -> None:
    """From now on: a terminal, a scheduler and a launcher may each send one, and one was enough."""
    for number in SIGNALS:
        signal.signal(number, lambda number, frame: None)  # CPython complains if it is SIG_IGN by then


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


@contextmanager
def joined(device: str) -> Iterator[tuple[str, Processes]]:
    """The processes that a launcher started train together in the block: the device of this one, and they.

    Raises:
        UsageError: there are fewer GPUs than processes, or the device names one of them.
    """
    if not launched():
        from clipsan.training.processes import ALONE

        yield device, ALONE
        return
    import torch
    import torch.distributed as dist

    from clipsan.training.processes import Processes

    local = int(os.environ.get("LOCAL_RANK", "0"))
    if device not in ("cpu", "auto", "cuda"):
        raise UsageError(f"--device is {device!r}, but each process takes its own: leave it out")
    use_gpu = device != "cpu" and (device == "cuda" or torch.cuda.is_available())
    if use_gpu and torch.cuda.device_count() <= local:
        raise UsageError(
            f"process {local + 1} of this machine has no GPU of its own (torch sees "
            f"{torch.cuda.device_count()}): start fewer, or use --device cpu"
        )
    if use_gpu:
        torch.cuda.set_device(local)
    dist.init_process_group("cpu:gloo,cuda:nccl" if use_gpu else "gloo", timeout=PATIENCE)
    place = Processes(dist.get_rank(), dist.get_world_size())
    yield f"cuda:{local}" if use_gpu else "cpu", place
    dist.destroy_process_group()  # not after an error: the others hear of that by the process's end
