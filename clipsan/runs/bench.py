"""Compare methods on every victim in a folder: victims × methods × triggers in one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clipsan.errors import DataError, OutputError
from clipsan.pairs import Sources
from clipsan.report.benched import BENCH_JSON, Bench, Victim, write_bench
from clipsan.runs.compare import compare
from clipsan.runs.watch import Watcher

CONFIGS = ("open_clip_config.json", "config.json")
TRIGGERS = "triggers.json"


@dataclass(frozen=True)
class Benched:
    """What `bench` gives back.

    Attributes:
        result: every victim's comparison, as in bench.json.
        folder: holds bench.json, bench.md, and a folder of `compare` for each victim.
        ran: cells that this call ran; the others were there.
    """

    result: Bench
    folder: Path
    ran: int


def bench(
    folder: str | Path,
    data: Sources,
    *,
    out: str | Path = "bench",
    trigger: Sequence[str] = (),
    watcher: Watcher | None = None,
    **settings: Any,
) -> Benched:
    """Run `compare` on every victim; the same call goes on where an earlier one was stopped.

    Args:
        folder: holds a folder for each victim: a model of open_clip or transformers, and beside its files,
            where backdoors are planted in it, `triggers.json` with their patterns and targets.
        data: image-caption pairs.
        out: the folder to write, or to go on in.
        trigger: triggers to measure on every victim, besides its own.
        watcher: hears of progress.
        settings: of `compare`, the same for all victims.

    Raises:
        ClipsanError: one sentence on what is wrong; finished cells stay.
    """
    watcher = watcher or Watcher()
    path, target = Path(folder), Path(out)
    if not path.is_dir():
        raise DataError(
            f"there is no folder {str(path)!r} with victims: give one with a folder for each model"
        )
    inside = sorted(each for each in path.iterdir() if each.is_dir())
    victims = [each for each in inside if any((each / name).is_file() for name in CONFIGS)]
    if not victims:
        raise DataError(
            f"no folder in {str(path)!r} holds a model ({' or '.join(CONFIGS)}): give a folder with a folder "
            "for each victim"
        )
    taken = target.exists() and (not target.is_dir() or any(target.iterdir()))
    if taken and not (target / BENCH_JSON).is_file():
        raise OutputError(f"{str(target)!r} is in use, and not by a bench: choose another --out")
    if not target.parent.is_dir():
        raise OutputError(
            f"The folder {str(target.parent)!r} for the output does not exist; create it first."
        )
    target.mkdir(exist_ok=True)
    skipped = [each.name for each in inside if each not in victims]
    for name in skipped:
        watcher.warn(f"{name} holds no model and is left out")
    result, ran = Bench(victims=(), skipped=tuple(skipped)), 0
    write_bench(target, result)
    for number, victim in enumerate(victims, 1):
        watcher.stage(f"Victim {number} of {len(victims)}: {victim.name}")
        own = [str(victim / TRIGGERS)] if (victim / TRIGGERS).is_file() else []
        done = compare(
            victim, data, out=target / victim.name, trigger=[*own, *trigger], watcher=watcher, **settings
        )
        ran += done.ran
        result = replace(result, victims=(*result.victims, Victim(victim.name, done.result)))
        write_bench(target, result)
    return Benched(result, target, ran)
