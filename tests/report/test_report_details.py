"""The tables behind the rates, and when a trigger is called suppressed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clipsan.report import (
    Pulls,
    Rate,
    Rates,
    Recalls,
    Retrieval,
    Thresholds,
    class_rows,
    conclude,
    paired_rows,
    pull_rows,
    repeat_rows,
    retrieval_rows,
    stands_out,
    suppressed,
    to_markdown,
)

LIMITS = Thresholds()


@pytest.fixture
def living(trigger):
    """The same trigger, which still closes a third of the gap on the cleaned model."""
    pull = replace(trigger.pull.cleaned, closed=0.34, closed_elsewhere=0.07, others_above=0)
    return replace(trigger, pull=replace(trigger.pull, cleaned=pull))


@pytest.mark.parametrize(
    ("change", "out"),
    [
        ({}, True),
        ({"closed": 0.17}, True),  # 0.10 more than the median class
        ({"closed": 0.16}, False),
        ({"others_above": 1}, False),  # 2 of 20 classes
        ({"others_above": 4, "others": 99}, True),  # 5 of 100
        ({"others_above": 5, "others": 99}, False),
        ({"others": 9}, True),
        ({"others": 8}, False),  # being the first of 9 classes is no evidence
        ({"n": 49}, False),
        ({"closed": None}, False),
        ({"closed_elsewhere": None}, False),
    ],
)
def test_what_stands_out(living, change, out):
    assert stands_out(replace(living.pull.cleaned, **change)) == out


def test_nothing_measured_does_not_stand_out():
    assert not stands_out(None)


def test_only_a_trigger_that_does_not_succeed_is_suppressed(living):
    assert suppressed(living, "cleaned", LIMITS)
    assert not suppressed(living, "suspect", LIMITS)  # it succeeds there
    assert not suppressed(replace(living, asr=Rates(Rate(943, 950), None)), "cleaned", LIMITS)
    above = replace(living, asr=Rates(Rate(943, 950), Rate(96, 950)))
    assert not suppressed(above, "cleaned", LIMITS)
    assert suppressed(above, "cleaned", replace(LIMITS, max_asr=0.2))


def test_a_found_target_needs_a_trigger_that_succeeded(living):
    found = replace(living, target_given=False, opposite=Rates(Rate(20, 950), None))
    assert suppressed(found, "cleaned", LIMITS)
    assert not suppressed(replace(found, asr=Rates(Rate(80, 950), Rate(19, 950))), "cleaned", LIMITS)
    alone = replace(found, asr=Rates(Rate(19, 950), None), pull=Pulls(found.pull.cleaned, None))
    assert not suppressed(alone, "suspect", LIMITS)
    assert suppressed(replace(alone, target_given=True), "suspect", LIMITS)


def test_suppression_is_a_warning_and_changes_no_verdict(report, living):
    changed = conclude(replace(report, evaluation=replace(report.evaluation, triggers=(living,))))
    assert changed.verdict == report.verdict
    (added,) = set(changed.warnings) - set(report.warnings)
    assert added.startswith(
        'Trigger "stripes" is suppressed on the cleaned model, not gone: it does not succeed, but still '
        "closes 34 % of the gap to its target, and 7 % of that to the median other class."
    )
    assert pull_rows(changed)[2][-1] == "suppressed"
    assert pull_rows(report)[2][-1] == ""


def test_rows(report):
    assert pull_rows(report)[1:] == [
        ["stripes", "suspect", "-5.39 to 5.92", "12.4 to 1.0", "210 %", "-73 %", ""],
        ["stripes", "cleaned", "-5.24 to -4.64", "13.5 to 12.2", "12 %", "3 %", ""],
    ]
    assert paired_rows(report)[1:] == [
        ["Clean accuracy", "1000", "128", "93", "0.0219"],
        ["ASR stripes", "950", "926", "2", "< 0.0001"],
    ]
    assert repeat_rows(report)[1:] == [
        ["stripes", "5", "suspect", "99.4 %", "99.1 %", "99.8 %"],
        ["stripes", "5", "cleaned", "2.0 %", "1.7 %", "2.3 %"],
    ]
    rows = class_rows(report)
    assert rows[:2] == [["Recall", "n", "suspect", "cleaned"], ["Mean over classes", "", "54.5 %", "51.0 %"]]
    assert [row[0] for row in rows[2:]] == ["koala", "banana"]  # worst first
    assert retrieval_rows(report) == []


def test_paired_rows_name_the_model_that_was_made(report):
    poisoned = replace(report, models=(report.models[0], replace(report.models[1], role="poisoned")))
    assert paired_rows(report)[0][2:4] == ["suspect only", "cleaned only"]
    assert paired_rows(poisoned)[0][2:4] == ["suspect only", "poisoned only"]


def test_retrieval_rows_leave_out_what_was_not_measured(report):
    recalls = Recalls(Rates(Rate(3, 10), Rate(2, 10)), Rates(Rate(8, 10), Rate(7, 10)), Rates(None, None))
    changed = replace(report, evaluation=replace(report.evaluation, retrieval=Retrieval(recalls, recalls)))
    names = [row[0] for row in retrieval_rows(changed)[1:]]
    assert names == ["Image to text R@1", "Image to text R@5", "Text to image R@1", "Text to image R@5"]
    assert "| Text to image R&#64;5 | 10 | 80.0 %" in to_markdown(changed)


def test_no_rows_without_an_evaluation(report):
    empty = conclude(replace(report, evaluation=None))
    for rows in (pull_rows, paired_rows, repeat_rows, class_rows, retrieval_rows):
        assert rows(empty) == []
    assert "Behind the rates" not in to_markdown(empty)
