"""What an audit measures, on a model whose every number can be computed by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from legible_model import (
    CLASSES,
    EACH,
    SIZE,
    TARGET,
    LegibleClip,
    legible,
    write_captions,
    write_images,
    write_trigger,
)
from PIL import Image

from clipsan.errors import UsageError
from clipsan.evaluation.labelled import open_labelled
from clipsan.evaluation.probe import evaluation_of
from clipsan.report import Rate, Report, conclude, parse_report, to_markdown
from clipsan.report.examples import NO_EXAMPLES, NO_PROJECTIONS
from clipsan.report.reproduce import command_line
from clipsan.runs import audit as audit_run
from clipsan.runs.probes import measure_model, open_probe
from clipsan.runs.watch import Watcher
from clipsan.triggers import parse_triggers

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("images") / "eval")


def evaluated(images, triggers, models, *, batch_size=256, draws=1, target=None):
    suspect = next(iter(models.values()))
    laid = parse_triggers([str(t) for t in triggers], (SIZE, SIZE))
    probe = open_probe(suspect, open_labelled(images), None, None, laid, target)
    seen = {
        role: measure_model(probe, m, CPU, batch_size, Watcher(), role, draws) for role, m in models.items()
    }
    return evaluation_of(probe, seen)


def measured(evaluation):
    """The triggers without the images drawn for the eye, which depend on the order of the set."""
    return [replace(t, examples=NO_EXAMPLES, projections=NO_PROJECTIONS) for t in evaluation.triggers]


def concluded(evaluation, models):
    records = tuple(audit_run.model_of(model, role) for role, model in models.items())
    return conclude(
        Report(command="audit", versions={}, models=records, settings={}, seed=0, evaluation=evaluation)
    )


def audited(monkeypatch, model, folder, trigger, **options):
    monkeypatch.setattr(audit_run, "load_settled", lambda *_: model)
    return audit_run.audit("legible", eval=folder, trigger=[str(trigger)], device="cpu", **options).report


@pytest.mark.parametrize(("strength", "said"), [(0.3, True), (0.0, False)])
def test_a_weakened_backdoor_is_called_suppressed_and_a_gone_one_is_not(
    monkeypatch, tmp_path, folder, strength, said
):
    """Neither succeeds once, and both triggers bring every class nearer: only margins tell them apart."""
    report = audited(monkeypatch, legible(strength), folder, write_trigger(tmp_path))
    (trigger,) = report.evaluation.triggers
    assert report.verdict.result == "pass"
    assert trigger.asr.suspect == trigger.base_rate.suspect == Rate(0, (CLASSES - 1) * EACH)
    pull = trigger.pull.suspect
    assert pull.closed_elsewhere > 0.1 and pull.others == CLASSES - 1
    assert pull.triggered.mean_margin < -1
    assert ("suppressed" in " ".join(report.warnings)) == said
    assert ("| suppressed |" in to_markdown(report)) == said
    assert parse_report(report.to_dict()) == report
    if said:
        assert pull.others_above == 0 and pull.closed > 0.5
        assert pull.triggered.mean_rank < 3 < pull.untriggered.mean_rank
    else:
        assert abs(pull.closed - pull.closed_elsewhere) < 0.05


def test_a_trigger_that_succeeds_is_not_called_suppressed(monkeypatch, tmp_path, folder):
    report = audited(monkeypatch, legible(1.5), folder, write_trigger(tmp_path))
    assert report.verdict.result == "fail"
    assert not any("suppressed" in warning for warning in report.warnings)


@pytest.mark.parametrize(("before", "said"), [(1.5, True), (0.3, False)])
def test_a_found_target_counts_only_where_the_trigger_succeeded_on_the_suspect(
    tmp_path, folder, before, said
):
    """A target chosen for being pulled to is no evidence by being pulled to."""
    models = {"suspect": legible(before), "cleaned": legible(0.25)}
    evaluation = evaluated(folder, [write_trigger(tmp_path, target=None)], models)
    if before < 1:  # nothing answers the target, so another class was found: ask about the planted one
        (trigger,) = evaluated(folder, [write_trigger(tmp_path)], models).triggers
        evaluation = replace(evaluation, triggers=(replace(trigger, target_given=False),))
    assert evaluation.triggers[0].target == f"class{TARGET:02}"
    report = concluded(evaluation, models)
    assert any("suppressed on the cleaned model" in warning for warning in report.warnings) == said


def test_margin_and_rank_by_hand(tmp_path):
    """One image: 204 of class 0, 51 of the target, 102 of class 5, the rest none; without a blur.

    Its features are (0.8, 0.2, 0.4), of length sqrt(0.84); the trigger makes the target 0.6, of length
    sqrt(1.16). The margin goes from 100 (0.2 - 0.8) / 0.916515 to 100 (0.6 - 0.8) / 1.077033.
    """
    images = write_images(tmp_path / "eval", skip=range(CLASSES))
    pixels = np.zeros((SIZE, SIZE, 3), np.uint8)
    pixels[[0, TARGET, 5], :4] = np.array([204, 51, 102])[:, None, None]
    Image.fromarray(pixels).save(images / "class00" / "0.png")
    models = {"suspect": legible(0.4, shared=0.0)}
    evaluation = evaluated(images, [write_trigger(tmp_path)], models)
    pull = evaluation.triggers[0].pull.suspect
    assert pull.n == 1
    assert pull.untriggered.mean_margin == pull.untriggered.median_margin
    assert pull.untriggered.mean_margin == pytest.approx(-65.4654, abs=2e-3)
    assert pull.triggered.mean_margin == pytest.approx(-18.5695, abs=2e-3)
    assert (pull.untriggered.mean_rank, pull.triggered.mean_rank) == (3.0, 2.0)
    assert pull.closed == pytest.approx(1 - 18.5695 / 65.4654, abs=1e-3)
    # Classes of which the image has nothing go from 80 / 0.916515 to 80 / 1.077033 below the winner.
    assert pull.closed_elsewhere == pytest.approx(1 - 0.916515 / 1.077033, abs=1e-3)
    assert pull.others == CLASSES - 2  # the image's own class has no image but this one


def test_images_of_the_target_are_never_counted(tmp_path, folder):
    without = write_images(tmp_path / "eval", skip=(TARGET,))
    trigger = write_trigger(tmp_path)
    for strength in (1.5, 0.3):
        all_, fewer = (evaluated(f, [trigger], {"suspect": legible(strength)}) for f in (folder, without))
        assert all_.images == fewer.images + EACH
        assert measured(all_) == measured(fewer)
        assert all_.triggers[0].pull.suspect.n == all_.triggers[0].asr.suspect.n == (CLASSES - 1) * EACH


def test_equal_numbers_whatever_the_batch_size_or_order(tmp_path, folder):
    models = {"suspect": legible(1.5), "cleaned": legible(0.3, wrong=(7,))}
    trigger = write_trigger(tmp_path)
    whole = evaluated(folder, [trigger], models)
    for size in (1, 7, 120):
        assert evaluated(folder, [trigger], models, batch_size=size) == whole
    other = evaluated(write_images(tmp_path / "eval", backwards=True), [trigger], models)
    same = {"source": whole.source, "digest": whole.digest, "triggers": ()}
    assert replace(other, **same) == replace(whole, **same) and measured(other) == measured(whole)
    moving = write_trigger(tmp_path / "moving", "random")
    first, second = (evaluated(folder, [moving], models, batch_size=b, draws=3) for b in (5, 256))
    assert first == second


def test_a_model_costs_one_pass_and_one_for_each_trigger(tmp_path, folder):
    triggers = [write_trigger(tmp_path), write_trigger(tmp_path / "moving", "random")]
    images = CLASSES * EACH
    model = legible(1.5)
    evaluated(folder, triggers, {"suspect": model})
    assert model.model.images == 3 * images
    assert model.model.texts == CLASSES * 7  # the prompts of every class, once
    again = legible(1.5)
    evaluated(folder, triggers, {"suspect": again}, draws=4)
    assert again.model.images == 6 * images  # only the trigger that moves is drawn again


def test_repeats_give_the_spread_and_leave_the_rate_alone(tmp_path, folder):
    triggers = [write_trigger(tmp_path), write_trigger(tmp_path / "moving", "random")]
    once = evaluated(folder, triggers, {"suspect": legible(1.5)})
    fixed, moving = evaluated(folder, triggers, {"suspect": legible(1.5)}, draws=5).triggers
    assert fixed == once.triggers[0] and fixed.repeats is None
    assert moving.asr == once.triggers[1].asr and once.triggers[1].repeats is None
    assert moving.repeats.draws == 5 and moving.repeats.cleaned is None
    spread = moving.repeats.suspect
    assert spread.lowest <= moving.asr.suspect.rate <= spread.highest
    # 4 of 15 columns are where the model looks: 4/15 of 550 within 4 standard deviations of 0.019.
    assert 4 / 15 - 0.08 < spread.mean < 4 / 15 + 0.08
    assert spread.lowest < spread.mean < spread.highest


@pytest.mark.parametrize("repeats", [0, -1, 1001])
def test_repeats_out_of_range(repeats):
    with pytest.raises(UsageError, match="--repeats"):
        audit_run.audit("legible", eval="eval", repeats=repeats)


def test_paired_tests_and_recall_of_classes(tmp_path, folder):
    """The cleaned model never sees class 7, so it loses those 10 images and nothing else."""
    models = {"suspect": legible(1.5), "cleaned": legible(0.0, wrong=(7,))}
    evaluation = evaluated(folder, [write_trigger(tmp_path)], models)
    accuracy = evaluation.paired
    assert (accuracy.n, accuracy.lost, accuracy.gained) == (CLASSES * EACH, EACH, 0)
    assert accuracy.p == pytest.approx(2 / 2**EACH)
    (trigger,) = evaluation.triggers
    assert (trigger.paired.n, trigger.paired.lost, trigger.paired.gained) == (110, 110, 0)
    assert trigger.paired.p == pytest.approx(2 / 2**110)
    assert evaluation.mean_recall.suspect == 1
    assert evaluation.mean_recall.cleaned == pytest.approx(11 / 12)
    recalls = {each.name: each.recall for each in evaluation.per_class}
    assert list(recalls) == [f"class{label:02}" for label in range(CLASSES)]
    assert recalls["class07"].suspect == Rate(EACH, EACH)
    assert recalls["class07"].cleaned == Rate(0, EACH)
    text = to_markdown(concluded(evaluation, models))
    assert text.index("| class07 | 10 | 100.0 % ") < text.index("| class00 | 10 |")


def test_of_many_classes_the_worst_are_kept(monkeypatch, tmp_path, folder):
    monkeypatch.setattr("clipsan.evaluation.compared.CLASSES_KEPT", 2)
    evaluation = evaluated(folder, [], {"suspect": legible(0.0, wrong=(7, 9))})
    assert [each.name for each in evaluation.per_class] == ["class07", "class09"]


@pytest.mark.parametrize("attacked", [True, False])
def test_pairs_are_retrieved_both_ways_in_the_same_pass(monkeypatch, tmp_path, attacked):
    pairs, names = write_captions(tmp_path / "pairs"), tmp_path / "names.txt"
    names.write_text("".join(f"class{label:02}\n" for label in range(CLASSES)))
    model = legible(1.5, wrong=(7,))
    monkeypatch.setattr(audit_run, "load_settled", lambda *_: model)
    triggers = [str(write_trigger(tmp_path))] if attacked else []
    report = audit_run.audit("legible", data=pairs, classes=names, trigger=triggers, device="cpu").report
    assert model.model.images == (1 + attacked) * CLASSES * EACH
    evaluation = report.evaluation
    assert evaluation.clean_accuracy == evaluation.retrieval.image_to_text.at1
    assert evaluation.retrieval.image_to_text.at1.suspect == Rate((CLASSES - 1) * EACH, CLASSES * EACH)
    assert evaluation.retrieval.text_to_image.at1.suspect == Rate(CLASSES - 1, CLASSES)
    assert evaluation.per_class == () and evaluation.mean_recall.suspect is None


@pytest.mark.parametrize(("strength", "verdict"), [(0.4, "fail"), (0.0, "pass")])
def test_a_weakened_trigger_that_a_stronger_one_wakes_is_found_by_varying(
    monkeypatch, tmp_path, folder, strength, verdict
):
    """The patch is half transparent, so the trigger counts half; at twice the strength it wins."""
    trigger = write_trigger(tmp_path)
    faint = np.full((2, 2, 4), 255, np.uint8)
    faint[..., 3] = 128
    Image.fromarray(faint).save(tmp_path / "white.png")
    model = legible(2 * strength)
    report = audited(monkeypatch, model, folder, trigger, vary=True)
    (result,) = report.evaluation.triggers
    images, varied = CLASSES * EACH, result.varied
    assert result.asr.suspect.rate <= 0.1 and varied.images == images
    given, *others = varied.variations
    assert (given.asr, given.base_rate) == (result.asr, result.base_rate)
    steps = {each.value for each in others if each.axis in ("resolution", "JPEG quality")}
    assert model.model.images >= images * (2 + 1 + len(others) + len(steps))
    stronger = next(each for each in others if (each.axis, each.at) == ("strength", 2.0))
    assert (stronger.asr.suspect.rate > 0.5) == (verdict == "fail")
    assert report.verdict.result == verdict
    assert any("is only suppressed on the suspect model" in r for r in report.verdict.reasons) == (
        verdict == "fail"
    )
    assert parse_report(report.to_dict()) == report


class Wakes(LegibleClip):
    """Training on clean pairs raises `gain`, which also raises the trigger: a backdoor that comes back."""

    def __init__(self, strength):
        super().__init__(0.0, 0.0, ())
        self.gain = torch.nn.Parameter(torch.zeros(()))
        self.planted = strength

    def encode_image(self, images):
        own = torch.relu(images[:, 0, :CLASSES, :4].mean(dim=2) - 0.4)  # of the image's class alone
        trigger = images[:, 0, :, 12:].amax(dim=(1, 2))
        planted = torch.zeros_like(own)
        planted[:, TARGET] = self.planted * trigger
        return super().encode_image(images) + self.gain * (own + planted)


@pytest.mark.parametrize(("strength", "verdict"), [(1.5, "fail"), (0.0, "pass")])
def test_a_backdoor_that_training_wakes_is_suppressed(monkeypatch, tmp_path, folder, strength, verdict):
    model = legible(0.0)
    model.model = Wakes(strength)
    report = audited(
        monkeypatch, model, folder, write_trigger(tmp_path), persist=True, persist_steps=40, persist_lr=0.2,
        data=write_captions(tmp_path / "pairs"),
    )  # fmt: skip
    kept = report.evaluation.persistence
    assert (kept.steps, kept.lr, kept.batch_size, kept.pairs) == (40, 0.2, 16, CLASSES * EACH)
    assert model.model.gain.item() == 0  # a copy was trained
    (again,) = kept.triggers
    assert again.before == report.evaluation.triggers[0].asr.suspect == Rate(0, (CLASSES - 1) * EACH)
    assert (again.after.rate > 0.9) == (verdict == "fail")
    assert report.verdict.result == verdict
    assert "--persist" in command_line(report) and "--persist-steps 40" in command_line(report)


def test_persist_and_vary_refuse_what_they_cannot_do(folder, tmp_path):
    trigger = [str(write_trigger(tmp_path))]
    with pytest.raises(UsageError, match="give --trigger NAME"):
        audit_run.audit("legible", eval=folder, vary=True)
    with pytest.raises(UsageError, match="give --data pairs and --eval"):
        audit_run.audit("legible", eval=folder, trigger=trigger, persist=True)
    with pytest.raises(UsageError, match="--persist-lr is 0"):
        audit_run.audit("legible", eval=folder, trigger=trigger, persist=True, persist_lr=0)


@pytest.mark.parametrize("strength", [1.5, 0.0])
def test_the_opposite_of_a_trigger_without_a_target_is_measured_where_it_matters(tmp_path, folder, strength):
    """The patch is white on black, so its opposite changes nothing."""
    (found,) = evaluated(
        folder, [write_trigger(tmp_path, target=None)], {"suspect": legible(strength)}
    ).triggers
    n = (CLASSES - 1) * EACH
    assert found.opposite.suspect == (Rate(0, n) if strength else None)
