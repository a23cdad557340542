"""Whether several processes give the weights of one, and what they send each other.

    python benchmarks/processes.py MODEL PAIRS [--batch 64] [--steps 20] [--sizes 1 2 4] [--fsdp]
        [--methods par ...] [--micro-batch 16] [--json F]

Each method trains the same model on the same batches, in float32 on the CPU, with 1, 2 and 4 processes that
talk through gloo. The table gives the relative error of all weights against one process, how far the
training moved the weights (so that an error can be told from nothing having happened), and the bytes that a
process sends in an update, the first left out: counted from the tensors, for ring algorithms, and, on Linux
with nothing else at work on it, the growth of the loopback device's counter. A device of its own gives

    unshare -rn sh -c 'ip link set lo up; GLOO_SOCKET_IFNAME=lo python benchmarks/processes.py ...'

Times mean nothing here: the processes share the cores.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
import torch.distributed as dist
import torch.multiprocessing
from torch.utils._python_dispatch import TorchDispatchMode

from clipsan.checkpoint import load
from clipsan.methods import METHODS
from clipsan.pairs import ImageReader, open_pairs
from clipsan.training.loop import train
from clipsan.training.processes import Processes
from clipsan.training.settings import TrainSettings
from clipsan.training.state import seeded
from clipsan.training.updates import Step

COUNTERS = Path("/proc/net/dev")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("pairs")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--micro-batch", type=int, help="pairs in memory at once; not given: the batch")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--fsdp", action="store_true", help="each of several has a part of the weights")
    parser.add_argument("--lr-start", type=float, default=3e-5)
    parser.add_argument("--lr", type=float, default=3e-6)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}")
    print(f"{' '.join(sys.argv[1:])}: batch {options.batch}, {options.steps} updates, float32\n")
    with tempfile.TemporaryDirectory() as folder:
        for size in options.sizes:
            torch.multiprocessing.start_processes(
                work, (size, Path(folder), options), nprocs=size, start_method="spawn"
            )
        rows = [row for method in options.methods for row in rows_of(method, options, Path(folder))]
    columns = ("method", "processes", "relative error", "moved by", "MB counted", "MB on loopback")
    print("| " + " | ".join(columns) + " |\n|" + "---|" * len(columns))
    for row in rows:
        error = "" if row["error"] is None else f"{row['error']:.1e}"
        loopback = "" if row["loopback"] is None else f"{row['loopback'] / 1e6:.2f}"
        print(
            f"| {row['method']} | {row['processes']} | {error} | {row['moved']:.1e} | "
            f"{row['sent'] / 1e6:.2f} | {loopback} |"
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def rows_of(method: str, options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """A method's lines of the table."""
    rows, first = [], None
    for size in options.sizes:
        found = torch.load(folder / f"{method}-{size}.pt")
        first = found["weights"] if first is None else first
        apart = float((found["weights"] - first).norm() / first.norm())
        rows.append({
            "method": method, "processes": size, "error": None if size == options.sizes[0] else apart,
            "moved": float((found["weights"] - found["before"]).norm() / found["before"].norm()),
            "sent": found["sent"],
            "loopback": None if found["loopback"] is None else found["loopback"] / size,
        })  # fmt: skip
    return rows


def work(rank: int, size: int, folder: Path, options: argparse.Namespace) -> None:
    """One of the processes: every method in turn; the first writes what came of it."""
    torch.set_num_threads(1)
    if size > 1:
        meet = f"file://{folder}/meet-{size}"
        dist.init_process_group("gloo", init_method=meet, rank=rank, world_size=size)
    for method in options.methods:
        suspect = load(options.model)
        pairs = open_pairs(options.pairs)
        reader = ImageReader(pairs, suspect.preprocess_cfg, suspect.image_size, exact=False, threads=1)
        settings = TrainSettings(
            method=method, batch_size=options.batch, micro_batch=options.micro_batch or options.batch,
            steps=options.steps, precision="fp32", lr_start=options.lr_start, lr=options.lr,
        )  # fmt: skip
        traffic, before = Traffic(Processes(rank, size)), weights(suspect.model)
        with seeded(settings.seed, torch.device("cpu")), traffic if options.fsdp else nullcontext():
            train(
                suspect, pairs, reader, settings, torch.device("cpu"), traffic.note,
                processes=traffic.processes, fsdp=options.fsdp and size > 1,
            )  # fmt: skip
        if rank == 0:
            found = {"before": before, "weights": weights(suspect.model), **traffic.of_an_update()}
            torch.save(found, folder / f"{method}-{size}.pt")
        traffic.processes.numbers(0)
    if size > 1:
        dist.destroy_process_group()


class Traffic(TorchDispatchMode):
    """What a process has sent by the end of each update; entered, also what torch sends of parted weights."""

    def __init__(self, processes: Processes) -> None:
        super().__init__()
        self.processes = processes
        self._torch_sent = 0
        self._noted: list[tuple[int, int | None]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func.name() in ("c10d::_allgather_base_", "c10d::_reduce_scatter_base_"):
            whole = max(value.nbytes for value in args[:2])  # the other one is a part of it
            self._torch_sent += whole * (self.processes.size - 1) // self.processes.size
        return func(*args, **(kwargs or {}))

    def note(self, step: Step) -> None:
        """An update is done."""
        self.processes.numbers(0)  # the slowest has sent all, too
        self._noted.append((self.processes.sent + self._torch_sent, loopback_bytes()))
        self.processes.numbers(0)

    def of_an_update(self) -> dict[str, float | None]:
        """Mean bytes after the first update: by this process's tensors, and all processes' on loopback."""
        (first, before), (last, after) = self._noted[0], self._noted[-1]
        updates = len(self._noted) - 1
        seen = None if before is None or after is None or self.processes.size == 1 else after - before
        return {"sent": (last - first) / updates, "loopback": None if seen is None else seen / updates}


def weights(model: torch.nn.Module) -> torch.Tensor:
    """All of them in one vector, float64."""
    return torch.cat([value.detach().double().flatten() for value in model.parameters()])


def loopback_bytes() -> int | None:
    """Sent over the loopback device since the system started; None where there is no such counter."""
    if not COUNTERS.is_file():
        return None
    lines = (line.split(":") for line in COUNTERS.read_text().splitlines() if ":" in line)
    return next((int(numbers.split()[8]) for name, numbers in lines if name.strip() == "lo"), None)


if __name__ == "__main__":
    main()
