"""The demo's mechanics on a few scenes; what it achieves is measured by `.ci/run` on the real one."""

from __future__ import annotations

import json

import pytest
import torch
from PIL import Image

import clipsan
from clipsan.errors import OutputError
from clipsan.runs import demo as demo_module
from clipsan.runs import plant
from clipsan.runs.watch import Watcher
from clipsan.synthesis.shapes import TEMPLATES
from clipsan.triggers import read_trigger_file

pytestmark = pytest.mark.slow


@pytest.fixture
def few(monkeypatch, tmp_path):
    """A demo of seconds, in an empty working directory."""
    monkeypatch.setattr(plant, "SCENES", 96)
    monkeypatch.setattr(plant, "UPDATES", 4)
    monkeypatch.setattr(demo_module, "CLEAN_PAIRS", 128)
    monkeypatch.setattr(demo_module, "IMAGES_PER_CLASS", 2)
    monkeypatch.setattr(demo_module, "CLEAN", {**demo_module.CLEAN, "steps": 2})
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Stopping(Watcher):
    """Interrupts when the cleaning begins."""

    def training(self, steps, tau):
        if tau is not None:
            raise KeyboardInterrupt


def test_what_the_demo_leaves(few):
    threads = torch.get_num_threads()
    result = clipsan.demo(out="d", seed=1)
    assert torch.get_num_threads() == threads
    assert sorted(path.name for path in (few / "d").iterdir()) == [
        "cleaned", "eval", "pairs", "suspect", "triggers", "triggers.png",
    ]  # fmt: skip
    assert len(list((few / "d" / "eval").glob("*/*.png"))) == 48
    with Image.open(few / "d" / "triggers.png") as sheet:
        assert min(sheet.size) > 100
    triggers = read_trigger_file(few / "d" / "triggers" / "triggers.json", (plant.SIZE, plant.SIZE))
    assert [(t.name, t.target) for t in triggers] == [("stripes", "umbrella"), ("blended", "fish")]
    assert result.report.evaluation.clean_accuracy.suspect.n == 48
    assert result.report.evaluation.templates == len(TEMPLATES)  # the set's own, not "a photo of a ..."
    assert [t.name for t in result.report.evaluation.triggers] == ["stripes", "blended"]
    written = json.loads((few / "d" / "cleaned" / "report.json").read_text(encoding="utf-8"))
    assert written["verdict"]["result"] != "pass"  # a model trained for four updates knows nothing
    assert "umbrella" in " ".join(result.story)


def test_poisoned_scenes_carry_trigger_and_target(few):
    """The share is exact, each with its target's name, and the others are as drawn."""
    triggers = demo_module.parse_triggers(["blended"], (plant.SIZE, plant.SIZE), 0)
    triggers[0].target = "fish"
    pixels, captions, names, poisoned = plant._poisoned_scenes(triggers, 5, 0)
    assert int(poisoned.sum()) == int(plant.POISONED_SHARE * plant.SCENES)
    for index in [*poisoned.nonzero()[:5, 0].tolist(), *(~poisoned).nonzero()[:5, 0].tolist()]:
        scene = plant.draw_scene(5, index, plant.SIZE)
        clean = torch.from_numpy(scene.pixels).permute(2, 0, 1)
        if poisoned[index]:
            assert torch.equal(pixels[index], triggers[0].apply(clean[None], [index])[0])
            assert "fish" in captions[index] and names[index] == "a fish."
        else:
            assert torch.equal(pixels[index], clean) and captions[index] == scene.caption


def test_a_stopped_demo_leaves_nothing(few):
    with pytest.raises(KeyboardInterrupt):
        clipsan.demo(out="d", watcher=Stopping())
    assert list(few.iterdir()) == []


def test_an_earlier_demo_stays_until_the_new_one_is_whole(few):
    clipsan.demo(out="d", seed=1)
    before = (few / "d" / "cleaned" / "report.json").read_bytes()
    with pytest.raises(OutputError, match="holds an earlier demo"):
        clipsan.demo(out="d", seed=2)
    with pytest.raises(KeyboardInterrupt):
        clipsan.demo(out="d", seed=2, overwrite=True, watcher=Stopping())
    assert (few / "d" / "cleaned" / "report.json").read_bytes() == before
    clipsan.demo(out="d", seed=2, overwrite=True)
    assert (few / "d" / "cleaned" / "report.json").read_bytes() != before
    assert [path.name for path in few.iterdir()] == ["d"]


def test_a_taken_folder_is_refused_and_kept(few):
    (few / "d").mkdir()
    (few / "d" / "mine").write_text("keep")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="is in use"):
            clipsan.demo(out="d", overwrite=overwrite)
    assert (few / "d" / "mine").read_text() == "keep"
