"""Runs of `clipsan clean` that are killed (SIGKILL) at random moments and started again: do they end alike?

    python benchmarks/kills.py MODEL PAIRS [--kills 25] [--steps 12] [--seed 0] [OPTIONS OF clipsan clean]

A run that nothing happens to comes first. Each further one is killed once, after a number of saved updates
and a time after that which are both drawn uniformly, every third one as soon after that as it is writing a
state; then the same command is given again. A run that was over before its kill is not counted. Printed is a
table in Markdown; the exit code is 1 unless all end with the bytes of the first in their weights and, but for
its seconds, their report.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PARTIAL = ".partial"


def outcome(folder: Path) -> tuple[str, str]:
    """SHA-256 of the weights; the report without its seconds."""
    report = json.loads((folder / "report.json").read_text())
    del report["training"]["seconds"]
    weights = (folder / "open_clip_model.safetensors").read_bytes()
    return hashlib.sha256(weights).hexdigest(), json.dumps(report)


def begun(command: list[str], place: Path) -> subprocess.Popen[str]:
    """A run whose training has just begun."""
    run = subprocess.Popen(command, cwd=place, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert run.stderr is not None
    for line in run.stderr:
        if line.startswith(("Fine-tuning", "Going on")):
            return run
    raise SystemExit(f"the run ended before its training began, with exit code {run.wait()}")


def found_at(place: Path) -> tuple[str, str]:
    """What a kill met: (what the run was doing, the update it can go on from)."""
    resume = place / "cleaned.resume"
    states = sorted(path.name for path in resume.glob("update-*"))
    last = str(int(states[-1].split("-")[1])) if states else "none"
    if (resume / PARTIAL).exists():
        return "saving", last
    if any(place.glob(".cleaned.partial-*")):
        return "writing the output", last
    return ("done" if (place / "cleaned").exists() else "training or measuring"), last


def main() -> int:
    """Print a row for each run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("pairs")
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    options, more = parser.parse_known_args()
    chance = random.Random(options.seed)
    command = [sys.executable, "-m", "clipsan", "clean", str(Path(options.model).resolve()), "--data"]
    command += [str(Path(options.pairs).resolve()), "--device", "cpu", "--save-every", "1"]
    command += ["--steps", str(options.steps), *more]
    with tempfile.TemporaryDirectory(prefix="clipsan-kills-") as folder:
        place = Path(folder)
        run = begun(command, place)
        start = time.monotonic()
        run.communicate()
        seconds = time.monotonic() - start
        wanted = outcome(place / "cleaned")
        shutil.rmtree(place / "cleaned")
        print(f"{seconds:.1f} s from the begin of the training to the end, undisturbed\n")
        print("| run | killed after | while | going on after update | same weights and report | left over |")
        print("|---|---|---|---|---|---|")
        alike = number = 0
        while number < options.kills:
            updates, wait = chance.randint(0, options.steps), chance.uniform(0, 1.5 * seconds / options.steps)
            run = begun(command, place)
            start = time.monotonic()
            saved = place / "cleaned.resume" / f"update-{updates:08d}"
            while updates and run.poll() is None and not saved.exists():
                time.sleep(0.002)
            time.sleep(wait)
            while number % 3 == 2 and run.poll() is None and not (saved.parent / PARTIAL).exists():
                pass
            after = time.monotonic() - start
            run.send_signal(signal.SIGKILL)
            run.communicate()
            doing, last = found_at(place)
            if doing != "done":
                number += 1
                subprocess.run(command, cwd=place, capture_output=True, check=False)
                same = (place / "cleaned").exists() and outcome(place / "cleaned") == wanted
                alike += same
                shutil.rmtree(place / "cleaned", ignore_errors=True)
                left = ", ".join(sorted(path.name for path in place.iterdir())) or "nothing"
                row = (str(number), f"{after:.1f} s", doing, last, "yes" if same else "NO", left)
                print(f"| {' | '.join(row)} |", flush=True)
            for path in place.iterdir():
                shutil.rmtree(path)
        print(f"\n{alike} of {options.kills} end alike")
    return 0 if alike == options.kills else 1


if __name__ == "__main__":
    sys.exit(main())
