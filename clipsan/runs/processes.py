"""A command in one of several processes that a launcher started: its place among them, signals, who speaks.

A launcher (torchrun, accelerate launch, srun, or `--gpus N`, see `launch.py`) tells each process its place in
the environment. The first process alone writes and prints; of an error one alone says the sentence.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from clipsan.errors import UsageError
from clipsan.signals import SIGNALS

if TYPE_CHECKING:
    from clipsan.training.processes import Processes


class HelpedError(Exception):
    """This process helped the first one, which alone has the result."""


def launched() -> bool:
    """Whether a launcher started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ


def may_speak() -> bool:
    """Whether this process may say what ended the run: the first one that asks may.

    Before they know each other it is the first of each machine.
    """
    if not launched():
        return True
    dist = sys.modules.get("torch.distributed")
    if dist is None or not dist.is_initialized():
        return "0" in (os.environ["RANK"], os.environ.get("LOCAL_RANK"))
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


def device_for_all(device: str, processes: Processes) -> str:
    """The device for a report: without its number where each of several processes has one of its own."""
    return device.partition(":")[0] if processes.size > 1 else device


def check_share(processes: Processes, batch_size: int) -> None:
    """UsageError where the processes cannot share such a batch."""
    if batch_size < processes.size:
        raise UsageError(
            f"a batch of {batch_size} cannot be shared by {processes.size} processes: start fewer, or choose "
            "a larger --batch-size or more pairs"
        )


def check_alike(processes: Processes, identity: Mapping[str, Any]) -> None:
    """UsageError unless this process has the first one's identity, JSON-able and grouped as `identity_of`."""
    from clipsan.resume.identity import difference

    differs = difference(json.loads(processes.of_first(json.dumps(identity))), identity)
    if differs is not None:
        raise UsageError(
            f"the first of the processes has {differs}, which is process {processes.rank + 1}: give all of "
            "them the same model, pairs and settings, and the same versions"
        )


@contextmanager
def joined(device: str) -> Iterator[tuple[str, Processes]]:
    """The processes that a launcher started work together in the block: the device of this one, and they.

    Raises:
        UsageError: there are fewer GPUs than processes, or the device names one of them.
    """
    if not launched():
        from clipsan.training.processes import ALONE

        yield device, ALONE
        return
    import torch
    import torch.distributed as dist

    from clipsan.training.processes import PATIENCE, Processes

    local = int(os.environ.get("LOCAL_RANK", "0"))
    here = max(local + 1, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    if device not in ("cpu", "auto", "cuda"):
        raise UsageError(f"--device is {device!r}, but each process takes its own: leave it out")
    use_gpu = device != "cpu" and (device == "cuda" or torch.cuda.is_available())
    if use_gpu and torch.cuda.device_count() < here:
        raise UsageError(
            f"there are {here} processes on this machine, but torch sees {torch.cuda.device_count()} CUDA "
            "devices: start fewer, or use --device cpu"
        )
    if use_gpu:
        torch.cuda.set_device(local)
    dist.init_process_group("cpu:gloo,cuda:nccl" if use_gpu else "gloo", timeout=PATIENCE)
    place = Processes(dist.get_rank(), dist.get_world_size())
    yield f"cuda:{local}" if use_gpu else "cpu", place
    dist.destroy_process_group()  # not after an error: the others hear of that by the process's end
