"""Runs of clipsan that are killed (SIGKILL) at random moments and started again: do they end alike?

    python benchmarks/kills.py MODEL PAIRS [--poison] [--kills 25] [--steps 12] [--seed 0] [OPTIONS]

OPTIONS are those of `clipsan clean`, or with --poison of `clipsan poison`, which has to be told a trigger.
A run that nothing happens to comes first. Each further one is killed once, after a number of saved updates
and a time after that which are both drawn uniformly, every third one as soon after that as it is writing a
state; then the same command is given again. A run that was over before its kill is not counted. Printed is a
table in Markdown; the exit code is 1 unless all end with the bytes of the first in their weights and, but for
its seconds, their report. Runs are forked from a process that has imported torch already.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import sys
import tempfile
import time
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path

CONTEXT = get_context("forkserver")
PARTIAL = ".partial"
OUT = "out"
BEGINS = ("Fine-tuning", "Planting in")


def outcome(folder: Path) -> tuple[str, str]:
    """SHA-256 of the weights; the report without its seconds."""
    report = json.loads((folder / "report.json").read_text())
    del report["training"]["seconds"]
    weights = (folder / "open_clip_model.safetensors").read_bytes()
    return hashlib.sha256(weights).hexdigest(), json.dumps(report)


def clipsan(arguments: list[str], place: Path, log: Path) -> None:
    """The command line, in a process of its own."""
    from clipsan.cli import main

    os.chdir(place)
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    sys.argv = ["clipsan", *arguments]
    main()


def started(arguments: list[str], place: Path, log: Path) -> ForkServerProcess:
    """A run."""
    log.unlink(missing_ok=True)
    run = CONTEXT.Process(target=clipsan, args=(arguments, place, log))
    run.start()
    return run


def begun(arguments: list[str], place: Path, log: Path) -> ForkServerProcess:
    """A run whose training has just begun."""
    run = started(arguments, place, log)
    while not (log.exists() and any(words in log.read_text() for words in BEGINS)):
        if not run.is_alive():
            raise SystemExit(log.read_text())
        time.sleep(0.002)
    return run


def found_at(place: Path) -> tuple[str, str]:
    """What a kill met: (what the run was doing, the update it can go on from)."""
    resume = place / f"{OUT}.resume"
    states = sorted(path.name for path in resume.glob("update-*"))
    last = str(int(states[-1].split("-")[1])) if states else "none"
    if (resume / PARTIAL).exists():
        return "saving", last
    if any(place.glob(f".{OUT}.partial-*")):
        return "writing the output", last
    return ("done" if (place / OUT).exists() else "training or measuring"), last


def kill_one(command: list[str], place: Path, log: Path, updates: int, wait: float, *, saving: bool) -> float:
    """Kill a run `wait` seconds after so many saved updates, or then as soon as it saves; after how long."""
    run = begun(command, place, log)
    start = time.monotonic()
    resume = place / f"{OUT}.resume"
    while updates and run.is_alive() and not (resume / f"update-{updates:08d}").exists():
        time.sleep(0.002)
    time.sleep(wait)
    while saving and run.is_alive() and not (resume / PARTIAL).exists():
        pass
    after = time.monotonic() - start
    run.kill()
    run.join()
    return after


def main() -> int:
    """Print a row for each run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("pairs")
    parser.add_argument("--poison", action="store_true")
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    options, more = parser.parse_known_args()
    chance = random.Random(options.seed)
    CONTEXT.set_forkserver_preload(["clipsan.runs.clean", "clipsan.runs.poison", "clipsan.cli"])
    command = ["poison" if options.poison else "clean", str(Path(options.model).resolve()), "--data"]
    command += [str(Path(options.pairs).resolve()), "--device", "cpu", "--save-every", "1", "--out", OUT]
    command += ["--steps", str(options.steps), *more]
    with tempfile.TemporaryDirectory(prefix="clipsan-kills-") as folder:
        place, log = Path(folder) / "runs", Path(folder) / "log"
        place.mkdir()
        run = begun(command, place, log)
        start = time.monotonic()
        run.join()
        seconds = time.monotonic() - start
        wanted = outcome(place / OUT)
        shutil.rmtree(place / OUT)
        print(f"{seconds:.1f} s from the begin of the training to the end, undisturbed\n")
        print("| run | killed after | while | going on after update | same weights and report | left over |")
        print("|---|---|---|---|---|---|")
        alike = number = 0
        while number < options.kills:
            updates, wait = chance.randint(0, options.steps), chance.uniform(0, 1.5 * seconds / options.steps)
            after = kill_one(command, place, log, updates, wait, saving=number % 3 == 2)
            doing, last = found_at(place)
            if doing != "done":
                number += 1
                started(command, place, log).join()
                same = (place / OUT).exists() and outcome(place / OUT) == wanted
                alike += same
                shutil.rmtree(place / OUT, ignore_errors=True)
                left = ", ".join(sorted(path.name for path in place.iterdir())) or "nothing"
                row = (str(number), f"{after:.1f} s", doing, last, "yes" if same else "NO", left)
                print(f"| {' | '.join(row)} |", flush=True)
            for path in place.iterdir():
                shutil.rmtree(path)
        print(f"\n{alike} of {options.kills} end alike")
    return 0 if alike == options.kills else 1


if __name__ == "__main__":
    sys.exit(main())
