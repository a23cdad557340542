"""`clean(profile=True)` says where the time went and changes nothing else."""

from __future__ import annotations

import json

import jsonschema
import pytest

import clipsan
from clipsan.errors import UsageError
from clipsan.report import json_schema, read_report
from clipsan.training.profile import PARTS, Profile

QUICK = {"steps": 3, "batch_size": 8, "micro_batch": 5, "device": "cpu", "save_every": 2}


def test_the_report_has_every_part_and_the_weights_are_the_same(here):
    plain = clipsan.clean("model.safetensors", "pairs", out="plain", **QUICK)
    timed = clipsan.clean("model.safetensors", "pairs", out="timed", profile=True, **QUICK)
    weights = [(here / out / "open_clip_model.safetensors").read_bytes() for out in ("plain", "timed")]
    assert weights[0] == weights[1]
    assert plain.report.training.profile is None
    found = timed.report.training.profile
    assert [part.name for part in found.parts] == [*PARTS, "other"]
    assert found.updates == 3
    assert all(part.seconds > 0 for part in found.parts)
    assert sum(part.seconds for part in found.parts) == pytest.approx(found.seconds)
    assert found.seconds <= timed.report.training.seconds + 0.001
    jsonschema.validate(json.loads((here / "timed" / "report.json").read_text()), json_schema())
    assert read_report(here / "timed" / "report.json") == timed.report
    for name in ("report.md", "report.html"):
        text = (here / "timed" / name).read_text()
        assert all((part in text) for part in ("frozen copy", "wait for data"))
        there = "wait for data" in (here / "plain" / name).read_text()
        assert not there


def test_several_trainings_are_not_profiled(here):
    with pytest.raises(UsageError, match="--profile"):
        clipsan.clean("model.safetensors", "pairs", until="asr<=5%", profile=True, device="cpu")
    assert not (here / "cleaned").exists()


def test_parts_add_up_and_time_is_counted_once():
    now = iter(range(100))
    profile = Profile(clock=lambda: next(now))
    profile.start()
    with pytest.raises(ValueError), profile.part("student"):
        raise ValueError
    profile.timed("saving", lambda: None)()
    profile.finish()
    assert profile.parts() == {**dict.fromkeys(PARTS, 0.0), "student": 1, "saving": 1, "other": 3}
    assert profile.seconds == 5
