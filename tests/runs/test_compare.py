"""Methods side by side: the grid, that cells are independent, going on after a stop, and the files."""

from __future__ import annotations

import json
import shutil

import pytest

import clipsan
from clipsan.checkpoint import load
from clipsan.errors import DataError, OutputError, TrainingError, UsageError
from clipsan.evaluation.statistics import Rate
from clipsan.report.measures import Spread
from clipsan.report.methods_compared import Cell, CellTrigger, Measurement, read_compared, summaries
from clipsan.report.schema import ReachedTau
from clipsan.runs import compare as engine
from clipsan.runs.grid import plan
from clipsan.training.settings import TrainSettings
from clipsan.triggers import parse_triggers, write_trigger_file

QUICK = {
    "steps": 2,
    "batch_size": 8,
    "device": "cpu",
    "lr_start": (1e-3,),
    "tau": (2.15,),
    "in_modal": (1.0,),
}
MEASURE = {"eval": "eval", "trigger": ["stripes", "blended"], "target": "ball"}


def target_of(here) -> str:
    return sorted(path.name for path in (here / "eval").iterdir() if path.is_dir())[0].replace("_", " ")


def numbers(result):
    """Everything measured, by cell."""
    return {
        (c.method, json.dumps(c.options), c.lr_start, c.augment, c.seed): c.measured.to_dict()
        for c in result.result.cells
    }


def test_the_grid_has_each_methods_own_settings():
    shared = TrainSettings(seed=3)
    swept = {"tau": (1.5, 2.0), "in_modal": (4.0,)}
    planned = plan(shared, ["par", "finetune"], swept, (1e-3, 3e-5), [[]], 2)
    seen = [
        (p.settings.method, p.options, p.settings.lr_start, p.settings.lr, p.settings.seed) for p in planned
    ]
    assert len(seen) == 2 * 2 * 2 + 2 * 2
    assert seen[0] == ("par", {"tau": 1.5}, 1e-3, 1e-4, 3)
    assert seen[-1] == ("finetune", {}, 3e-5, 3e-6, 4)
    (cleanclip,) = plan(shared, ["cleanclip"], {"in_modal": (4,)}, (1e-3,), [[]], 1)
    assert cleanclip.settings.in_modal == 4.0
    (roclip,) = plan(shared, ["roclip"], {"in_modal": (4,)}, (1e-3,), [[]], 1)
    assert roclip.options == {"pool": 0.02, "match_every": 2}
    both = plan(shared, ["finetune"], {}, (1e-3,), [["flip", "patterns"], [], ["flip", "patterns"]], 1)
    assert [p.settings.augment for p in both] == [("flip", "patterns"), ()]
    assert [p.folder_name for p in both] == [
        "finetune-lr0.001-flip+patterns-seed3",
        "finetune-lr0.001-none-seed3",
    ]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"methods": ["par", "parr"]}, "did you mean 'par'"),
        ({"methods": ["par", "par"]}, "names one twice"),
        ({"methods": []}, "nothing to compare"),
        ({"swept": {"tau": (5.0,)}}, "--tau is 5"),
        ({"lr_starts": (-1.0,)}, "--lr"),
        ({"augments": []}, "nothing to compare"),
        ({"augments": [["patern"]]}, "must be one of brightening-noise, erase, flip, patterns"),
        ({"augments": ["flip"]}, "one sequence of names for each"),
        ({"seeds": 0}, "--seeds is 0"),
    ],
)
def test_grids_that_cannot_be_are_refused(change, sentence):
    given = {"methods": ["par"], "swept": {}, "lr_starts": (1e-3,), "augments": [[]], "seeds": 1} | change
    with pytest.raises(UsageError, match=sentence):
        plan(TrainSettings(), **given)


def test_a_stopped_comparison_goes_on_and_equals_one_that_was_not(here, monkeypatch):
    measure = MEASURE | {"target": target_of(here)}
    whole = clipsan.compare("model", "pairs", out="whole", **QUICK, **measure)
    assert whole.ran == 4
    assert [cell.method for cell in whole.result.cells] == ["par", "cleanclip", "roclip", "finetune"]

    fine_tune, done = engine.fine_tune, []

    def stops(*args):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(1)
        return fine_tune(*args)

    monkeypatch.setattr(engine, "fine_tune", stops)
    order = {"methods": ["finetune", "roclip", "cleanclip", "par"]}  # another order gives the same cells
    with pytest.raises(KeyboardInterrupt):
        clipsan.compare("model", "pairs", out="parts", **order, **QUICK, **measure)
    monkeypatch.setattr(engine, "fine_tune", fine_tune)
    assert len(read_compared(here / "parts" / "compare.json").cells) == 2
    parts = clipsan.compare("model", "pairs", out="parts", **order, **QUICK, **measure)
    assert parts.ran == 2
    assert numbers(parts) == numbers(whole)
    assert clipsan.compare("model", "pairs", out="parts", **QUICK, **measure).ran == 0
    assert (
        read_compared(here / "parts" / "compare.json")
        == clipsan.compare("model", "pairs", out="parts", methods=["par"], **QUICK, **measure).result
    )  # cells that were not asked for this time stay

    more = clipsan.compare("model", "pairs", out="parts", methods=["roclip"], seeds=2, **QUICK, **measure)
    assert more.ran == 1  # another seed joins the one that was read from the file
    assert [s.seeds for s in more.result.summary] == [1, 1, 2, 1]

    augments = [("brightening-noise", "erase"), ("flip",)]
    both = clipsan.compare(
        "model", "pairs", out="parts", methods=["finetune"], augment=augments, **QUICK, **measure
    )
    assert both.ran == 1  # of the two augmentations one is there
    assert [c.augment for c in both.result.cells if c.method == "finetune"] == augments
    page = (here / "parts" / "compare.html").read_text()
    assert "finetune, flip</li>" in page and "with one augmentation" in page

    alone = clipsan.clean(
        "model", "pairs", out="alone", method="cleanclip", steps=2, batch_size=8, device="cpu", lr_start=1e-3,
        lr=1e-4, **measure,
    ).report.evaluation  # fmt: skip
    cell = next(cell for cell in whole.result.cells if cell.method == "cleanclip").measured
    assert cell.clean_accuracy == alone.clean_accuracy.cleaned
    assert [t.asr for t in cell.triggers] == [t.asr.cleaned for t in alone.triggers]
    assert [t.asr for t in whole.result.suspect.triggers] == [t.asr.suspect for t in alone.triggers]

    with pytest.raises(OutputError, match=r"other settings \(steps\)"):
        clipsan.compare("model", "pairs", out="whole", **(QUICK | {"steps": 3}), **measure)
    page = (here / "whole" / "compare.html").read_text()
    assert page.count("<figure>") == 3 and "<script" not in page  # the mean and two triggers
    table = (here / "whole" / "compare.md").read_text()
    assert sum(line.startswith("| ") for line in table.splitlines()) == 1 + 2 + 4


def test_kept_models_load_and_failed_cells_are_named(here, monkeypatch):
    fine_tune = engine.fine_tune

    def fails(*args):
        if args[3].method == "finetune":
            raise TrainingError("the loss became nan at update 2")
        return fine_tune(*args)

    monkeypatch.setattr(engine, "fine_tune", fails)
    result = clipsan.compare(
        "model", "pairs", methods=["par", "finetune"], keep=True, eval="eval", **QUICK
    ).result
    par, finetune = result.cells
    assert load(here / "comparison" / par.kept).provenance.metadata["method"] == "par"
    assert finetune.measured is None and finetune.kept is None
    assert "the loss became nan" in (here / "comparison" / "compare.md").read_text()
    assert [summary.failed for summary in result.summary] == [0, 1]
    assert sorted(path.name for path in (here / "comparison").iterdir()) == [
        "compare.html", "compare.json", "compare.md", "models",
    ]  # fmt: skip


def test_places_in_use_and_broken_files_are_refused(here):
    with pytest.raises(OutputError, match="not by a comparison"):
        clipsan.compare("model", "pairs", out="eval", **QUICK)
    (here / "broken").mkdir()
    (here / "broken" / "compare.json").write_text("{")
    with pytest.raises(clipsan.ClipsanError, match="no JSON"):
        clipsan.compare("model", "pairs", out="broken", **QUICK)
    with pytest.raises(OutputError, match="does not exist"):
        clipsan.compare("model", "pairs", out="no/where", **QUICK)


def cell(method: str, accuracy: int, asr: int, seed: int = 0, augment: tuple[str, ...] = ()) -> Cell:
    trigger = CellTrigger("t", "ball", Rate(asr, 100), Rate(0, 100))
    measured = Measurement(Rate(accuracy, 100), (trigger,))
    return Cell(method, {}, 1e-3, augment, seed, measured, None, ReachedTau(None, None), 1.0, None)


def test_seeds_are_joined_and_the_front_is_found():
    """par: 50 and 54 % accuracy, ASR 10 and 30 %; cleanclip is beaten by it, finetune has more accuracy."""
    cells = [cell("par", 50, 10), cell("par", 54, 30, 1), cell("cleanclip", 51, 25), cell("finetune", 60, 40)]
    par, cleanclip, finetune = summaries(cells)
    assert (par.seeds, par.clean_accuracy, par.mean_asr) == (
        2,
        Spread(0.52, 0.5, 0.54),
        Spread(0.2, 0.1, 0.3),
    )
    assert (par.front, cleanclip.front, finetune.front) == (True, False, True)
    cells.append(cell("par", 55, 5, augment=("flip",)))
    noisy, *_, flipped = summaries(cells)
    assert (noisy.seeds, flipped.seeds) == (2, 1) and not noisy.front and flipped.front


def test_a_bench_joins_the_victims_of_a_folder(here):
    (here / "victims" / "no-model").mkdir(parents=True)
    for name in ("a", "b"):
        shutil.copytree(here / "model", here / "victims" / name)
    ball = parse_triggers(["stripes"], (48, 48), 0)[0]
    ball.target = target_of(here)
    write_trigger_file(here / "victims" / "b", [ball])
    given = {"methods": ["finetune"], "eval": "eval", **QUICK}
    first = clipsan.bench("victims", "pairs", **given)
    assert first.ran == 2 and first.result.skipped == ("no-model",)
    assert [len(v.compared.suspect.triggers) for v in first.result.victims] == [0, 1]
    assert clipsan.bench("victims", "pairs", **given).ran == 0
    assert clipsan.bench("victims", "pairs", **(given | {"methods": ["finetune", "par"]})).ran == 2
    rows = [line for line in (here / "bench" / "bench.md").read_text().splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + 2 * 3
    assert json.loads((here / "bench" / "bench.json").read_text())["victims"][1]["name"] == "b"
    with pytest.raises(DataError, match="holds a model"):
        clipsan.bench("pairs", "pairs", out="other")
    with pytest.raises(OutputError, match="not by a bench"):
        clipsan.bench("victims", "pairs", out="eval", **given)
