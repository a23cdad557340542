"""Drawn pairs per second and core, with and without encoding and writing.

    python benchmarks/synth_speed.py [--size 224] [--num 1000] [--rounds 3]

One process, one thread. Each round draws scenes of all kinds (`drawing`: captions included, nothing encoded),
encodes pixels that are already drawn (`jpg`, `png`), and fills a folder as `clipsan synth` does (`command`,
JPEG). Wall time and processor time are both given: on a machine with other work to do, the second is what a
core of one's own would give.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import clipsan
from clipsan.synthesis.concepts import Schedule
from clipsan.synthesis.dice import derive_seed
from clipsan.synthesis.drawing import KINDS, SceneMaker
from clipsan.synthesis.folder import encode
from clipsan.synthesis.maker import Request


def rate(work: Callable[[], None], num: int) -> tuple[float, float]:
    """Images per second of wall time and of processor time."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return num / (time.perf_counter() - wall), num / (time.process_time() - cpu)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--num", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    num, size = options.num, options.size
    maker, schedule = SceneMaker(list(KINDS), size), Schedule(list(KINDS), 0)
    requests = [Request(i, derive_seed(0, i, 0), schedule.concepts(i), "") for i in range(num)]
    pixels = [made.pixels for made in maker.make(requests)]
    rates: dict[str, list[tuple[float, float]]] = {}
    for round_ in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "synth"
            jobs: dict[str, Callable[[], object]] = {
                "drawing": lambda: maker.make(requests),
                "encoding jpg": lambda: [encode(image, "jpg") for image in pixels],
                "encoding png": lambda: [encode(image, "png") for image in pixels],
                "command": lambda out=out, seed=round_: clipsan.synth(out, num=num, seed=seed, size=size),
            }
            for name, job in jobs.items():
                rates.setdefault(name, []).append(rate(lambda job=job: (job(), None)[1], num))
    print(f"{size} x {size} px, {num} images a round, median of {options.rounds}, one thread")
    for name, measured in rates.items():
        wall, cpu = (statistics.median(column) for column in zip(*measured, strict=True))
        print(f"{name:<13} {wall:7.0f} images/s   {cpu:7.0f} per second of processor time")


if __name__ == "__main__":
    main()
