"""Clean the small poisoned CLIPs on real photographs, PAR beside plain fine-tuning, and print the table.

    python benchmarks/victims.py SHARED [--out DIR] [--only rn|vit] [--seed 0]
    python benchmarks/victims.py SHARED --data synth --data SHARED/photos/pairs --weight 1 --weight 1

SHARED holds `photos/` and `victims/`. Settings are those under which the victims were recorded: batch 256,
160 updates, tau 2.15, horizontal flips besides the published noise and erasing.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import clipsan
from clipsan.report import Report


@dataclass(frozen=True)
class Run:
    """One row: a victim, a method, and its learning rates."""

    victim: str
    method: str
    lr_start: float
    lr: float
    batch_norm: str


RUNS = (
    Run("rn-poisoned", "par", 1e-3, 1e-4, "train"),
    Run("rn-poisoned", "finetune", 1e-3, 1e-4, "train"),
    Run("vit-poisoned", "par", 5e-4, 5e-5, "frozen"),
    Run("vit-poisoned", "finetune", 5e-4, 5e-5, "frozen"),
)


def row(run: Run, report: Report) -> str:
    """A Markdown row: clean accuracy and every trigger's ASR, before → after, in percent."""
    evaluation, training = report.evaluation, report.training
    if evaluation is None or training is None:
        raise SystemExit("nothing was measured")
    cells = [evaluation.clean_accuracy, *(trigger.asr for trigger in evaluation.triggers)]
    names = ["CA", *(trigger.name for trigger in evaluation.triggers)]
    shown = []
    for name, rates in zip(names, cells, strict=True):
        before, after = rates.suspect, rates.cleaned
        if before is None or after is None or before.rate is None or after.rate is None:
            raise SystemExit(f"{name} was not measured")
        shown.append(f"{name} {100 * before.rate:.1f} → {100 * after.rate:.1f}")
    reached = f"{training.reached_tau.image}, {training.reached_tau.text}"
    speed = training.pairs_seen / training.seconds
    cells_text = [
        run.victim,
        run.method,
        "; ".join(shown),
        reached,
        f"{training.seconds:.0f}",
        f"{speed:.0f}",
    ]
    return "| " + " | ".join(cells_text) + " |"


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("shared", type=Path)
    parser.add_argument("--out", type=Path, default=Path("victims-cleaned"))
    parser.add_argument("--only", default="", help="part of a victim's name")
    parser.add_argument("--method", default="", help="one method only")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", action="append", help="other pairs than the photographs; repeatable")
    parser.add_argument("--weight", action="append", type=float, help="one for each --data")
    options = parser.parse_args()
    options.out.mkdir(exist_ok=True)
    print("| victim | method | before → after, % | S passed τ at update (image, text) | seconds | pairs/s |")
    print("|---|---|---|---|---|---|", flush=True)
    for run in RUNS:
        if options.only not in run.victim or options.method not in run.method:
            continue
        victim = options.shared / "victims" / run.victim
        result = clipsan.clean(
            victim,
            options.data or [str(options.shared / "photos" / "pairs")],
            weight=options.weight or (),
            eval=options.shared / "photos" / "eval",
            trigger=[str(victim / "triggers.json")],
            out=options.out / f"{run.victim}-{run.method}-{options.seed}",
            method=run.method,
            lr_start=run.lr_start,
            lr=run.lr,
            batch_norm=run.batch_norm,
            batch_size=256,
            steps=160,
            augment=("brightening-noise", "erase", "flip"),
            seed=options.seed,
            device="cpu",
            overwrite=True,
        )
        print(row(run, result.report), flush=True)


if __name__ == "__main__":
    main()
