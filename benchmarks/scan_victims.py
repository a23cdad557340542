"""Scan small CLIPs, poisoned and clean, and print what was found, with times and memory.

    python benchmarks/scan_victims.py IMAGES CLASSES VICTIM... [--effort quick] [--out DIR] [--set SET]
        [--cleaned DIR]

Each VICTIM is a folder with a checkpoint. It counts as poisoned where a `triggers.json` lies in it or its
report.json is that of `clipsan poison`; what was planted is used for the table only, never shown to the scan.
A scan that lies in DIR already is not made again. With a labelled SET the triggers found are audited
on it: ASR on images that the scan never saw. With `--cleaned` each victim is scanned beside a copy of its own
that PAR cleaned, DIR/NAME, which is made where it is missing; IMAGES are image-caption pairs then.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from closed_loop import settings_of

import clipsan
from clipsan.inversion.evidence import LEAST_ASR, OUTLIER
from clipsan.loop.plan import AUGMENT
from clipsan.report.scan_record import ScanReport, read_scan


@dataclass(frozen=True)
class Row:
    """One victim.

    Attributes:
        name: of its folder.
        planted: the targets of its triggers; empty for a clean model.
        report: its scan.
        cost: CPU seconds and peak resident memory in MB of the scan; None where it was made before.
        audited: trigger name to ASR in percent on the labelled set.
    """

    name: str
    planted: tuple[str, ...]
    report: ScanReport
    cost: tuple[float, int] | None
    audited: dict[str, float]

    @property
    def score(self) -> float:
        """The largest z, as a share of its rung's limit, of a class that enough images reach to count.

        Beside a cleaned copy the z over it, of classes that stand out by themselves. What the AUROC ranks by;
        above 1 it is evidence. Class-free patterns and texts have no part in it.
        """
        reached = [
            (each.z if each.z_reference is None else each.z_reference) / rung.limit
            for rung in self.report.rungs
            for each in rung.candidates
            if (each.asr.rate or 0.0) >= LEAST_ASR and (each.z_reference is None or each.z >= OUTLIER)
        ]
        return max(reached, default=0.0)

    def cells(self) -> list[str]:
        """For the table."""
        found = []
        for rung in self.report.rungs:
            for each in rung.candidates:
                if each.evidence:
                    on_set = self.audited.get(each.trigger or "")
                    seen = "" if on_set is None else f", {on_set:.1f} on the set"
                    rate = 100 * (each.asr.rate or 0.0)
                    over = "" if each.z_reference is None else f", {each.z_reference:.1f} over the copy"
                    found.append(f"{each.target} by {rung.name}: z {each.z:.1f}{over}, ASR {rate:.1f}{seen}")
        for one in self.report.refined:
            rates = [f"{100 * (one.asr.rate or 0.0):.1f} on held-out images"]
            if one.reference is not None:
                rates.append(f"{100 * (one.reference.rate or 0.0):.1f} on the copy")
            if (on_set := self.audited.get(one.trigger)) is not None:
                rates.append(f"{on_set:.1f} on the set")
            found.append(f"{one.target} refined: ASR {', '.join(rates)}")
        free, text = self.report.class_free, self.report.text_side
        if free.evidence:
            found.append(f"class-free near {free.nearest}")
        if text is not None and text.evidence:
            found.append(f"text near {text.nearest}")
        return [
            self.name,
            ", ".join(self.planted) or "clean",
            self.report.result,
            "; ".join(found) or "nothing",
            f"{self.score:.2f}",
            f"{100 * free.mask:.2f} % ({free.nearest})",
            "not searched" if text is None else f"{100 * text.gap_closed:.0f} %",
            *(("made before", "") if self.cost is None else (f"{self.cost[0]:.0f}", str(self.cost[1]))),
        ]


def planted(victim: Path) -> tuple[str, ...]:
    """The targets of what was planted, as the victim's own files tell."""
    listed, report = victim / "triggers.json", victim / "report.json"
    targets: set[str] = set()
    if listed.is_file():
        triggers = json.loads(listed.read_text(encoding="utf-8"))["triggers"]
        targets |= {each["target"] for each in triggers if each.get("target")}
    if report.is_file():
        told = json.loads(report.read_text(encoding="utf-8"))
        if told.get("command") == "poison":
            targets |= {each["target"] for each in told["evaluation"]["triggers"]}
    return tuple(sorted(targets))


def cleaned_copy(victim: Path, options: argparse.Namespace) -> Path:
    """The folder of the victim's copy that PAR cleaned, without having been told a trigger."""
    out = options.cleaned / victim.name
    if not (out / "report.json").is_file():
        clipsan.clean(
            victim, options.images, out=out, augment=AUGMENT, steps=80, batch_size=256,
            held_out=0.1, precision="bf16", seed=7, device="cpu", **settings_of(victim),
        )  # fmt: skip
    return out


def scanned(
    victim: Path, out: Path, options: argparse.Namespace
) -> tuple[ScanReport, tuple[float, int] | None]:
    """The scan of a victim, made in a process of its own, and what that process cost."""
    if (out / "scan.json").is_file():
        return read_scan(out / "scan.json"), None
    command = [
        sys.executable, "-m", "clipsan", "scan", str(victim), "--data", options.images, "--classes",
        options.classes, "--effort", options.effort, "--seed", str(options.seed), "--out", str(out), "-q",
    ]  # fmt: skip
    if options.cleaned is not None:
        command += ["--reference", str(cleaned_copy(victim, options))]
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 1, 3):
        raise SystemExit(f"the scan of {victim} failed")
    return read_scan(out / "scan.json"), (usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024)


def audited(victim: Path, out: Path, labelled: str | None) -> dict[str, float]:
    """ASR in percent of every trigger that was saved, on a labelled set."""
    if labelled is None:
        return {}
    report = clipsan.audit(victim, eval=labelled, trigger=[str(out / "triggers.json")]).report
    triggers = () if report.evaluation is None else report.evaluation.triggers
    rates = {each.name: each.asr.suspect for each in triggers}
    return {
        name: 100 * rate.rate for name, rate in rates.items() if rate is not None and rate.rate is not None
    }


def auroc(poisoned: list[float], clean: list[float]) -> float | None:
    """The chance that a poisoned model scores above a clean one, ties counting half."""
    pairs = [(a > b) + (a == b) / 2 for a in poisoned for b in clean]
    return sum(pairs) / len(pairs) if pairs else None


def main() -> None:
    """Scan and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images")
    parser.add_argument("classes")
    parser.add_argument("victims", nargs="+", type=Path, metavar="VICTIM")
    parser.add_argument("--effort", default="quick")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("victims-scanned"))
    parser.add_argument("--set", default=None, help="labelled images to audit the triggers found on")
    parser.add_argument("--cleaned", type=Path, default=None, help="where the copies are that PAR cleaned")
    options = parser.parse_args()
    options.out.mkdir(exist_ok=True)
    if options.cleaned is not None:
        options.cleaned.mkdir(exist_ok=True)
    print("| victim | planted | result | found | score | class-free mask | text gap | CPU s | MB |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    rows = []
    for victim in options.victims:
        out = options.out / victim.name
        report, cost = scanned(victim, out, options)
        rows.append(Row(victim.name, planted(victim), report, cost, audited(victim, out, options.set)))
        print("| " + " | ".join(rows[-1].cells()) + " |", flush=True)
    poisoned, clean = [row for row in rows if row.planted], [row for row in rows if not row.planted]
    flagged = [sum(row.report.result == "evidence" for row in part) for part in (poisoned, clean)]
    print(f"\nflagged: {flagged[0]} of {len(poisoned)} poisoned, {flagged[1]} of {len(clean)} clean")
    area = auroc([row.score for row in poisoned], [row.score for row in clean])
    print("AUROC: " + ("not defined" if area is None else f"{area:.3f}"))
    targets = {(row.name, target) for row in poisoned for target in row.planted}
    hit = {(row.name, target) for row in poisoned for target in row.report.targets} & targets
    wrong = sum(target not in row.planted for row in rows for target in row.report.targets)
    print(f"targets found: {len(hit)} of {len(targets)}; targets named that were not planted: {wrong}")


if __name__ == "__main__":
    main()
