"""clean --until on a tiny model: every part of the loop is had, and the report tells of it."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from unittest import mock

import jsonschema
import pytest
import torch

import clipsan
from clipsan.checkpoint import load
from clipsan.errors import DataError, UsageError
from clipsan.inversion import Blend, Effort, Patch, Screening
from clipsan.inversion.evidence import Limit
from clipsan.inversion.ladder import EFFORTS, Rung
from clipsan.loop import rounds
from clipsan.loop.workshop import Measures
from clipsan.report import json_schema, read_report
from clipsan.runs import inverting, scan_judgement, workshop
from clipsan.runs.material import spread
from clipsan.triggers import read_trigger_file

pytestmark = pytest.mark.slow
QUICK = {"steps": 2, "batch_size": 8, "device": "cpu", "lr_start": 1e-3, "lr": 1e-4, "held_out": 0.3}


CLASSES = ("ball", "boat", "fish", "cup", "car", "flower", "house", "hammer")


@pytest.fixture
def gullible(world, tmp_path, monkeypatch):
    """A scan of few steps that takes every trigger for evidence."""
    monkeypatch.chdir(tmp_path)
    quick = replace(EFFORTS[workshop.SCAN], images=24, patterns=Effort(steps=1, images=2))
    monkeypatch.setitem(workshop.EFFORTS, workshop.SCAN, quick)
    monkeypatch.setattr(workshop, "LEAST_ASR", 0.0)
    monkeypatch.setattr(workshop, "shipped_limit", lambda family, effort, rung: Limit(-1e9, "none"))
    kinds = (Rung("patch", Patch(6), larger=(Patch(12),)), Rung("smooth", Blend(0.12, 4), costly=True))
    monkeypatch.setattr(inverting, "ladder", lambda size: kinds)
    (tmp_path / "classes.txt").write_text("\n".join(CLASSES))
    return tmp_path


def take_all_for_evidence(monkeypatch):
    """When the suspect is set beside the cleaned model."""
    monkeypatch.setattr(scan_judgement, "LEAST_ASR", 0.0)
    monkeypatch.setattr(scan_judgement, "OUTLIER", -1e9)
    monkeypatch.setattr(scan_judgement, "reference_limit", lambda largest: Limit(-1e9, "none"))


def test_rounds_are_had_written_and_told(gullible, world):
    made = clipsan.clean(
        world / "model.safetensors", world / "pairs", classes="classes.txt", until="asr<=0%,drop<=0",
        effort=2, max_asr=100, max_drop=100, **QUICK,
    )  # fmt: skip
    report, folder = made.report, gullible / "cleaned"
    jsonschema.validate(json.loads((folder / "report.json").read_text()), json_schema())
    assert read_report(folder / "report.json") == report
    loop = report.loop
    assert loop.rounds[0].step == "suspect" and loop.rounds[0].drop == 0
    assert sum(each.step == "fine-tuning" for each in loop.rounds) <= 2
    assert {found.kind for found in loop.rounds[0].found} == {"6x6 patch", "4x4 blend of 0.12"}
    assert loop.rounds[1].against == tuple(
        found.name for found in loop.rounds[0].found if "patch" in found.kind
    )
    assert loop.rounds[1].settings["augment"] == "flip,patterns"  # no noise, unless asked for
    assert (loop.classes, loop.accuracy_on, loop.pairs) == (8, "held-out pairs", report.data.pairs_held_out)
    chosen = loop.rounds[loop.chosen]
    assert chosen.looked_back == () and chosen.unfought == ()  # not by the bars that count
    # the inverted triggers are measured before and after, each towards its own class, and can be audited
    written = read_trigger_file(folder / "inverted" / "triggers.json", made.model.image_size)
    assert [t.name for t in written] == [t.name for t in report.evaluation.triggers]
    assert {t.target for t in report.evaluation.triggers} == set(CLASSES)
    text, page = (folder / "report.md").read_text(), (folder / "report.html").read_text()
    assert "## Closed loop" in text and "Round 1: par from the suspect" in text
    assert 'id="loop"' in page and "Attack success of inverted triggers" in page
    if not loop.met:
        assert report.verdict.result == "inconclusive"
        assert any("was not met" in reason for reason in report.verdict.reasons)


def test_labelled_images_are_watched_by_half_and_a_given_trigger_never(gullible, world, monkeypatch):
    stamped = []
    tune = workshop.fine_tune
    monkeypatch.setattr(
        workshop, "fine_tune", lambda *args, **named: stamped.append(args[-1]) or tune(*args, **named)
    )  # the counter comes last
    report = clipsan.clean(
        world / "model.safetensors", world / "pairs", eval=world / "eval", trigger=["stripes"],
        until="asr<=100,drop<=100", effort="quick", augment=["erase"], **QUICK,
    ).report  # fmt: skip
    assert report.loop.rounds[1].settings["augment"] == "erase"
    assert report.loop.met and report.loop.accuracy_on == "labelled images"
    assert report.loop.accuracy_n == report.evaluation.images // 2
    (counter,) = stamped
    assert "stripes" not in {trigger.name for trigger in counter.triggers}
    assert report.evaluation.triggers[0].name == "stripes"


def test_lost_accuracy_is_met_by_the_mean_of_trainings_with_other_seeds(gullible, world, monkeypatch):
    """Of the image tower alone: the best token closes less than half way from a clean model's 0.5 to all."""
    monkeypatch.setattr(workshop, "own_values", lambda family, effort, name: [0.5])
    monkeypatch.setattr(workshop, "drag_texts", lambda *rest, **named: SimpleNamespace(gap_closed=0.74))
    monkeypatch.setattr(workshop, "shipped_limit", lambda family, effort, rung: Limit(1e9, "none"))
    drops = iter(range(100, 0, -1))  # each model that is measured has lost less, and all too much
    monkeypatch.setattr(
        workshop.ModelWorkshop,
        "measure",
        lambda self, model, triggers: Measures((), 0.5, float(next(drops)), 1.0),
    )
    trained, tune = [], workshop.fine_tune

    def kept(tool, *rest, **named):
        run = tune(tool, *rest, **named)
        trained.append({key: value.clone() for key, value in tool.model.state_dict().items()})
        return run

    monkeypatch.setattr(workshop, "fine_tune", kept)
    made = clipsan.clean(
        world / "model.safetensors", world / "pairs", classes="classes.txt", until="asr<=5%,drop<=3",
        effort=3, **QUICK,
    )  # fmt: skip
    loop = made.report.loop
    assert [each.settings.get("seed") for each in loop.rounds] == [None, None, 1, 2]
    assert loop.rounds[3].done == "par from the suspect, the text tower locked, averaged with round 2"
    written = made.model.model.state_dict()
    apart = 0.0
    suspect = load(world / "model").model.state_dict()
    assert (loop.rounds[1].settings["tau"], made.report.training.tau) == (2.5, 2.15)  # done, and asked for
    assert made.report.training.lock == "text" and loop.rounds[1].settings["lock"] == "text"
    for key, value in written.items():
        assert torch.equal(value, suspect[key]) or key.startswith("visual.")
        if value.is_floating_point():
            mean = (trained[0][key] + trained[1][key] + trained[2][key]) / 3
            torch.testing.assert_close(value, mean, rtol=1e-5, atol=1e-6)
            apart = max(apart, float((trained[0][key] - trained[1][key]).abs().max()))
    assert apart > 1e-4


@pytest.mark.parametrize("screened", [False, True])
def test_what_only_looking_back_names_is_fought_and_measured(gullible, world, monkeypatch, screened):
    monkeypatch.setattr(workshop, "shipped_limit", lambda family, effort, rung: Limit(1e9, "none"))
    take_all_for_evidence(monkeypatch)
    monkeypatch.setattr(rounds, "MOST_LEFT", 1e9)
    monkeypatch.setattr(inverting, "refine", partial(inverting.refine, effort=Effort(steps=1, images=2)))
    if screened:
        some = Screening(steps=1, images=2, keep=8)
        monkeypatch.setattr(inverting, "screening_for", lambda classes: some)
    inverted, searches = inverting.invert, []
    monkeypatch.setattr(
        inverting,
        "invert",
        lambda *rest, **named: searches.append(named["targets"]) or inverted(*rest, **named),
    )
    made = clipsan.clean(
        world / "model.safetensors", world / "pairs", classes="classes.txt", until="asr<=100%,drop<=100",
        effort=3, **QUICK,
    )  # fmt: skip
    loop = made.report.loop
    _, first, second = loop.rounds
    assert first.against == () and set(first.unfought) == set(CLASSES) and first.over == 40.0
    assert {(back.target, back.kind) for back in first.looked_back} == {
        (name, kind) for name in CLASSES for kind in ("6x6 patch", "12x12 patch", "4x4 blend of 0.12")
    }
    names = {back.name for back in first.looked_back}
    again = {name for name in names if "12x12" not in name}  # larger ones only where no trigger was known
    assert again == {back.name for back in second.looked_back} and loop.met
    # blends cost accuracy, and within a budget of 100 % none survives
    assert set(second.against) == {name for name in names if "patch" in name}
    # two kinds in three models; neither the suspect nor, without screening, a cleaned one is searched again
    assert searches == [None] * 6 if not screened else searches.count(list(range(8))) == 4
    assert screened or len(searches) == 6
    saved = read_trigger_file(gullible / "cleaned" / "inverted" / "triggers.json", made.model.image_size)
    assert {trigger.name for trigger in saved} == names
    assert {t.name for t in made.report.evaluation.triggers} == names


def test_what_cleaning_hardly_weakened_is_joined_by_nothing_larger(gullible, world, monkeypatch):
    """Those are made apart from the cleaned model, so that they would look planted whatever the class."""
    monkeypatch.setattr(workshop, "shipped_limit", lambda family, effort, rung: Limit(1e9, "none"))
    take_all_for_evidence(monkeypatch)
    monkeypatch.setattr(rounds, "MOST_LEFT", 1e9)
    monkeypatch.setattr(workshop, "faded", lambda told: False)
    loop = clipsan.clean(
        world / "model.safetensors", world / "pairs", classes="classes.txt", until="asr<=100%,drop<=100",
        effort=1, **QUICK,
    ).report.loop  # fmt: skip
    assert {back.kind for back in loop.rounds[1].looked_back} == {"6x6 patch", "4x4 blend of 0.12"}


@pytest.mark.parametrize(
    ("clean", "gap", "kept"),
    [([0.5], 0.74, True), ([0.5], 0.75, False), ([0.5], None, False), ([], 0.1, False)],
)
def test_texts_are_clean_where_a_clean_model_says_so(clean, gap, kept, monkeypatch):
    monkeypatch.setattr(workshop, "family_of", lambda model_cfg, image_size: "transformer 48")
    monkeypatch.setattr(workshop, "own_values", lambda family, effort, name: clean)
    found = None if gap is None else SimpleNamespace(gap_closed=gap)
    monkeypatch.setattr(workshop, "drag_texts", lambda *rest, **named: found)
    assert workshop.ModelWorkshop.texts_are_clean(mock.MagicMock()) is kept


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"until": "asr<5%"}, "with <="),
        ({"until": "asr<=5%", "effort": "hard"}, "--effort"),
        ({"effort": 3}, "give --until"),
        ({"until": "asr<=5%", "held_out": 0.0}, "--held-out is 0"),
        ({"until": "asr<=5%", "counter": ["stripes"]}, "leave --counter out"),
    ],
)
def test_what_is_asked_is_checked_before_anything_is_read(tmp_path, changes, said):
    with pytest.raises(UsageError, match=said):
        clipsan.clean(tmp_path / "no-model", tmp_path / "no-pairs", out=tmp_path / "out", **changes)
    assert not (tmp_path / "out").exists()


def test_a_list_too_short_to_stand_out_in_is_refused(world, tmp_path):
    (tmp_path / "few.txt").write_text("ball\nboat\n")
    with pytest.raises(DataError, match="8 or more"):
        clipsan.clean(
            world / "model.safetensors", world / "pairs", classes=tmp_path / "few.txt", out=tmp_path / "out",
            until="asr<=5%", **QUICK,
        )  # fmt: skip
    assert not (tmp_path / "out").exists()


def test_images_are_taken_from_all_over_a_set():
    assert spread(10, 4) == [0, 2, 5, 7]
    assert spread(3, 4) == [0, 1, 2]
    assert len(set(spread(1025, 1024))) == 1024
