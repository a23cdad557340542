"""What it costs to be able to go on: seconds to save a state, and milliseconds of the checks in an update.

    python benchmarks/saving.py ARCHITECTURE [--folder DIR] [--times 3]

The model has random weights; every parameter has a gradient and moments. The state is put on the disk of DIR
(fsync) and read back. The checks are those of every update: whether loss and gradients are finite, and what
is remembered to take half an update back.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import open_clip
import torch

from clipsan.methods import Loss
from clipsan.resume.states import read_state, write_state
from clipsan.training.faults import Before, NotFinite
from clipsan.training.optimizer import make_optimizer
from clipsan.training.settings import TrainSettings
from clipsan.training.state import ModelState, OptimizerState


def main() -> None:
    """Print a line for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("architecture")
    parser.add_argument("--folder", default=None)
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()
    model = open_clip.create_model(options.architecture).train()
    optimizer = make_optimizer(model, TrainSettings())
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.full_like(parameter, 1e-3)
    guard = NotFinite(model, optimizer, print)
    optimizer.step()
    plain, checked = [], []
    for _ in range(options.times + 1):
        start = time.perf_counter()
        optimizer.step()
        plain.append(time.perf_counter() - start)
        start = time.perf_counter()
        before = Before(model, optimizer, None)
        before.undo_statistics_where(guard.step(Loss(torch.tensor(1.0))))
        checked.append(time.perf_counter() - start)
    parts = {"model": ModelState(model), "optimizer": OptimizerState(model, optimizer)}
    written, read = [], []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for update in range(1, options.times + 1):
            start = time.perf_counter()
            state = write_state(
                Path(folder), update, {}, {name: part.state() for name, part in parts.items()}
            )
            written.append(time.perf_counter() - start)
            size = sum(file.stat().st_size for file in state.iterdir())
            start = time.perf_counter()
            found = read_state(state)
            for name, part in parts.items():
                part.load_state(found.states[name])
            read.append(time.perf_counter() - start)
    print(f"{options.architecture}: a state of {size / 1e6:.0f} MB")
    print(f"is saved in {statistics.median(written):.2f} s")
    print(f"and checked and loaded in {statistics.median(read):.2f} s")
    more = statistics.median(checked[1:]) - statistics.median(plain[1:])
    print(f"the checks take {1000 * more:.1f} ms of an update")


if __name__ == "__main__":
    main()
