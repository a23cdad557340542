"""Whether several processes give the weights of one, and what they send each other.

    python benchmarks/processes.py MODEL PAIRS [--batch 64] [--steps 20] [--sizes 1 2 4] [--fsdp] [--json F]

Every method trains the same model on the same batches, in float32 on the CPU, with 1, 2 and 4 processes that
talk through gloo. The table gives the relative error of all weights against one process, how far the
training moved the weights (so that an error can be told from nothing having happened), and the bytes that a
process sends in an update: counted by clipsan from its tensors (without those of parted weights, which torch
sends), and, on Linux with nothing else at work on it, the growth of the loopback device's counter. Times mean
nothing here: the processes share the cores.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
import torch.distributed as dist
import torch.multiprocessing

from clipsan.checkpoint import load
from clipsan.methods import METHODS
from clipsan.pairs import ImageReader, open_pairs
from clipsan.training.loop import train
from clipsan.training.processes import Processes
from clipsan.training.settings import TrainSettings
from clipsan.training.state import seeded

COUNTERS = Path("/proc/net/dev")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("pairs")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 2, 4])
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
        rows = [row for method in METHODS for row in rows_of(method, options, Path(folder))]
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
            "sent": found["sent"] / options.steps,
            "loopback": None if found["loopback"] is None else found["loopback"] / size / options.steps,
        })  # fmt: skip
    return rows


def work(rank: int, size: int, folder: Path, options: argparse.Namespace) -> None:
    """One of the processes: every method in turn; the first writes what came of it."""
    torch.set_num_threads(1)
    if size > 1:
        meet = f"file://{folder}/meet-{size}"
        dist.init_process_group("gloo", init_method=meet, rank=rank, world_size=size)
    for method in METHODS:
        suspect = load(options.model)
        pairs = open_pairs(options.pairs)
        reader = ImageReader(pairs, suspect.preprocess_cfg, suspect.image_size, exact=False, threads=1)
        settings = TrainSettings(
            method=method, batch_size=options.batch, micro_batch=options.batch, steps=options.steps,
            precision="fp32", lr_start=options.lr_start, lr=options.lr,
        )  # fmt: skip
        processes = Processes(rank, size)
        before, counted = weights(suspect.model), loopback_bytes()
        with seeded(settings.seed, torch.device("cpu")):
            train(
                suspect, pairs, reader, settings, torch.device("cpu"), processes=processes,
                fsdp=options.fsdp and size > 1,
            )  # fmt: skip
        processes.numbers(0)  # the slowest has sent all, too
        after = loopback_bytes()
        if rank == 0:
            seen = None if counted is None or after is None or size == 1 else after - counted
            found = {
                "before": before, "weights": weights(suspect.model), "sent": processes.sent, "loopback": seen,
            }  # fmt: skip
            torch.save(found, folder / f"{method}-{size}.pt")
        processes.numbers(0)
    if size > 1:
        dist.destroy_process_group()


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
