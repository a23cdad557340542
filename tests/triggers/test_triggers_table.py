"""What a user may type for a trigger, and what is said when it is wrong."""

from __future__ import annotations

import json

import pytest

from clipsan.errors import TriggerError
from clipsan.triggers import FAMILIES, parse_triggers
from clipsan.triggers.blended import Blended
from clipsan.triggers.stripes import Stripes


def test_names_and_settings_in_order():
    triggers = parse_triggers(["blended", "stripes:size=24,position=3x7", " badnet "], (224, 224), seed=4)
    assert [trigger.name for trigger in triggers] == ["blended", "stripes:size=24,position=3x7", "badnet"]
    assert triggers[1].settings() == {
        "family": "stripes",
        "size": 24,
        "position": [3, 7],
        "seed": 4,
        "compat": None,
        "side_px": 24,
    }
    assert all(trigger.target is None for trigger in triggers)


def test_published_settings_are_the_defaults():
    defaults = {name: family().to_json() for name, family in FAMILIES.items()}
    assert defaults == {
        "badnet": {"size": 16, "position": "random", "seed": 0, "compat": None},
        "stripes": {"size": None, "position": "random", "seed": 0, "compat": None},
        "blended": {"strength": 0.2, "seed": 0},
        "blended-stripes": {"strength": 0.03, "seed": 0, "compat": None},
        "blended-triangles": {"strength": 0.15, "cell": 14},
        "blended-text": {"strength": 0.5},
        "sig": {"amplitude": 60.0, "cycles": 6},
        "wanet": {"grid": 224, "strength": 1.0, "seed": 0},
        "nashville": {"strength": 1.0},
        "steganographic": {"amplitude": 8, "cells": 8, "seed": 0},
        "rare-word": {"word": "zx", "position": "start", "seed": 0},
    }


@pytest.mark.parametrize("name", list(FAMILIES))
def test_settings_round_trip_through_json(name):
    text = {
        "seed": "seed=9",
        "strength": "strength=0.4",
        "position": "position=end" if name == "rare-word" else "position=2x0",
        "word": "word=cf",
        "size": "size=30",
        "cell": "cell=9",
        "compat": "compat=par",
        "amplitude": "amplitude=12",
        "cycles": "cycles=3",
        "grid": "grid=5",
        "cells": "cells=9",
    }
    family = FAMILIES[name]
    settings = family.from_text(",".join(text[key] for key in family().to_json()))
    assert settings != family()
    assert family.from_json(json.loads(json.dumps(settings.to_json()))) == settings


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("strips", "no trigger 'strips' (did you mean 'stripes'?); give one of badnet, stripes, blended,"),
        ("Blended-Txt", "did you mean 'blended-text'?"),
        ("qqq", "There is no trigger 'qqq'; give one of"),
        ("", "There is no trigger ''"),
        (
            "stripes:siz=24",
            "stripes has no setting 'siz' (did you mean 'size'?); its settings are: size, position, seed",
        ),
        ("stripes:size=225", "stripes: size is 225, but it must be a whole number from 1 to 224"),
        ("stripes:size=0", "size is 0"),
        ("stripes:size=1.5", "size is '1.5', but it must be a whole number"),
        ("stripes:seed=-1", "seed is -1, but it must be a whole number from 0 to 4294967295"),
        ("stripes:seed=4294967296", "seed is 4294967296"),
        ("stripes:position=middle", "position is 'middle', but it must be one of random, center,"),
        ("stripes:position=209x0", "16x16 px patch at row 209, column 0 does not fit"),
        ("stripes:position=full", "position is 'full'"),
        ("blended:strength=1.01", "blended: strength is 1.01, but it must be a number from 0.001 to 1.0"),
        ("blended:strength=0", "strength is 0.0"),
        ("blended:strength=nan", "strength is nan"),
        ("blended-triangles:cell=1", "cell is 1, but it must be a whole number from 2 to 224"),
        ("sig:amplitude=0", "sig: amplitude is 0.0, but it must be a number from 1.0 to 255.0"),
        ("sig:cycles=225", "sig: cycles is 225, but it must be a whole number from 1 to 224"),
        ("wanet:grid=1", "wanet: grid is 1, but it must be a whole number from 2 to 1024"),
        ("wanet:strength=33", "wanet: strength is 33.0, but it must be a number from 0.05 to 32.0"),
        ("nashville:strength=2", "nashville: strength is 2.0"),
        ("nashville:seed=1", "nashville has no setting 'seed'; its settings are: strength"),
        ("steganographic:cells=1", "steganographic: cells is 1"),
        ("steganographic:amplitude=65", "amplitude is 65, but it must be a whole number from 1 to 64"),
        ("stripes:compat=clip", "stripes: compat is 'clip', but it must be par"),
        ("blended:compat=par", "blended has no setting 'compat'"),
        ("stripes:size=3,size=4", "size is given twice"),
        ("stripes:size", "'size' is not a setting; write name=value"),
        ("stripes:", "'' is not a setting"),
        ("stripes:size=,seed=1", "'size=' is not a setting"),
    ],
)
def test_what_is_wrong_is_said(spec, words):
    with pytest.raises(TriggerError) as caught:
        parse_triggers([spec], (224, 224))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_made_in_python_are_checked_too():
    with pytest.raises(TriggerError, match="size is 500"):
        Stripes(size=500)
    with pytest.raises(TriggerError, match="size is True"):
        Stripes(size=True)
    with pytest.raises(TriggerError, match="no setting 'sized'"):
        Stripes.from_json({"sized": 3})
    with pytest.raises(TriggerError, match=r"strength is '0\.5'"):
        Blended.from_json({"strength": "0.5"})


def test_the_same_trigger_twice_is_refused():
    with pytest.raises(TriggerError, match="Trigger stripes is given twice"):
        parse_triggers(["stripes", "stripes"], (64, 64))


def test_seed_and_resolution_are_checked():
    with pytest.raises(TriggerError, match="seed is -1"):
        parse_triggers(["stripes"], (64, 64), seed=-1)
    with pytest.raises(TriggerError, match="7x9 px are under 8x8"):
        parse_triggers(["stripes"], (7, 9))
