"""Tables, Markdown and the model card: numbers as read, and hostile names that stay text."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import pytest
from hostile_names import HOSTILE, named
from markdown_it import MarkdownIt

from clipsan.report import (
    Rate,
    Rates,
    accuracy_rows,
    class_rows,
    conclude,
    paired_rows,
    pull_rows,
    repeat_rows,
    to_markdown,
    to_model_card,
    trigger_rows,
    verdict_lines,
)
from clipsan.report.markdown import table
from clipsan.report.wording import markdown, percent, points, printable, with_interval


def _html(text: str) -> str:
    body = text.split("\n---\n", 1)[1] if text.startswith("---\n") else text
    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(body)


def _tags(text: str) -> list[str]:
    return re.findall(r"<[^>]*>", _html(text))


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("form", [to_markdown, to_model_card])
def test_hostile_names_do_not_become_markup(report, form, name):
    # The same structure as with a harmless name, whatever the name is.
    assert _tags(form(named(report, name))) == _tags(form(named(report, "name")))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_do_not_reach_the_terminal(report, name):
    hostile = named(report, name)
    tables = [make(hostile) for make in (trigger_rows, pull_rows, paired_rows, repeat_rows, class_rows)]
    lines = verdict_lines(hostile) + [cell for rows in tables for row in rows for cell in row]
    assert all(line.isprintable() for line in lines)
    to_markdown(hostile).encode("utf-8")


@pytest.mark.parametrize("name", [n for n in HOSTILE if n.isprintable()])
def test_escaped_text_reads_as_it_was(name):
    in_a_line = _html(markdown(name))
    assert unescape(re.sub(r"</?p>", "", in_a_line)).strip() == name.strip()
    cells = re.findall(r"<td>(.*?)</td>", _html(table([["A", "B"], [name, "end"]])))
    assert [unescape(cell) for cell in cells] == [name.strip(), "end"]


def test_printable():
    assert printable("a\x1b[0m\n\u202e\udcff") == "a\\x1b[0m\\n\\u202e\\udcff"
    assert printable("Ærø 猫") == "Ærø 猫"
    assert printable("x" * 50, 10) == "xxxxxxxxx…"


def test_numbers():
    assert percent(0.9926) == "99.3 %"
    assert points(-0.035) == "-3.5 points"
    assert points(0.012) == "+1.2 points"
    assert points(-0.0001) == "0.0 points"
    # 943 of 950: (944.920729 ± 1.959964·√(943·7/950 + 0.960365)) / 953.841459 = 0.98490 … 0.99643.
    assert with_interval(Rate(943, 950)) == "99.3 % [98.5, 99.6]"
    assert with_interval(Rate(0, 0)) == "not measured"
    assert with_interval(None) == "not measured"


def test_accuracy_rows(report):
    assert accuracy_rows(report) == [
        ["", "n", "suspect", "cleaned", "change"],
        ["Clean accuracy", "1000", "54.5 % [51.4, 57.6]", "51.0 % [47.9, 54.1]", "-3.5 points"],
        ["Top-5", "1000", "85.0 % [82.7, 87.1]", "84.0 % [81.6, 86.1]", "-1.0 points"],
    ]


def test_rows_of_a_suspect_alone(report):
    evaluation = replace(
        report.evaluation,
        kind="retrieval",
        clean_accuracy=Rates(Rate(545, 1000), None),
        top5=Rates(None, None),
    )
    alone = replace(report, models=report.models[:1], evaluation=evaluation)
    assert accuracy_rows(alone) == [
        ["", "n", "suspect"],
        ["Image-to-text R@1", "1000", "54.5 % [51.4, 57.6]"],
    ]
    assert trigger_rows(alone)[0] == ["Trigger", "Target", "n", "ASR suspect", "base rate"]


def test_trigger_rows(report, trigger):
    found = replace(trigger, name="noise", target="goldfish", target_given=False)
    lost = replace(trigger, target=None, target_given=False, asr=Rates(None, None))
    changed = replace(report, evaluation=replace(report.evaluation, triggers=(trigger, found, lost)))
    header, first, second, third = trigger_rows(changed)
    assert header == ["Trigger", "Target", "n", "ASR suspect", "ASR cleaned", "base rate"]
    assert first == ["stripes", "banana", "950", "99.3 % [98.5, 99.6]", "2.0 % [1.3, 3.1]", "0.6 %"]
    assert second[1] == "goldfish (found)"
    assert third[1:5] == ["none found", "", "not measured", "not measured"]


def test_no_rows_without_an_evaluation(report):
    empty = conclude(replace(report, evaluation=None))
    assert accuracy_rows(empty) == trigger_rows(empty) == []
    assert "Nothing was evaluated." in to_markdown(empty)
    assert verdict_lines(empty)[0] == "INCONCLUSIVE"


def test_markdown_says_the_verdict_first_and_what_was_not_tested(report):
    text = to_markdown(report)
    assert text.split("\n\n")[1].startswith("**PASS: no evidence found")
    for part in (
        "S\\_img reached tau = 2.15 at step 12",
        "## What was not tested",
        "The device ran out of cache.",
        "a" * 64,
        "b" * 64,
        "with seed 0",
        '| trigger | \\["stripes"\\] |',
        "| torch | 2.15 |",
        "Skipped 1: not an image",
        "300 of 10300 pairs were dropped before training.",
        "| match | 299 | 299 no match; the bound was reached |",
        "![Some of the dropped pairs, by check](dropped.png)",
        "- c.jpg: no match (match, score 4.25)",
        "… and 290 more dropped",
    ):
        assert part in text
    assert text.index("PASS") < text.index("## Results") < text.index("## Models")
