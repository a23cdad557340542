"""clean --until on a tiny model: every part of the loop is had, and the report tells of it."""

from __future__ import annotations

import json

import jsonschema
import pytest

import clipsan
from clipsan.errors import UsageError
from clipsan.inversion import Blend, Effort, Patch
from clipsan.loop.evidence import Rung, outlying, rungs
from clipsan.report import json_schema, read_report
from clipsan.runs import workshop
from clipsan.triggers import read_trigger_file

QUICK = {"steps": 2, "batch_size": 8, "device": "cpu", "lr_start": 1e-3, "lr": 1e-4, "held_out": 0.3}


@pytest.fixture
def gullible(world, tmp_path, monkeypatch):
    """A scan of few steps that takes every trigger for evidence; three classes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(workshop, "EFFORT", Effort(steps=2, images=4))
    monkeypatch.setattr(workshop, "OUTLIER", -1e9)
    kinds = (Rung(Patch(6), 0.0, costly=False), Rung(Blend(0.12, 4), 0.0, costly=True))
    monkeypatch.setattr(workshop, "rungs", lambda size: kinds)
    (tmp_path / "classes.txt").write_text("ball\nboat\nfish\n")
    return tmp_path


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
    assert (loop.classes, loop.accuracy_on, loop.pairs) == (3, "held-out pairs", report.data.pairs_held_out)
    # the inverted triggers are measured before and after, each towards its own class, and can be audited
    written = read_trigger_file(folder / "inverted" / "triggers.json", made.model.image_size)
    assert [t.name for t in written] == [t.name for t in report.evaluation.triggers]
    assert {t.target for t in report.evaluation.triggers} == {"ball", "boat", "fish"}
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
        workshop, "fine_tune", lambda *args: stamped.append(args[-1]) or tune(*args)
    )  # the counter comes last
    report = clipsan.clean(
        world / "model.safetensors", world / "pairs", eval=world / "eval", trigger=["stripes"],
        until="asr<=100,drop<=100", effort="quick", **QUICK,
    ).report  # fmt: skip
    assert report.loop.met and report.loop.accuracy_on == "labelled images"
    assert report.loop.accuracy_n == report.evaluation.images // 2
    (counter,) = stamped
    assert "stripes" not in {trigger.name for trigger in counter.triggers}
    assert report.evaluation.triggers[0].name == "stripes"


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


def test_outliers_are_told_from_the_spread_of_the_others():
    scores = outlying([1.0, 1.2, 0.8, 1.1, 0.9, 12.0])
    assert scores[-1] > 20 and max(abs(score) for score in scores[:-1]) < 2
    assert outlying([1.0, 1.0, 1.0, 1.1]) == pytest.approx([0, 0, 0, 0.5])  # a spread of 0 is no certainty


def test_patches_grow_with_the_images():
    assert rungs((224, 224))[0].kind.label == "28x28 patch"
    assert [rung.costly for rung in rungs((64, 64))] == [False, False, True]
