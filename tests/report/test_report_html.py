"""report.html: numbers of the report and no others, hostile names that stay text, nothing fetched or run."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from dataclasses import dataclass, replace
from html.parser import HTMLParser

import pytest
from hostile_names import HOSTILE, named

from clipsan.report import (
    CurvePoint,
    DroppedPair,
    DropReason,
    Rate,
    Rates,
    SkippedItem,
    TriggerResult,
    conclude,
    to_html,
)
from clipsan.report.picture_files import Picture


class Page(HTMLParser):
    """The elements of a page with their attributes, and what of it is read, axes of charts left out."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.elements.append((tag, given))
        self._open.append((tag, given.get("class") or ""))
        self.words += [given[name] for name in ("aria-label", "data-label") if given.get(name)]

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self._open.pop()

    def handle_endtag(self, tag):
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        inside = self._open[-1] if self._open else ("", "")
        if inside[0] != "style" and "tick" not in inside[1]:
            self.words.append(data)

    @property
    def structure(self) -> list[tuple[str, tuple[str, ...]]]:
        return [(tag, tuple(attributes)) for tag, attributes in self.elements]


@pytest.fixture
def long(report, training) -> object:
    """A report with 3000 updates, 500 dropped pairs and 100 skipped files, all with long names."""
    curves = tuple(CurvePoint(i, 1e-3 / (i + 1), 5.0, 4.0 + i % 7, 2.0, 2.0) for i in range(3000))
    dropped = tuple(
        DroppedPair(f"{i}" * 90, (DropReason("match", "no match " * 20, 4.25),) * 3) for i in range(500)
    )
    skipped = replace(report.data.skipped, items=(SkippedItem("<b>" * 200, "x" * 300),) * 100)
    filtered = replace(report.data.filter, items=dropped)
    return replace(
        report,
        training=replace(training, curves=curves),
        data=replace(report.data, filter=filtered, skipped=skipped),
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_do_not_become_markup(report, name):
    page, harmless = Page(to_html(named(report, name))), Page(to_html(named(report, "some name")))
    assert page.structure == harmless.structure
    kept = [value for _, attributes in page.elements for key, value in attributes.items() if key == "href"]
    assert kept == [value for _, a in harmless.elements for key, value in a.items() if key == "href"]


@pytest.mark.parametrize("name", [n for n in HOSTILE if n.isprintable()])
def test_hostile_names_read_as_they_were(report, name):
    words = Page(to_html(named(report, name))).words
    assert name in words
    assert all(c.isprintable() or c in "\n\u00a0" for c in to_html(named(report, "\x1b[2J\u202e\udcff")))


def test_nothing_is_fetched_and_no_script_may_run(report):
    text = to_html(report, {"trigger-1-image-1.png": Picture(b"\x89PNG", 200, 64)})
    page = Page(text)
    assert "img" in {tag for tag, _ in page.elements}
    assert "http" not in text.replace("http-equiv", "")
    assert not {"script", "link", "iframe", "form", "object"} & {tag for tag, _ in page.elements}
    for tag, attributes in page.elements:
        assert not any(name.startswith("on") or name in ("style", "srcset") for name in attributes)
        assert "src" not in attributes or (
            tag == "img" and re.fullmatch(r"data:image/png;base64,[A-Za-z0-9+/=]+", attributes["src"])
        )
        place = attributes.get("href", "report.json")
        assert place.startswith("#") or place in ("report.json", "dropped.png")
    (policy,) = (a["content"] for tag, a in page.elements if tag == "meta" and "http-equiv" in a)
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.split("; ") == [
        "default-src 'none'", f"style-src 'sha256-{digest}'", "img-src data:", "base-uri 'none'",
        "form-action 'none'",
    ]  # fmt: skip


def test_verdict_model_and_three_numbers_stand_first(report):
    words = " ".join(" ".join(Page(to_html(report)).words).split())
    first = words[: words.index("Warnings")]
    for part in (
        "PASS: no evidence found",
        "cleaned-model (cleaned from suspect-model), RN50",
        "2.0 % [1.3, 3.1] “stripes”; suspect 99.3 % [98.5, 99.6]",
        "0.6 % [0.3, 1.4]",
        "51.0 % [47.9, 54.1] suspect 54.5 % [51.4, 57.6]",
        "the cleaned model calls 2.0 % of them “banana”, where the suspect called 99.3 % of them so",
        "No evidence found is not proof",
    ):
        assert part in first


def test_a_fail_says_what_failed(report, trigger):
    alive = replace(trigger, asr=Rates(Rate(943, 950), Rate(475, 950)))
    lost = replace(report.evaluation, clean_accuracy=Rates(Rate(545, 1000), Rate(310, 1000)))
    for evaluation, said, unsaid in (
        (replace(report.evaluation, triggers=(alive,)), "Do not use this model", "lost too much"),
        (lost, "lost too much", "Do not use this model"),
    ):
        text = to_html(conclude(replace(report, evaluation=evaluation)))
        assert said in text and unsaid not in text


def test_every_number_is_in_the_json(report):
    numbers, texts, lengths = set(), [], set()

    def walk(value):
        if isinstance(value, dict):
            texts.extend(value)
            [walk(item) for item in value.values()]
        elif isinstance(value, list):
            lengths.add(str(len(value)))
            [walk(item) for item in value]
        elif isinstance(value, str):
            texts.append(value)
        elif value is not None and not isinstance(value, bool):
            value = abs(value)
            forms = ("{}", "{:g}", "{:.3g}", "{:.4g}", "{:.1f}", "{:.2f}", "{:.3f}", "{:.4f}", "{:.0f}")
            shares = ("{:.1f}", "{:g}", "{:.2g}", "{:.0f}")
            numbers.update(form.format(value) for form in forms)
            numbers.update(form.format(100 * value) for form in shares)

    walk(json.loads(json.dumps(report.to_dict())))
    pattern = re.compile(r"\d+(?:\.\d+)?(?:e-?\d+)?")
    in_texts = set(pattern.findall(" ".join(texts)))
    # the changes of clean accuracy and top-5 in points; 95 % intervals, Top-5, SHA-256, p < 0.0001
    fixed = {"0.0001", "3.5", "1.0", "95", "5", "256"}
    shown = pattern.findall(" ".join(Page(to_html(report)).words))
    assert len(shown) > 100
    assert set(shown) - numbers - in_texts - lengths - fixed == set()


def test_further_measures_are_shown_under_their_names(report, trigger):
    @dataclass(frozen=True, kw_only=True)
    class Richer(TriggerResult):
        top3: Rates
        margin: float | None
        sizes: tuple[int, ...]

    known = {name: getattr(trigger, name) for name in TriggerResult.__dataclass_fields__}
    richer = Richer(**known, top3=Rates(Rate(943, 950), None), margin=-0.25, sizes=(8, 16))
    text = to_html(replace(report, evaluation=replace(report.evaluation, triggers=(richer,))))
    words = Page(text).words
    assert "trigger stripes, top3, suspect, n = 950" in words
    assert words[words.index("trigger stripes, margin") + 1] == "-0.25"
    assert words[words.index("trigger stripes, sizes") + 1] == "8, 16"
    assert "Further measures" not in to_html(report)


def test_parts_that_a_report_lacks_are_left_out(report):
    empty = conclude(replace(report, models=(), data=None, training=None, evaluation=None, settings={}))
    text = to_html(empty)
    for part in ("INCONCLUSIVE", "Nothing was evaluated", "No data was read", "not measured"):
        assert part in text
    ids = {a["id"] for _, a in Page(text).elements if "id" in a}
    assert "training" not in ids and "filter" not in ids
    anchors = {a["href"][1:] for tag, a in Page(text).elements if tag == "a" and a["href"].startswith("#")}
    assert anchors <= ids


def test_accessible_names(report):
    page = Page(to_html(report))
    assert ("html", {"lang": "en"}) in page.elements
    for _, attributes in page.elements:
        if attributes.get("role") in ("img", "region"):
            assert attributes["aria-label"]
        if attributes.get("class") == "scroll":
            assert attributes["tabindex"] == "0"
    tags = [tag for tag, _ in page.elements]
    assert tags.count("h1") == 1 and tags.count("caption") == tags.count("table")
    assert all("scope" in attributes for tag, attributes in page.elements if tag == "th")


def test_a_long_report_stays_small(long):
    text = to_html(long)
    paths = [attributes["d"] for tag, attributes in Page(text).elements if tag == "path"]
    paths = [path for path in paths if "L" in path]
    assert len(paths) == 5 and all(re.fullmatch(r"M\d+ \d+(L\d+ \d+)+", path) for path in paths)
    assert paths[0].count("L") > 400
    assert len(text.encode()) < 3_000_000
    assert "lowest and highest of each stretch" in text
    assert text.count("no match no match") > 500
