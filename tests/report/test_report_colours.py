"""The style sheet's colours against WCAG 2.1: text 4.5 to 1, lines and marks 3 to 1, on each ground."""

from __future__ import annotations

import re
from importlib import resources

import pytest

VERDICTS = ("pass", "fail", "inconclusive")
TEXT = [("text", "ground"), ("soft", "ground"), ("text", "raised"), ("soft", "raised"), ("link", "ground")]
TEXT += [("aim", "ground"), *((verdict, f"{verdict}-ground") for verdict in VERDICTS)]
TEXT += [(name, f"{verdict}-ground") for name in ("text", "soft") for verdict in VERDICTS]
MARKS = [(name, "ground") for name in ("before", "after", "base", "limit", "aim")]
MARKS += [(name, "raised") for name in ("base", "aim")]


def _themes() -> dict[str, dict[str, str]]:
    style = resources.files("clipsan.report").joinpath("page", "report.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{([^}]*)\}", style)
    colours = [dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block)) for block in blocks]
    return dict(zip(("light", "dark", "print"), colours, strict=True))


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    lighter, darker = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_of_known_pairs():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=0.001)


@pytest.mark.parametrize("theme", ["light", "dark", "print"])
@pytest.mark.parametrize(("pairs", "least"), [(TEXT, 4.5), (MARKS, 3)], ids=["text", "marks"])
def test_colours_have_contrast(theme, pairs, least):
    colours = _themes()[theme]
    found = {pair: contrast(colours[pair[0]], colours[pair[1]]) for pair in pairs}
    assert {pair: value for pair, value in found.items() if value < least} == {}


def test_each_theme_names_every_colour():
    light, dark, printed = _themes().values()
    assert light.keys() == dark.keys() == printed.keys()
