"""`clean` in several processes: starting them with torch's own launcher, and joining those that one started.

A launcher (torchrun, accelerate launch, or `--gpus N`, which calls torch's) tells each process its place
in the environment. The first process alone writes and prints; of an error one alone says the sentence.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from clipsan.errors import UsageError

if TYPE_CHECKING:
    from clipsan.training.processes import Processes

PATIENCE = timedelta(days=1)
"""For the first process, while it measures; one that dies is noticed at once."""
VERDICTS = (0, 1, 3)


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


def start(count: int, device: str, arguments: Sequence[str]) -> int:
    """Run the command line in `count` processes of this machine; the exit code.

    Raises:
        UsageError: there are not so many GPUs, or the device names one of them.
    """
    import torch
    from torch.distributed.elastic.multiprocessing import SignalException
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
    config = LaunchConfig(
        min_nodes=1, max_nodes=1, nproc_per_node=count, run_id="clipsan", rdzv_backend="c10d",
        rdzv_endpoint="localhost:0", max_restarts=0, monitor_interval=0.2,
    )  # fmt: skip
    try:
        codes = elastic_launch(config, _work)(list(arguments))
    except ChildFailedError as error:
        code = error.get_first_failure()[1].exitcode
        return code if code > 0 else 2
    except SignalException:  # the processes have got it, too, and have said what they kept
        return 130
    return int(codes[0])


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
