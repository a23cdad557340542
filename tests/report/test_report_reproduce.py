"""The command line of a report, as words."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest
from hostile_names import HOSTILE

from clipsan.report.reproduce import command_line


def _words(report, **settings) -> list[str]:
    return shlex.split(command_line(replace(report, settings=settings)))


def test_settings_become_options(report):
    words = _words(
        report, model="m.safetensors", data=["a b", "c"], weight=[3.0, 1.0], target=None, steps=9, epochs=2.0,
        lr=3e-06, augment=[], filter=["images", "match"], vary=True, persist=False, eps=1e-8,
    )  # fmt: skip
    assert words == [
        "clipsan", "clean", "m.safetensors", "--out", "cleaned-model", "--data", "a b", "--data", "c",
        "--weight", "3", "--weight", "1", "--steps", "9", "--lr", "3e-06", "--augment", "none",
        "--filter", "images,match", "--vary", "--max-asr", "10", "--max-drop", "5", "--seed", "0",
    ]  # fmt: skip


def test_an_audit_of_the_last_output_finds_its_pairs_again(report):
    audit = replace(report, command="audit")
    words = _words(audit, model=None, data=["pairs"], held_out=0.1, trigger=["stripes"])
    assert words[:4] == ["clipsan", "audit", "--trigger", "stripes"]
    assert "--data" in _words(audit, model="m", data=["pairs"], held_out=0.0)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_one_word_or_there_is_no_command(report, name):
    line = command_line(replace(report, settings={"model": name, "target": name}))
    if not name.isprintable():
        assert line is None
        return
    words = shlex.split(line)
    assert words.count(name) + words.count(f"--target={name}") == 2
    if name.startswith("-"):  # no option by mistake
        assert words[-2:] == ["--", name]


def test_what_is_no_option_gives_no_command(report):
    assert command_line(replace(report, settings={"plan": {"rate": 0.1}})) is None
    assert command_line(replace(report, settings={"x; rm -rf": 1})) is None
