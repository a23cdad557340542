"""report.html in a real browser: nothing overflows, nothing complains, and names from files stay text."""

from __future__ import annotations

import io
from itertools import pairwise

import pytest
from browser import Browser, find_browser
from hostile_names import HOSTILE, named
from PIL import Image

from clipsan.report import to_html
from clipsan.report.picture_files import Picture

pytestmark = pytest.mark.browser
WIDTHS = (320, 768, 1280)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    program = find_browser()
    if program is None:
        pytest.skip("no chromium is here to open the report in")
    with Browser(program, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def pictures():
    file = io.BytesIO()
    Image.new("RGBA", (200, 64), "red").save(file, format="PNG")
    return {"trigger-1-image-1.png": Picture(file.getvalue(), 200, 64)}


@pytest.fixture
def opened(browser, tmp_path):
    """Opens the text of a page, and requires that nothing complains and nothing is fetched."""

    def show(text, width, **how):
        browser.complaints.clear()
        browser.requests.clear()
        (tmp_path / "report.html").write_text(text, encoding="utf-8")
        browser.open(tmp_path / "report.html", width, **how)
        assert browser.complaints == []
        assert [url for url in browser.requests if not url.startswith("data:image/png;")] == [
            (tmp_path / "report.html").as_uri()
        ]
        return browser

    return show


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_window(opened, report, pictures, width):
    for name in ("a short name", "W" * 300):
        page = opened(to_html(named(report, name), pictures), width)
        assert page.ask("document.documentElement.scrollWidth") == width
        page.ask("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert page.ask("document.documentElement.scrollWidth") == width


def test_hostile_names_are_text_in_the_browser_too(opened, report, pictures):
    structure = "[...document.querySelectorAll('*')].map(each => each.localName).join(' ')"
    harmless = opened(to_html(named(report, "some name"), pictures), 768).ask(structure)
    for name in HOSTILE:
        page = opened(to_html(named(report, name), pictures), 768)
        assert page.ask(structure) == harmless
    page = opened(to_html(named(report, HOSTILE[0]), pictures), 768)
    assert page.ask("document.querySelector('.example figcaption').textContent").endswith(HOSTILE[0])
    assert page.ask("document.querySelector('.aim span').textContent") == f"{HOSTILE[0]} (target)"
    assert page.ask("document.scripts.length") == 0


def test_pictures_are_shown_and_the_policy_stops_the_rest(opened, browser, report, pictures):
    text = to_html(report, pictures)
    page = opened(text, 768, dark=True)
    assert page.ask("document.images.length") == 1
    assert page.ask("[...document.images].every(each => each.complete && each.naturalWidth === 200)")
    with pytest.raises(AssertionError):
        opened(text.replace("<main>", "<main><script>alert(1)</script>"), 768)
    assert any("Content Security Policy" in each for each in browser.complaints)


def test_every_link_goes_somewhere_and_the_keyboard_reaches_the_tables(opened, report, pictures):
    page = opened(to_html(report, pictures), 320)
    anchors = "[...document.querySelectorAll('a[href^=\"#\"]')].map(each => each.getAttribute('href'))"
    assert page.ask(f"{anchors}.every(each => document.querySelector(each))")
    assert page.ask("[...document.querySelectorAll('.scroll')].every(each => each.tabIndex === 0)")
    page.ask("document.querySelector('.skip').focus()")
    assert page.ask("document.querySelector('.skip').getBoundingClientRect().left") >= 0
    levels = page.ask("[...document.querySelectorAll('h1,h2,h3')].map(each => +each.localName[1])")
    assert levels[0] == 1 and all(b - a <= 1 for a, b in pairwise(levels))
    for landmark in ("body > header", "main", "nav[aria-label]", "body > footer"):
        assert page.ask(f"document.querySelectorAll('{landmark}').length") == 1
    shown = "[...document.querySelectorAll('img, [role=img], [role=region]')]"
    assert page.ask(f"{shown}.every(each => each.alt || each.ariaLabel)")


def test_print_shows_what_is_folded_and_on_white(opened, report, pictures):
    page = opened(to_html(report, pictures), 768, dark=True)
    folded = "document.querySelector('details:not([open]) table').getBoundingClientRect().height"
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.ask("document.querySelector('details:not([open]) table').checkVisibility()") is False
    assert page.ask(ground) != "rgb(255, 255, 255)"
    page("Emulation.setEmulatedMedia", media="print")
    assert page.ask(folded) > 50
    assert page.ask("document.querySelector('details:not([open]) table').checkVisibility()")
    assert page.ask(ground) == "rgb(255, 255, 255)"
    assert page.ask("getComputedStyle(document.querySelector('nav')).display") == "none"
