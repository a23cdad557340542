"""A scan from the command line, and what it says of what was found."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import jsonschema
import pytest
import torch
from typer.testing import CliRunner

import clipsan
from clipsan.checkpoint import load
from clipsan.checkpoint.output import is_earlier_output
from clipsan.cli import app
from clipsan.errors import CheckpointError, DataError, OutputError, UsageError
from clipsan.evaluation.statistics import Rate
from clipsan.inversion import Blend, Found, Patch
from clipsan.inversion.collapse import Collapse
from clipsan.inversion.evidence import limit_of
from clipsan.inversion.ladder import EFFORTS, Rung, ScanEffort, ladder
from clipsan.inversion.optimise import Effort
from clipsan.inversion.refine import images_for, refine
from clipsan.inversion.search import Searched
from clipsan.inversion.words import Dragging
from clipsan.pairs import Reading, open_pairs
from clipsan.report.scan_record import read_scan, scan_schema
from clipsan.runs import scan as runs_scan
from clipsan.runs import scan_judgement as judgement
from clipsan.runs.scan_images import read_images
from clipsan.triggers import read_trigger_file

NAMES = ["ball", "boat", "car", "crown", "cup", "fish", "house", "star", "tree"]
RUNGS = ["patch", "fine", "smooth", "warp", "tones", "strips", "waves"]
FREE = torch.full((3, 8, 8), 0.5)


@pytest.fixture
def brief(monkeypatch):
    """An effort that takes a second."""
    monkeypatch.setitem(EFFORTS, "quick", ScanEffort(32, Effort(2, 3), Effort(2, 8), 50))


@pytest.fixture
def names(tmp_path):
    (tmp_path / "names.txt").write_text("\n".join(NAMES))
    return str(tmp_path / "names.txt")


def test_a_scan_leaves_evidence_and_triggers_that_audit_takes(world, tmp_path, names, brief):
    out = tmp_path / "scan"
    arguments = ["scan", str(world / "model"), "--data", str(world / "pairs"), "--classes", names]
    done = CliRunner().invoke(app, [*arguments, "--effort", "quick", "--out", str(out), "--json"])

    report = read_scan(out / "scan.json")
    assert json.loads(done.stdout) == json.loads((out / "scan.json").read_text())
    assert done.exit_code == {"no evidence found": 0, "evidence": 1, "inconclusive": 3}[report.result]
    assert [rung.name for rung in report.rungs] == RUNGS
    assert all(rung.classes == rung.screened == 9 for rung in report.rungs)
    assert (report.images_used, report.images_held_out, report.classes) == (32, 10, 9)
    saved = read_trigger_file(out / "triggers.json", (48, 48))
    named = [each.trigger for rung in report.rungs for each in rung.candidates if each.trigger]
    assert [each.name for each in saved] == [*named, "class-free"]
    assert (out / "scan.md").read_text().startswith("# clipsan scan\n")
    assert is_earlier_output(out)
    audited = clipsan.audit(world / "model", eval=world / "eval", trigger=[str(out / "triggers.json")]).report
    assert len(audited.evaluation.triggers) == len(saved)

    again = clipsan.scan(
        world / "model", data=world / "pairs", classes=names, effort="quick", out=out, overwrite=True
    ).report
    assert replace(again, seconds=0.0, settings={}) == replace(report, seconds=0.0, settings={})


@pytest.mark.parametrize("beside", [False, True])
def test_triggers_with_evidence_are_refined_told_and_saved(
    world, tmp_path, names, brief, monkeypatch, beside
):
    monkeypatch.setattr(judgement, "LEAST_ASR", 0.0)
    monkeypatch.setattr(judgement, "OUTLIER", -1e9)
    monkeypatch.setattr(judgement, "REACHED", 1.1)
    monkeypatch.setattr(judgement, "reference_limit", lambda largest: limit_of([], "none"))
    monkeypatch.setattr(
        judgement, "robust_z", lambda scores: [9.0 if s == max(scores) else 0.0 for s in scores]
    )
    monkeypatch.setattr(runs_scan, "images_for", partial(images_for, effort=Effort(1, 2)))
    monkeypatch.setattr(runs_scan, "refine", partial(refine, effort=Effort(1, 2)))
    arguments = ["scan", str(world / "model"), "--data", str(world / "pairs"), "--classes", names]
    arguments += ["--effort", "quick"]
    if beside:
        other = tmp_path / "other"
        clipsan.clean(world / "model", world / "pairs", out=other, steps=1, device="cpu")
        arguments += ["--reference", str(other)]
    done = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "scan")])
    assert done.exit_code == 1, done.output

    report = read_scan(tmp_path / "scan" / "scan.json")
    jsonschema.validate(report.to_dict(), scan_schema())
    optimised = [rung for rung in report.rungs if rung.name not in ("strips", "waves")]
    evident = {each.target for rung in optimised for each in rung.candidates if each.evidence}
    assert {each.target for each in report.refined} == evident
    assert all((each.reference is not None) is beside for each in report.refined)
    saved = {each.name: each for each in read_trigger_file(tmp_path / "scan" / "triggers.json", (48, 48))}
    text = (tmp_path / "scan" / "scan.md").read_text()
    for each in report.refined:
        assert saved[each.trigger].target == each.target and each.trigger.endswith(", refined")
        assert each.trigger in text
    assert "Refined within a wider bound" in done.output and "Refined within a wider bound" in text


def test_drawn_scenes_and_a_reference(world, tmp_path, names, brief):
    from tiny_models import make_tiny

    torch.manual_seed(7)
    other = make_tiny("vit")
    with torch.no_grad():
        other.model.visual.proj.add_(0.1 * torch.rand(other.model.visual.proj.shape))
    trusted = other.write_folder(tmp_path / "trusted")

    report = clipsan.scan(
        world / "model", classes=names, effort="quick", reference=trusted, out=tmp_path / "scan"
    ).report

    assert report.images == "32 drawn scenes"
    assert report.reference is not None
    assert report.rungs[0].limit_source == "the reference"
    assert len(report.rungs[0].clean) == 1
    assert all(each.z_reference is not None for each in report.rungs[0].candidates)
    assert report.class_free.limit is not None
    assert any("drawn scenes" in line for line in report.warnings)


def test_images_alone_will_do_and_broken_ones_are_counted(world, tmp_path):
    for number, file in enumerate(sorted((world / "pairs").glob("*.png"))[:20]):
        (tmp_path / file.name).write_bytes(b"broken" if number < 3 else file.read_bytes())
    pairs = open_pairs(tmp_path, Reading(captionless=True))

    images = read_images(pairs, load(world / "model"), 16, seed=0)
    all_of_them = read_images(pairs, load(world / "model"), 100, seed=0)

    assert tuple(images.pixels.shape) == (16, 3, 48, 48)
    assert (len(all_of_them.pixels), len(all_of_them.skipped)) == (17, 3)
    assert images.source.startswith("16 of 20 images of ")


@pytest.mark.parametrize(
    ("changed", "error", "said"),
    [
        ({"effort": "hard"}, UsageError, "--effort is 'hard'"),
        ({"reference": "model"}, UsageError, "the very model that is scanned"),
        ({"reference": "nowhere"}, CheckpointError, "nowhere"),
        ({"classes": "nowhere.txt"}, DataError, "class list"),
        ({"classes": "long.txt"}, DataError, "over 60"),
        ({"out": "eval"}, OutputError, "in use"),
    ],
)
def test_bad_input_is_refused_and_nothing_written(world, tmp_path, names, changed, error, said):
    (world / "long.txt").write_text("\n".join([*NAMES, "x" * 61]))
    before = sorted(world.iterdir())
    changed = {key: value if key == "effort" else world / value for key, value in changed.items()}
    settings = {"data": world / "pairs", "classes": names, "effort": "quick", "out": tmp_path / "scan"}

    with pytest.raises(error, match=said):
        clipsan.scan(world / "model", **settings | changed)

    assert sorted(world.iterdir()) == before
    assert not (tmp_path / "scan").exists()


def found(gains: list[float], rates: list[int]) -> list[Found]:
    """Classes whose margins moved so far, and how many of 100 images reached them."""
    patch = Patch(8)
    return [
        Found(patch.trigger(name, name, FREE, (16, 16), 0), name, patch.label, Rate(rate, 100), gain, 0.0)
        for name, gain, rate in zip(NAMES, gains, rates, strict=True)
    ]


GAINS = [1.0, 1.1, 0.9, 1.2, 0.8, 1.05, 0.95, 1.15, 9.0]
RATES = [5, 5, 5, 5, 5, 5, 5, 5, 98]
RUNG = Rung("patch", Patch(8))


def judge(gains=GAINS, rates=RATES, reference=None, limit=None):
    theirs = None if reference is None else found(reference, rates)
    return judgement.judge_rung(RUNG, found(gains, rates), theirs, limit or limit_of([], "default"), 9)


def test_the_class_that_stands_out_and_is_reached_is_evidence():
    best, second, *_ = judge().candidates
    assert (best.target, best.rank, best.evidence, best.trigger) == ("tree", 1, True, "tree")
    assert best.z > 20
    assert (second.evidence, second.trigger) == (False, None)


def test_standing_out_alone_or_being_reached_alone_is_none():
    assert not judge(rates=[*RATES[:8], 24]).candidates[0].evidence
    assert not judge(gains=[*GAINS[:8], 1.3]).candidates[0].evidence
    assert not judge(limit=limit_of([60.0], "one")).candidates[0].evidence


def test_a_class_that_the_reference_shows_too_is_none():
    assert not judge(reference=GAINS).candidates[0].evidence
    assert judge(reference=[1.0] * 9).candidates[0].evidence


def test_beside_a_reference_an_outlier_that_it_does_not_show_is_enough():
    gains, theirs = [*GAINS[:8], 1.7], [*GAINS[:8], 1.0]
    assert not judge(gains=gains).candidates[0].evidence  # z 4.4
    beside = judge(gains=gains, reference=theirs)
    best = beside.candidates[0]
    assert best.evidence and best.z < 5 < best.z_reference
    assert not judge(gains=[*GAINS[:8], 1.5], reference=theirs).candidates[0].evidence  # z 3.0
    (reason,) = judgement.result_of([beside], free(), None, [])[1]
    assert "over the reference" in reason


def test_a_class_short_of_its_images_is_refined_by_the_best_kind_that_was_optimised():
    """By its best trigger; a list's alone gives nothing to refine."""
    bars, patch, blend = Rung("strips", Patch(2)), Rung("patch", Patch(8), wide=Patch(8)), Blend(0.12)
    smooth = Rung("smooth", Blend(0.12, 4), wide=blend)

    def wanted(*rates):
        rungs = [bars, patch, smooth]
        results = [
            judgement.judge_rung(
                rung, found(GAINS, [*RATES[:8], rate]), None, limit_of([], "default"), 9
            )
            for rung, rate in zip(rungs, rates, strict=True)
        ]  # fmt: skip
        return [(kind, each.target, each.asr.rate) for kind, each in judgement.refinable(results, rungs)]

    assert wanted(30, 35, 40) == [(blend, "tree", 0.4)]
    assert wanted(79, 40, 35) == [(Patch(8), "tree", 0.79)]
    assert wanted(80, 40, 35) == []  # nothing is missing
    assert wanted(79, 24, 24) == []  # no evidence but by strips


def test_few_classes_are_no_evidence_and_inconclusive():
    rung = judgement.judge_rung(RUNG, found(GAINS, RATES)[2:], None, limit_of([], "default"), 7)
    assert not any(each.evidence for each in rung.candidates)
    assert judgement.result_of([rung], free(), None, [])[0] == "inconclusive"


def searched(mask=0.3, gap=0.2) -> Searched:
    collapse = Collapse(found(GAINS, RATES)[0].trigger, mask, 0.96, 0.4, torch.eye(9)[3])
    words = Dragging((7,), 0.9, 0.0, (gap,), torch.eye(9)[4])
    return Searched({"patch": found(GAINS, RATES)}, collapse, words)


def free(mask=0.3, clean=()):
    return judgement.judge_class_free(searched(mask), clean, "x", NAMES, torch.eye(9))


def text(gap, clean=()):
    return judgement.judge_words(searched(gap=gap), clean, "x", 50, NAMES, torch.eye(9), lambda tokens: "zx")


def test_a_mask_is_evidence_only_beside_clean_ones():
    assert (free(0.1).evidence, free(0.1).limit) == (False, None)
    assert free(0.1, [0.3, 0.4]).evidence
    assert not free(0.2, [0.3, 0.4]).evidence
    assert free().nearest == "crown"


def test_a_token_is_evidence_far_above_clean_ones():
    assert text(0.9, [0.4]).evidence
    assert not text(0.6, [0.4]).evidence
    assert (text(0.9).limit, text(0.9).evidence, text(0.9).nearest) == (None, False, "cup")


def test_the_result_names_what_it_rests_on():
    quiet = judge(gains=[*GAINS[:8], 1.3])
    assert judgement.result_of([quiet], free(), text(0.1), [])[0] == "no evidence found"
    assert judgement.result_of([quiet], free(), text(0.1), ["patch"])[0] == "inconclusive"
    result, reasons, targets = judgement.result_of([judge()], free(0.1, [0.4]), text(0.9, [0.4]), [])
    assert (result, len(reasons), targets) == ("evidence", 3, ("tree",))
    assert "towards 'tree': 98 % of 100 held-out images" in reasons[0]
    assert judgement.saturated_rungs(searched()) == []
    assert [rung.name for rung in ladder((224, 224))] == RUNGS
