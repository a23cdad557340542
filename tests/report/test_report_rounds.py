"""A closed loop in the report: its dots, its sentences, and what the verdict makes of it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from clipsan.report import Rate, conclude, to_html, to_markdown
from clipsan.report.pareto import pareto_picture
from clipsan.report.rounds import Attack, ClosedLoop, InvertedTrigger, LinePoint, Round, Weakened
from clipsan.report.story import found_rows, loop_lines, round_rows


def _round(number, step, asr, drop, **changes) -> Round:
    fields = {
        "number": number, "step": step, "done": f"step {number}", "why": "a test", "settings": {},
        "against": (), "found": (), "attacks": (), "asr": asr, "accuracy": 0.5 - drop / 100, "drop": drop,
        "drop_error": 0.5, "unfought": (), "over": 0.0, "line": (), "kept": number > 0, "looked_back": None,
        "seconds": 12.0,
    }  # fmt: skip
    return Round(**fields | changes)


@pytest.fixture
def loop() -> ClosedLoop:
    found = InvertedTrigger("<b>by patch", "8x8 patch", "<b>", Rate(99, 100), None, 12.0, 20.0, True)
    weak = InvertedTrigger("cat by patch", "8x8 patch", "cat", Rate(5, 100), None, 1.0, 0.5, False)
    grown = InvertedTrigger("dog by patch", "8x8 patch", "dog", Rate(40, 100), Rate(38, 100), 4.0, 6.0, False)
    return ClosedLoop(
        budget_asr=0.05, budget_drop=3.0, effort=3, met=True, outcome="The budget was met by round 2.",
        pairs=400, accuracy_on="held-out pairs", accuracy_n=400, ways=20, classes=20, chosen=2,
        rounds=(
            _round(0, "suspect", 0.99, 0.0, found=(found, weak)),
            _round(
                1, "fine-tuning", 0.01, 4.0, attacks=(Attack("<b>by patch", Rate(1, 100)),), found=(grown,)
            ),
            _round(
                2, "interpolation", 0.02, 2.0, attacks=(Attack("<b>by patch", Rate(2, 100)),),
                line=(LinePoint(0.1, 0.01, 0.0, 0.47, 3.0), LinePoint(0.2, 0.02, 0.0, 0.48, 2.0)),
                unfought=("<i>",),
                looked_back=(
                    Weakened("cat by patch", "patch", "cat", Rate(60, 100), Rate(3, 100), 4.0, 6.0, False),
                    Weakened(
                        "<i>by filter", "colour filter", "<i>", Rate(90, 100), Rate(10, 100), 5.0, 9.0, True
                    ),
                ),
            ),
        ),
    )  # fmt: skip


def test_dots_of_the_picture(loop):
    picture = pareto_picture(loop)
    # axes from -2 to 6 points, and from 0 to 100 % in square roots
    assert [tick.words for tick in picture.x_ticks] == ["-2", "0", "2", "4", "6"]
    assert picture.limit_x == 62.5 and picture.limit_y == 77.64
    dots = {dot.label: (dot.x, dot.y) for dot in picture.dots if dot.label}
    assert dots == {"suspect": (25.0, 0.5), "1": (75.0, 90.0), "2": (50.0, 85.86)}
    assert [dot.label for dot in picture.dots if dot.chosen] == ["2"]
    assert sum(dot.style == "line" for dot in picture.dots) == 2
    # the suspect, round 2 and round 1, down only at the next one
    assert re.findall(r"\d+ \d+", picture.frontier) == ["250 5", "500 5", "500 859", "750 859", "750 900"]
    assert pareto_picture(replace(loop, rounds=())) is None


def test_rows_and_sentences(loop):
    assert [row[0] for row in round_rows(loop)] == ["Round", "0", "1", "2"]
    assert round_rows(loop)[2][3:7] == ["1.0 %", "46.0 %", "4.0 ± 0.5", "yes"]
    assert round_rows(loop)[3][6] == "written"
    assert found_rows(loop) == [
        ["Inverted trigger", "round 0", "round 1", "round 2"],
        ["<b>by patch", "99.0 %", "1.0 %", "2.0 %"],
    ]
    story = list(loop_lines(loop))
    assert "own caption among 20" in story[1]
    assert story[2] == "Round 0, the suspect: the scan found <b>by patch (99.0 %)."
    assert "attack success 1.0 %, 4.0 ± 0.5 points" in story[3]
    assert "so it was not planted: dog by patch (40.0 %; on the suspect 38.0 %)." in story[3]
    assert "planted" not in story[4]
    strongest, weaker = "<i>by filter (90.0 %; in round 2 10.0 %)", "cat by patch (60.0 %; in"
    assert f"{strongest}, {weaker}" in story[5] and "No training had fought <i> by then" in story[5]
    *before, last = loop.rounds
    nothing = replace(loop, rounds=(*before, replace(last, looked_back=())))
    assert list(loop_lines(nothing))[5].endswith("no class stands out.")


def test_markdown_and_page_hold_the_story_and_take_no_markup(report, loop):
    told = conclude(replace(report, loop=loop))
    text, page = to_markdown(told), to_html(told)
    assert "## Closed loop" in text and "&lt;b&gt;by patch" in text
    assert (
        "<b>" not in page
        and "<i>" not in page
        and 'href="#loop"' in page
        and "<title>round 2 (interpolation)" in page
    )
    assert "Closed loop" not in to_markdown(report) and 'id="loop"' not in to_html(report)


def test_a_budget_that_was_not_met_is_inconclusive_and_a_failure_wins(report, loop):
    missed = replace(loop, met=False, outcome="The budget was not met.")
    assert conclude(replace(report, loop=loop)).verdict.result == "pass"
    judged = conclude(replace(report, loop=missed)).verdict
    assert judged.result == "inconclusive" and judged.reasons[0].startswith("The budget was not met. Raise")
    strict = replace(report, thresholds=replace(report.thresholds, max_asr=0.0))
    assert conclude(replace(strict, loop=missed)).verdict.result == "fail"
    few = conclude(replace(report, loop=replace(loop, pairs=99))).verdict
    assert few.result == "inconclusive" and "only 99 held-out pairs" in few.reasons[0]
