"""Peak memory of training at a large batch in micro-batches, against one batch of the micro-batch's size.

    python benchmarks/training_memory.py MODEL PAIRS [--large 2048] [--micro 128] [--steps 2]

Each run is a process of its own; the figure is the operating system's peak resident memory.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys


def run(model: str, source: str, batch: int, micro: int, steps: int) -> None:
    """Train and print the peak resident memory in MiB."""
    import torch

    from clipsan.checkpoint import load
    from clipsan.pairs import ImageReader, open_pairs
    from clipsan.training.loop import train
    from clipsan.training.settings import TrainSettings

    suspect, pairs = load(model), open_pairs(source)
    reader = ImageReader(pairs, suspect.preprocess_cfg, suspect.image_size)
    settings = TrainSettings(
        batch_size=batch, micro_batch=micro, steps=steps, precision="fp32", batch_norm="train"
    )
    train(suspect, pairs, reader, settings, torch.device("cpu"))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def main() -> None:
    """Print both peaks and their ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("pairs")
    parser.add_argument("--large", type=int, default=2048)
    parser.add_argument("--micro", type=int, default=128)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--one", type=int, default=0, help="run this batch size only (used by this script)")
    options = parser.parse_args()
    if options.one:
        run(options.model, options.pairs, options.one, options.micro, options.steps)
        return
    peaks = []
    for batch, steps in ((options.micro, options.steps * 8), (options.large, options.steps)):
        command = [sys.executable, __file__, options.model, options.pairs, "--micro", str(options.micro)]
        command += ["--steps", str(steps), "--one", str(batch)]
        peaks.append(int(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        print(f"batch {batch:5} in micro-batches of {options.micro}: {peaks[-1]} MiB at the peak")
    print(f"ratio: {peaks[1] / peaks[0]:.2f}")


if __name__ == "__main__":
    main()
