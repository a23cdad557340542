"""Make the calibration that `clipsan scan` ships, from small CLIPs known to be clean.

    python benchmarks/scan_calibration.py IMAGES CLASSES MODEL... [--effort quick] [--seed 1] [--work DIR]

Each MODEL is scanned on IMAGES towards the classes of the file CLASSES, and what its best classes reached is
put into `clipsan/inversion/calibration.json` under its family and the effort; values of other families and
efforts stay. The models must not be those that a scan is then tested on. A scan that lies in DIR already is
not made again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import clipsan
from clipsan.checkpoint import load
from clipsan.inversion import evidence
from clipsan.inversion.evidence import family_of
from clipsan.report.scan_record import ScanReport, read_scan

FILE = Path(evidence.__file__).with_name("calibration.json")


def values(report: ScanReport) -> dict[str, float]:
    """What a clean model reached: the largest z of each rung, the mask, and the gap that a token closed."""
    found = {rung.name: max(each.z for each in rung.candidates) for rung in report.rungs}
    found["class-free"] = report.class_free.mask
    if report.text_side is not None:
        found["words"] = report.text_side.gap_closed
    return found


def main() -> None:
    """Scan and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images")
    parser.add_argument("classes")
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--effort", default="quick")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", type=Path, default=None, help="keep the scans here")
    options = parser.parse_args()
    made: dict[str, dict[str, list[float]]] = {}
    if options.work is not None:
        options.work.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        for model in options.models:
            folder = (options.work or Path(scratch)) / Path(model).name
            if (folder / "scan.json").is_file():
                report = read_scan(folder / "scan.json")
            else:
                report = clipsan.scan(
                    model, data=options.images, classes=options.classes, effort=options.effort,
                    seed=options.seed, out=folder,
                ).report  # fmt: skip
            suspect = load(model)
            of_family = made.setdefault(family_of(suspect.model_cfg, suspect.image_size), {})
            for name, value in values(report).items():
                of_family.setdefault(name, []).append(round(value, 4))
            print(model, values(report), flush=True)
    stored = json.loads(FILE.read_text(encoding="utf-8"))
    for family, found in made.items():
        stored["families"].setdefault(family, {})[options.effort] = {k: sorted(v) for k, v in found.items()}
    FILE.write_text(json.dumps(stored, indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
