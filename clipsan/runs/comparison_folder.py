"""The folder of a comparison: what its cells have in common, and whether a run may go on in it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from clipsan.errors import OutputError
from clipsan.pairs import Reading, Sources
from clipsan.report import Evaluation
from clipsan.report.methods_compared import COMPARE_JSON, MethodsCompared, read_compared
from clipsan.runs.describe import as_json
from clipsan.runs.material import Material
from clipsan.training.settings import TrainSettings

MODELS = "models"


def in_common(
    shared: TrainSettings, data: Sources, reading: Reading, material: Material, seen: Evaluation
) -> dict[str, Any]:
    """What cells must have in common to stand side by side."""
    settings = shared.to_dict()
    of_the_method = ("method", "tau", "in_modal", "pool", "match_every")
    of_a_cell = (*of_the_method, "lr", "lr_start", "augment", "seed", "epochs")
    return {
        **{name: value for name, value in settings.items() if name not in of_a_cell},
        "first_seed": shared.seed,
        "steps": shared.updates(len(material.train)),
        "data": as_json(data),
        **reading.to_dict(),
        "pairs_train": len(material.train),
        "data_digest": material.train.digest(),
        "eval_digest": seen.digest,
        "triggers": [{**t.settings, "name": t.name, "target": t.target} for t in seen.triggers],
    }


def open_folder(out: Path, overwrite: bool) -> Path:
    """Refuse a place that cannot be written, or is in use by something else; leaves nothing behind."""
    if not out.parent.is_dir():
        raise OutputError(f"The folder {str(out.parent)!r} for the output does not exist; create it first.")
    if out.exists() and not out.is_dir():
        raise OutputError(f"{str(out)!r} is a file; choose another --out.")
    if out.is_dir() and any(out.iterdir()) and not (out / COMPARE_JSON).is_file():
        raise OutputError(
            f"The output folder {str(out)!r} is in use, and not by a comparison; choose another --out."
        )
    if not overwrite and (out / COMPARE_JSON).is_file():
        read_compared(out / COMPARE_JSON)  # broken: said now, not after everything is measured
    return out


def continued(new: MethodsCompared, folder: Path, overwrite: bool) -> MethodsCompared:
    """With the cells that are there; UsageError where they are of another comparison, unless `overwrite`."""
    if overwrite:
        shutil.rmtree(folder / MODELS, ignore_errors=True)
        return new
    old = read_compared(folder / COMPARE_JSON)
    one = {"model": old.model.sha256, **old.shared}
    other = {"model": new.model.sha256, **new.shared}
    differ = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    if differ:
        raise OutputError(
            f"{str(folder)!r} holds a comparison with other settings ({', '.join(differ)}): choose another "
            "--out, or begin anew with --overwrite"
        )
    return replace(new, cells=old.cells, summary=old.summary)
