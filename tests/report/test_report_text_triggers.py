"""Text triggers and retrieval ASR in the report: numbers, verdict, and names that stay text."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import pytest
from hostile_names import HOSTILE
from markdown_it import MarkdownIt

from clipsan.report import Rate, Rates, conclude, exit_code, parse_report, to_html, to_markdown, to_model_card
from clipsan.report.comparison import compare
from clipsan.report.meaning import plain_words
from clipsan.report.measures import Paired, Reach, RetrievalAttack, TextTriggerResult

NOTHING = Rates(None, None)


def with_word(report, name="zx", after=2):
    """The report with a text trigger that 110 of 114 queries of the suspect answered to."""
    reach = Reach(Rates(Rate(114, 114), Rate(9, 114)), Rates(Rate(3, 114), Rate(4, 114)))
    word = TextTriggerResult(
        name, {"word": name}, name, True, Rates(Rate(110, 114), Rate(after, 114)),
        Rates(Rate(1, 114), Rate(0, 114)), reach, reach, Reach(NOTHING, NOTHING),
        Rates(Rate(177, 1000), Rate(550, 1000)), Paired(114, 108, 0, 1e-9),
    )  # fmt: skip
    found = Reach(Rates(Rate(300, 360), Rate(8, 360)), Rates(Rate(7, 360), Rate(6, 360)))
    stripes = replace(
        report.evaluation.triggers[0], retrieval=RetrievalAttack(found, found, Reach(NOTHING, NOTHING))
    )
    evaluation = replace(report.evaluation, triggers=(stripes,), text_triggers=(word,))
    return conclude(replace(report, evaluation=evaluation))


def test_numbers_are_shown_and_read_back(report):
    full = with_word(report)
    assert parse_report(full.to_dict()) == full
    for text in (unescape(to_markdown(full)), unescape(to_html(full))):
        for words in ("114 queries", "Hit@5, without the trigger", "first 5, without the trigger", "83.3"):
            assert words in text
        assert "Hit@10" not in text.replace("Hit@k", "") and "first 10," not in text
        assert "Triggers in the text." not in text
    assert "ASR zx" in to_markdown(full)  # McNemar's
    assert 'trigger "zx"' in to_model_card(full)
    assert "Hit@" not in unescape(to_markdown(report)) and "Triggers in the text." in to_markdown(report)


@pytest.mark.parametrize(("after", "code"), [(2, 0), (50, 1)])
def test_the_verdict_judges_it(report, after, code):
    full = with_word(report, after=after)
    assert exit_code(full.verdict) == code
    said = " ".join(full.verdict.reasons)
    assert ('"zx" on the cleaned model is 43.9 % (50 of 114 queries)' in said) == bool(code)
    assert ("“zx” in the query" in " ".join(plain_words(full))) == bool(code)
    assert ("choose its captions or queries" in " ".join(plain_words(full))) == bool(code)


def test_two_reports_are_compared_by_it(report):
    compared = compare(with_word(report), with_word(report, after=50))
    (measure,) = (m for m in compared.measures if m.name == "trigger zx: ASR" and m.role == "cleaned")
    assert (measure.a, measure.b) == (Rate(2, 114), Rate(50, 114)) and measure.overlap is False


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_words_stay_text(report, name):
    def tags(text):
        body = text.split("\n---\n", 1)[1] if text.startswith("---\n") else text
        return re.findall(r"<[^>]*>", MarkdownIt("commonmark", {"html": True}).enable("table").render(body))

    for form in (to_markdown, to_model_card):
        assert tags(form(with_word(report, name))) == tags(form(with_word(report, "name")))
    shape = [re.findall(r"<[a-z!/]+", to_html(with_word(report, each))) for each in (name, "name")]
    assert shape[0] == shape[1]
