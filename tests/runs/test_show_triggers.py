"""The list of triggers and the sheet, from the command line and from Python."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from clipsan import show_triggers
from clipsan.cli import app
from clipsan.errors import ClipsanError, DataError, OutputError, TriggerError, UsageError
from clipsan.triggers import FAMILIES, parse_triggers, write_trigger_file

GAP, LABEL = 4, 210


@pytest.fixture
def photo(tmp_path):
    pixels = np.random.RandomState(0).randint(0, 256, (40, 64, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_every_family_is_listed_with_its_source_and_settings():
    done = CliRunner().invoke(app, ["triggers", "--json"])
    assert done.exit_code == 0
    listed = json.loads(done.stdout)
    assert listed["sheet"] is None
    assert [each["name"] for each in listed["triggers"]] == list(FAMILIES)
    for each in listed["triggers"]:
        assert "arXiv" in each["source"] or "doi" in each["source"]
        assert each["does"]
        values = {setting["name"]: setting["value"] for setting in each["settings"]}
        assert values == FAMILIES[each["name"]]().to_json()
        assert all(setting["allowed"] for setting in each["settings"])


def test_the_words_go_to_stderr_and_name_ranges_when_one_is_asked_for():
    done = CliRunner().invoke(app, ["triggers", "--trigger", "sig:cycles=3"])
    assert done.exit_code == 0
    assert done.stdout == ""
    assert "cycles=3: a whole number from 1 to 224" in done.stderr
    assert "arXiv 1902.11237" in done.stderr


def test_a_sheet_on_the_users_image(photo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = show_triggers(["nashville", "stripes:position=center"], image=photo, size=32)
    assert str(shown.sheet) == "triggers.png"
    sheet = np.asarray(Image.open("triggers.png"))
    step = 128 + GAP  # 32 px are shown 4 times as large: as it is, triggered, what changed
    assert sheet.shape == (GAP + 2 * step, LABEL + 3 * step, 3)
    before, after, change = (
        sheet[GAP + step :, LABEL + place * step :][:128:4, :128:4].transpose(2, 0, 1) for place in range(3)
    )
    (stripes,) = parse_triggers(["stripes:position=center"], (32, 32))
    expected = before.copy()
    stripes.alter(expected, 0)
    np.testing.assert_array_equal(after, expected)
    np.testing.assert_array_equal(change > 0, before != after)


def test_a_sheet_on_drawn_scenes_is_the_same_each_time(tmp_path):
    for name in ("a.png", "b.png"):
        show_triggers("blended", out=tmp_path / name, size=32, seed=3)
    show_triggers("blended", out=tmp_path / "c.png", size=32, seed=4)
    first, second, third = ((tmp_path / name).read_bytes() for name in ("a.png", "b.png", "c.png"))
    assert first == second != third


def test_a_trigger_file_is_shown_with_its_target(tmp_path):
    triggers = parse_triggers(["wanet", "stripes"], (32, 32))
    triggers[0].target = "banana"
    path = write_trigger_file(tmp_path / "t", triggers)
    bent, stripes = show_triggers(str(path), size=32).triggers
    assert (bent.name, bent.family, bent.target) == ("wanet", None, "banana")
    assert "warp" in bent.does
    assert {setting.name for setting in stripes.settings} == {"pattern", "pattern_sha256", "position", "seed"}
    with pytest.raises(TriggerError, match=r"224x448 px.* with --size"):
        show_triggers(str(path))


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"trigger": "strips"}, TriggerError, "did you mean 'stripes'"),
        ({"size": 8}, UsageError, "--size is 8, but it must be from 24 to 1024"),
        ({"image": "gone.jpg"}, DataError, "'gone.jpg' does not exist"),
        ({"image": "words.png"}, DataError, "'words.png'"),
        ({"out": "sheet.jpg"}, UsageError, "give a name ending in .png"),
        ({"out": "there.png"}, OutputError, "'there.png' exists; choose another --out"),
        ({"out": "folder.png"}, OutputError, "is a folder"),
        ({"out": "no/sheet.png"}, OutputError, "Cannot write the contact sheet no/sheet.png"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_written(tmp_path, monkeypatch, changes, kind, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words.png").write_text("no picture")
    (tmp_path / "there.png").write_text("keep me")
    (tmp_path / "folder.png").mkdir()
    before = sorted(path.name for path in tmp_path.rglob("*"))
    with pytest.raises(ClipsanError) as caught:
        show_triggers(**{"trigger": "stripes", "size": 32, "out": "sheet.png", **changes})
    assert caught.type is kind
    assert words in str(caught.value)
    assert sorted(path.name for path in tmp_path.rglob("*")) == before
    assert (tmp_path / "there.png").read_text() == "keep me"


def test_overwrite_replaces_a_sheet(tmp_path):
    (tmp_path / "there.png").write_text("old")
    show_triggers("stripes", out=tmp_path / "there.png", size=32, overwrite=True)
    with Image.open(tmp_path / "there.png") as sheet:
        assert sheet.size[1] == GAP + 3 * (128 + GAP)
    assert [path.name for path in tmp_path.iterdir()] == ["there.png"]
