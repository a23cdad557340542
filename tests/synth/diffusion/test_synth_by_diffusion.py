"""`clipsan synth --maker diffusion` end to end: a tiny pipeline, stopped and resumed, cleaned with."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from PIL import Image
from tiny_language_model import write_language_model

import clipsan
from clipsan.cli import main
from clipsan.errors import OutputError, UsageError
from clipsan.runs.synth import synth
from clipsan.synthesis.diffusion.diffusion_maker import DiffusionMaker

CONCEPTS = ["dog", "cat", "red car", "tench"]


def make(folder, made, **more):
    settings = {
        "num": 6, "seed": 3, "size": 48, "concepts": CONCEPTS, "maker": "diffusion", "steps": 1,
        "model": str(made / "turbo"), "device": "cpu", "image_format": "png",
    }  # fmt: skip
    return synth(folder, **settings | more)


def rows_of(folder):
    return [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]


def pixels_of(folder, row):
    with Image.open(folder / row["file_name"]) as image:
        return np.asarray(image, int)


def bytes_of(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_from_a_model_to_pairs_to_a_cleaned_checkpoint(made, world, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "concepts.txt").write_text("\n".join(CONCEPTS))
    command = [
        "synth", "--maker", "diffusion", "--model", str(made / "turbo"), "--out", "synth", "--num", "6",
        "--size", "48", "--steps", "1", "--concepts", "concepts.txt", "--device", "cpu", "--json",
    ]  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["clipsan", *command])
    with pytest.raises(SystemExit) as stop:
        main()
    said = capsys.readouterr()
    assert stop.value.code == 0, said.err
    assert json.loads(said.out)["written"] == 6
    assert "turbo: StableDiffusionPipeline, licence mit, fp32" in said.err
    assert "guidance 0: its name has" in said.err
    rows = rows_of(tmp_path / "synth")
    assert len(rows) == 6
    for row in rows:
        assert (row["model"], row["licence"], row["maker"]) == ("turbo", "mit", "diffusion")
        assert row["prompt"] == row["text"]
        assert pixels_of(tmp_path / "synth", row).shape == (48, 48, 3)
    result = clipsan.clean(
        world / "model.safetensors", "synth/", steps=1, batch_size=4, held_out=0.34, device="cpu"
    )
    assert result.folder is not None
    assert (tmp_path / "cleaned" / "report.json").is_file()


def test_a_run_that_was_stopped_goes_on_to_the_same_folder(made, tmp_path, monkeypatch):
    make(tmp_path / "whole", made)
    real, calls = DiffusionMaker.make, []

    def stopping(self, requests):
        calls.append([request.index for request in requests])
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(self, requests)

    monkeypatch.setattr(DiffusionMaker, "make", stopping)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "stopped", made)
    assert not (tmp_path / "stopped" / "metadata.jsonl").exists()
    found = make(tmp_path / "stopped", made)
    assert (found.resumed, found.written) == (2, 6)
    assert calls == [[0, 1], [2, 3], [2, 3], [4, 5]]
    assert bytes_of(tmp_path / "stopped") == bytes_of(tmp_path / "whole")


def test_other_devices_and_batches_may_go_on_but_no_other_model(made, tmp_path, monkeypatch):
    make(tmp_path / "one", made, batch_size=1, device="cpu,cpu,cpu")
    make(tmp_path / "whole", made, batch_size=6)
    for one, other in zip(rows_of(tmp_path / "one"), rows_of(tmp_path / "whole"), strict=True):
        assert one == other
        assert np.abs(pixels_of(tmp_path / "one", one) - pixels_of(tmp_path / "whole", other)).max() <= 1
    assert make(tmp_path / "one", made, batch_size=4).resumed == 6
    with pytest.raises(OutputError, match=r"begun with maker_settings\.steps 1"):
        make(tmp_path / "one", made, steps=2)
    with pytest.raises(OutputError, match=r"begun with maker_settings\.model"):
        make(tmp_path / "one", made, model=str(made / "sd"))


def test_images_that_fail_are_made_again_then_dropped_and_counted(made, tmp_path, monkeypatch):
    real, seen = DiffusionMaker.make, []

    def failing(self, requests):
        seen.extend(request.index for request in requests)
        fails = [r.index == 4 or (r.index == 1 and seen.count(1) < 3) for r in requests]
        return [None if fail else one for fail, one in zip(fails, real(self, requests), strict=True)]

    monkeypatch.setattr(DiffusionMaker, "make", failing)
    found = make(tmp_path / "out", made)
    assert (found.written, found.dropped, found.failed, found.again) == (5, 1, 1, 4)
    rows = rows_of(tmp_path / "out")
    assert [row["file_name"] for row in rows] == [f"images/00000{at}.png" for at in (0, 1, 2, 3, 5)]
    assert seen.count(1) == 3 and seen.count(4) == 3


def test_a_judge_drops_what_stays_below_its_threshold(made, world, tmp_path):
    kept = make(tmp_path / "all", made, judge=str(world / "model"), min_agreement="-1")
    assert (kept.written, kept.again) == (6, 0)
    none = make(tmp_path / "none", made, judge=str(world / "model"), min_agreement="1")
    assert (none.written, none.dropped, none.failed) == (0, 6, 0)
    assert rows_of(tmp_path / "none") == []


def test_the_threshold_of_a_share_is_fixed_first_and_kept(made, world, tmp_path, monkeypatch):
    asked = {"judge": str(world / "model"), "min_agreement": "30%"}
    first = make(tmp_path / "out", made, **asked)
    settings = json.loads((tmp_path / "out" / "synth.json").read_text())["judge"]
    assert first.again > 0 and -1 < settings["threshold"] < 1
    (tmp_path / "out" / "metadata.jsonl").unlink()  # as if it had been stopped before its first pair
    calls = []
    real = DiffusionMaker.make
    monkeypatch.setattr(DiffusionMaker, "make", lambda self, r: calls.append(len(r)) or real(self, r))
    again = make(tmp_path / "out", made, **asked)
    assert (again.written, again.again) == (first.written, first.again)
    assert calls[0] == 2 and len(calls) < 3 + 3 * 3  # none for the threshold
    with pytest.raises(OutputError, match=r"begun with judge\."):
        make(tmp_path / "out", made, **asked | {"min_agreement": "20%"})


def test_captions_by_a_language_model(made, tmp_path):
    model = write_language_model(tmp_path / "lm", card=None)
    found = make(tmp_path / "out", made, captions_model=str(model))
    assert sum(found.captions.values()) == 6 and found.captions.get("reworded", 0) < 6
    assert {row["caption_by"] for row in rows_of(tmp_path / "out")} <= {"grammar", "language model"}
    captions = json.loads((tmp_path / "out" / "synth.json").read_text())["maker_settings"]["captions"]
    assert (captions["model"], captions["licence"]) == ("lm", "unknown")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"model": None}, "clipsan chooses none for you"),
        ({"maker": "scenes", "concepts": None, "steps": None}, "--model is for --maker diffusion"),
        ({"maker": "scenes", "concepts": None, "model": None}, "--steps is for --maker diffusion"),
        ({"maker": "painter"}, "choose scenes or diffusion"),
        ({"min_agreement": "often", "judge": "nowhere"}, "must be a cosine"),
    ],
)
def test_what_does_not_go_together(made, tmp_path, options, said):
    with pytest.raises(UsageError, match=said):
        make(tmp_path / "out", made, **options)
    assert not (tmp_path / "out").exists()
