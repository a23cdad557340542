"""Seconds that `clipsan --help` and every `clipsan COMMAND --help` take: best and median of ten.

python benchmarks/help_time.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

COMMANDS = ("", "clean", "audit", "inspect", "demo")


def main() -> None:
    """Print a line per command."""
    for command in COMMANDS:
        times = []
        for _ in range(10):
            start = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "clipsan", *command.split(), "--help"], check=True, capture_output=True
            )
            times.append(time.perf_counter() - start)
        name = f"clipsan {command} --help".replace("  ", " ")
        print(f"{name:<24} best {min(times):.2f} s, median {statistics.median(times):.2f} s")


if __name__ == "__main__":
    main()
