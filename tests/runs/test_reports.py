"""The command line in a report repeats the run that wrote it."""

from __future__ import annotations

import hashlib
import json
import shlex

import clipsan
from clipsan.cli import app
from clipsan.report.reproduce import command_line

QUICK = {"steps": 3, "batch_size": 8, "device": "cpu", "lr_start": 1e-3, "lr": 1e-4}


def repeat(report) -> None:
    name, *arguments = shlex.split(command_line(report))
    assert name == "clipsan"
    app([*arguments, "--quiet"], standalone_mode=False)


def test_the_same_weights_and_the_same_numbers(here, capsys):
    asked = {"trigger": ["stripes:size=12"], "target": "fish", "filter": "images", **QUICK}
    report = clipsan.clean("model.safetensors", "pairs", eval="eval", max_asr=20.0, **asked).report
    assert "report.json" in (here / "cleaned" / "report.html").read_text()
    (here / "cleaned").rename(here / "first")
    repeat(report)
    first, second = (
        hashlib.sha256((here / folder / "open_clip_model.safetensors").read_bytes()).hexdigest()
        for folder in ("first", "cleaned")
    )
    assert first == second
    compared = clipsan.diff("first", "cleaned")
    assert compared.settings == compared.notes == ()
    assert {measure.change for measure in compared.measures} == {0.0}


def test_an_audit_is_repeated(here, capsys):
    audited = clipsan.audit("model", eval="eval", trigger=["blended"], device="cpu", out="audited").report
    _, *arguments = shlex.split(command_line(audited))
    app([*arguments, "--quiet", "--json"], standalone_mode=False)
    again = json.loads(capsys.readouterr().out)
    assert again == json.loads((here / "audited" / "report.json").read_text())
    assert (here / "audited" / "report.html").is_file()
