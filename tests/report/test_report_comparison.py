"""Two reports side by side."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from clipsan.report import Rate, Rates, compare, conclude, difference_rows, measure_rows


@pytest.fixture
def other(report, trigger):
    """The same images; weaker cleaning, another tau, and a trigger that the first did not measure."""
    weaker = replace(trigger, asr=Rates(Rate(943, 950), Rate(95, 950)))
    noise = replace(trigger, name="noise", settings={"sigma": 0.1})
    evaluation = replace(
        report.evaluation, clean_accuracy=Rates(Rate(545, 1000), Rate(520, 1000)), triggers=(weaker, noise)
    )
    settings = {"tau": 1.5, "trigger": ["stripes"], "arch": None, "steps": 9}
    return conclude(replace(report, evaluation=evaluation, settings=settings))


def test_a_report_and_itself(report):
    compared = compare(report, report)
    assert compared.settings == compared.notes == ()
    assert all(measure.change == 0 and measure.overlap for measure in compared.measures)
    assert difference_rows(compared) == []


def test_measures(report, other):
    compared = compare(report, other)
    rows = {(row[0], row[1]): row[2:] for row in measure_rows(compared)}
    assert rows["clean accuracy", "cleaned"] == [
        "51.0 % [47.9, 54.1]",
        "52.0 % [48.9, 55.1]",
        "+1.0 points",
        "overlap",
    ]
    assert rows["trigger stripes: ASR", "cleaned"] == [
        "2.0 % [1.3, 3.1]",
        "10.0 % [8.3, 12.1]",
        "+8.0 points",
        "apart",
    ]
    assert rows["trigger noise: ASR", "suspect"][0] == "not measured"
    assert rows["trigger noise: ASR", "suspect"][2:] == ["not measured", ""]


def test_settings_that_differ(report, other):
    assert difference_rows(compare(report, other)) == [
        ["What differs", "A", "B"],
        ["tau", "2.15", "1.5"],
        ["steps", "none", "9"],
    ]


def test_triggers_that_differ(report, trigger):
    moved = replace(trigger, settings={"size": 24, "position": "random"}, target="koala")
    other = replace(report, evaluation=replace(report.evaluation, triggers=(moved,)))
    assert difference_rows(compare(report, other))[1:] == [
        ["trigger stripes: target", '"banana"', '"koala"'],
        ["trigger stripes: size", "16", "24"],
    ]


def test_notes_on_what_cannot_be_compared(report, trigger):
    moved = replace(trigger, settings={"size": 24})
    elsewhere = replace(report, evaluation=replace(report.evaluation, digest="f" * 64, triggers=(moved,)))
    images, settings = compare(report, elsewhere).notes
    assert "different images" in images and "trigger stripes has other settings" in settings
    retrieval = replace(report, evaluation=replace(report.evaluation, kind="retrieval"))
    assert "different ways" in compare(report, retrieval).notes[0]
    empty = conclude(replace(report, evaluation=None))
    assert compare(empty, report).notes == ("Nothing was evaluated in A.",)


def test_triggers_of_one_name_are_matched_in_order(report, trigger):
    twice = replace(report, evaluation=replace(report.evaluation, triggers=(trigger, trigger)))
    names = [row[0] for row in measure_rows(compare(twice, report))]
    assert "trigger stripes (2): ASR" in names


def test_json_holds_the_rates(report, other):
    found = json.loads(json.dumps(compare(report, other).to_dict()))
    assert found["verdicts"] == ["pass", "pass"]
    (attack,) = (
        m for m in found["measures"] if m["name"] == "trigger stripes: ASR" and m["role"] == "cleaned"
    )
    assert (attack["a"]["successes"], attack["b"]["successes"], attack["intervals_overlap"]) == (
        19,
        95,
        False,
    )
    assert {"name": "tau", "a": 2.15, "b": 1.5} in found["settings"]
