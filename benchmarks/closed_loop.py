"""Clean victims by the closed loop, by PAR alone and by other methods, and print one table.

    python benchmarks/closed_loop.py VICTIM [VICTIM …] --data PAIRS --eval SET [--out DIR] [--json FILE]

VICTIM is a model's folder with `triggers.json`, or one that `poison` wrote, whose report names the triggers
that no file can hold. Only the measuring after each run reads them: what is cleaned is a copy of the model's
files alone. `--runs` names what is run: `loop` is `clean --until`, all else a method of `clean --method`.
`--seeds 0,1,2` runs each with several seeds, and a second table has the means. Settings follow the
architecture, as the victims were recorded: a model with BatchNorm gets 1e-3 → 1e-4 and BatchNorm in training
mode, another 5e-4 → 5e-5. A run whose output is there is not repeated. "Never" is how often the model that a
trigger was planted in follows it, from the report of `poison`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

import clipsan
from clipsan.checkpoint import load
from clipsan.report import Report, read_report
from clipsan.training.interpolate import has_statistics

LOOP = "loop"
TRIGGERS = "triggers.json"
UNTIL = "asr<=5%,drop<=3"
AUGMENT = ("brightening-noise", "erase", "flip")
"""Of all runs but the loop, which has its own."""


@dataclass(frozen=True)
class Row:
    """One run: rates in percent, points of clean accuracy lost, wall seconds of fine-tuning."""

    victim: str
    run: str
    seed: int
    accuracy_before: float
    accuracy: float
    drop: float
    asr_before: dict[str, float]
    asr: dict[str, float]
    asr_never: dict[str, float]  # of the model before it was poisoned, where that was measured
    met: bool | None  # the loop's own budget, on held-out data
    rounds: int | None
    seconds: float

    @property
    def worst(self) -> float:
        """The highest attack success that is left."""
        return max(self.asr.values())


def settings_of(victim: Path) -> dict[str, object]:
    """What is asked of every run on this victim."""
    convolutional = has_statistics(load(victim).model)
    lr_start, lr = (1e-3, 1e-4) if convolutional else (5e-4, 5e-5)
    return {"lr_start": lr_start, "lr": lr, "batch_norm": "train" if convolutional else "frozen"}


def cleaned(victim: Path, run: str, seed: int, out: Path, options: argparse.Namespace) -> Report:
    """The report of a run's cleaning, which is had now unless it is there already."""
    if (out / "report.json").is_file():
        return read_report(out / "report.json")
    asked = settings_of(victim)
    if run == LOOP:
        asked |= {"until": options.until, "effort": options.effort}
    else:
        asked |= {"method": run, "held_out": 0.1}  # the same training pairs as the loop's
        asked["augment"] = AUGMENT
    if options.augment:
        asked["augment"] = options.augment.split(",")
    with tempfile.TemporaryDirectory() as blind:
        for file in victim.iterdir():
            if file.name.startswith("open_clip_"):
                shutil.copy(file, blind)
        return clipsan.clean(
            blind, options.data, eval=options.eval, out=out, batch_size=options.batch_size,
            steps=options.steps, seed=seed, precision=options.precision, device=options.device,
            max_pairs=options.max_pairs, **asked,
        ).report  # fmt: skip


def never_poisoned(victim: Path) -> dict[str, float]:
    """By trigger, the attack success in percent on the model that `poison` planted it in."""
    report = victim / "report.json"
    if not report.is_file():
        return {}
    rated = json.loads(report.read_text(encoding="utf-8"))["evaluation"]["triggers"]
    return {each["name"]: percent(each["asr"]["suspect"]["rate"]) for each in rated}


def planted(victim: Path) -> list[tuple[str, str | None]]:
    """What `audit` takes for a trigger, and its target: the trigger file, and by name what no file holds."""
    file, report = victim / TRIGGERS, victim / "report.json"
    found: list[tuple[str, str | None]] = []
    stored: set[str] = set()
    if file.is_file():
        found.append((str(file), None))
        stored = {entry["name"] for entry in json.loads(file.read_text(encoding="utf-8"))["triggers"]}
    if report.is_file():
        asked = json.loads(report.read_text(encoding="utf-8"))
        if asked["command"] == "poison":
            pairs = zip(asked["settings"]["trigger"], asked["settings"]["target"], strict=True)
            found += [(name, target) for name, target in pairs if name not in stored]
    if not found:
        raise SystemExit(f"{victim} holds neither {TRIGGERS} nor a report of poison: nothing to measure with")
    return found


def measured(
    model: Path, known: list[tuple[str, str | None]], options: argparse.Namespace
) -> tuple[float, dict[str, float]]:
    """Clean accuracy and each trigger's attack success rate, in percent."""
    accuracy, asr = None, {}
    for trigger, target in known:
        evaluation = clipsan.audit(
            model, eval=options.eval, trigger=[trigger], target=target, device=options.device
        ).report.evaluation
        if evaluation is None or evaluation.clean_accuracy.suspect is None:
            raise SystemExit(f"nothing was measured on {model}")
        accuracy = evaluation.clean_accuracy.suspect.rate
        asr |= {
            each.name: percent(each.asr.suspect and each.asr.suspect.rate) for each in evaluation.triggers
        }
    return percent(accuracy), asr


def percent(rate: float | None) -> float:
    """Of a rate; SystemExit where it was measured on no image."""
    if rate is None:
        raise SystemExit("a rate was measured on no image: give a larger --eval")
    return 100 * rate


def rows_of(victim: Path, runs: list[str], seeds: list[int], options: argparse.Namespace) -> Iterator[Row]:
    """Clean by each run with each seed, and measure with the triggers that were planted."""
    known = planted(victim)
    suspect = measured(victim, known, options)  # before a run is paid for
    for run in runs:
        for seed in seeds:
            yield row(victim, run, seed, known, suspect, options)


def row(
    victim: Path,
    run: str,
    seed: int,
    known: list[tuple[str, str | None]],
    suspect: tuple[float, dict[str, float]],
    options: argparse.Namespace,
) -> Row:
    """Clean, then measure by what is known to be planted, as the suspect was."""
    fewer = f"-{options.max_pairs}" if options.max_pairs else ""
    out = options.out / f"{victim.name}-{run}-{seed}{fewer}"
    report = cleaned(victim, run, seed, out, options)
    before, asr_before = suspect
    after, asr_after = measured(out, known, options)
    loop, training = report.loop, report.training
    seconds = sum(each.seconds for each in loop.rounds) if loop else training.seconds if training else 0.0
    return Row(
        victim=victim.name, run=run, seed=seed, accuracy_before=before, accuracy=after, drop=before - after,
        asr_before=asr_before, asr=asr_after, asr_never=never_poisoned(victim),
        met=loop.met if loop else None,
        rounds=sum(each.step == "fine-tuning" for each in loop.rounds) if loop else None, seconds=seconds,
    )  # fmt: skip


def line(made: Row) -> str:
    """A Markdown row."""
    attacks = "; ".join(
        f"{name} {made.asr_before[name]:.1f} → {asr:.1f}"
        + (f" (never {made.asr_never[name]:.1f})" if name in made.asr_never else "")
        for name, asr in made.asr.items()
    )
    met = "" if made.met is None else f"{'met' if made.met else 'not met'}, {made.rounds} trainings"
    accuracy = f"{made.accuracy_before:.1f} → {made.accuracy:.1f} ({made.drop:.1f})"
    cells = (
        made.victim, made.run, str(made.seed), accuracy, attacks, f"{made.worst:.1f}", met,
        f"{made.seconds:.0f}",
    )  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def over_seeds(rows: list[Row]) -> list[str]:
    """A Markdown table: of each victim and run the mean over its seeds, and what the seeds span."""
    table = [
        "| victim | run | seeds | clean accuracy, % | points lost | worst ASR, % | mean ASR of each, % |",
        "|---|---|---|---|---|---|---|",
    ]
    by_run: dict[tuple[str, str], list[Row]] = {}
    for made in rows:
        by_run.setdefault((made.victim, made.run), []).append(made)
    for (victim, run), alike in by_run.items():
        attacks = "; ".join(f"{name} {fmean(each.asr[name] for each in alike):.1f}" for name in alike[0].asr)
        cells = (
            victim, run, str(len(alike)), spread([each.accuracy for each in alike]),
            spread([each.drop for each in alike]), spread([each.worst for each in alike]), attacks,
        )  # fmt: skip
        table.append("| " + " | ".join(cells) + " |")
    for run in dict.fromkeys(made.run for made in rows):
        alike = [made for made in rows if made.run == run]
        table.append(
            f"| all | {run} | {len(alike)} runs | | {spread([each.drop for each in alike])} "
            f"| {spread([each.worst for each in alike])} | |"
        )
    return table


def spread(values: list[float]) -> str:
    """Their mean, and the lowest and the highest."""
    return f"{fmean(values):.1f} [{min(values):.1f}, {max(values):.1f}]"


def main() -> None:
    """Run what is not there yet, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("victims", nargs="+", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--eval", required=True)
    parser.add_argument("--runs", default=f"{LOOP},par,finetune", help="with commas between them")
    parser.add_argument("--out", type=Path, default=Path("closed-loop"))
    parser.add_argument("--json", type=Path, help="also write the rows there")
    parser.add_argument("--until", default=UNTIL)
    parser.add_argument("--effort", default="normal")
    parser.add_argument("--steps", type=int, default=160)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--augment", help="of all runs, as for `clean`; give each its own --out")
    parser.add_argument("--seeds", default="0", help="with commas between them")
    parser.add_argument("--max-pairs", type=int, help="so many of them, drawn by the seed")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    seeds = [int(seed) for seed in options.seeds.split(",")]
    print("| victim | run | seed | clean accuracy, % (lost) | ASR, % | worst | budget | seconds |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    rows: list[Row] = []
    for victim in options.victims:
        for made in rows_of(victim, options.runs.split(","), seeds, options):
            rows.append(made)
            print(line(made), flush=True)
    if len(seeds) > 1:
        print("\n" + "\n".join(over_seeds(rows)))
    if options.json:
        options.json.write_text(
            json.dumps([asdict(each) for each in rows], indent=2) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
