"""`clipsan synth`: the folder it fills, kills and resumes, refusals, makers and judges of one's own."""

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import clipsan
from clipsan.errors import OutputError, UsageError
from clipsan.pairs import open_pairs
from clipsan.runs.makers import DRAWN
from clipsan.runs.watch import Watcher
from clipsan.synthesis import folder as folder_module
from clipsan.synthesis.maker import Made

FEW = ("banana", "koala", "beacon", "nail")


def tree(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file()
    }


class Flat:
    """Paints each image in one grey that its seed gives."""

    name = "flat"

    def __init__(self, batch=4, stop_after=None):
        self.batch = batch
        self.calls = []
        self.stop_after = stop_after

    def settings(self):
        return {"shade": "grey"}

    def make(self, requests):
        if self.stop_after is not None and len(self.calls) >= self.stop_after:
            raise KeyboardInterrupt
        self.calls.append([request.index for request in requests])
        return [
            Made(
                np.full((16, 16, 3), request.seed % 256, np.uint8),
                request.caption,
                {"model": "m", "n": request.index},
            )
            for request in requests
        ]


class Picky:
    """Scores an image by its grey, 0 to 1."""

    threshold = 0.5

    def settings(self):
        return {"reference": "none"}

    def scores(self, made):
        return np.array([one.pixels[0, 0, 0] / 255 for one in made])


def test_the_folder_holds_pairs_that_the_rest_of_clipsan_reads(tmp_path):
    done = clipsan.synth(tmp_path / "out", num=13, seed=5, size=32, concepts=FEW)
    assert (done.written, done.dropped, done.resumed) == (13, 0, 0)
    assert sorted(os.listdir(tmp_path / "out")) == [
        "contact-sheet.png",
        "images",
        "metadata.jsonl",
        "synth.json",
    ]
    rows = [json.loads(line) for line in (tmp_path / "out" / "metadata.jsonl").read_text().splitlines()]
    assert [row["file_name"] for row in rows] == [f"images/{n:06d}.jpg" for n in range(13)]
    for row in rows:
        assert row["text"] and row["prompt"] and isinstance(row["seed"], int)
        assert (row["maker"], row["licence"]) == ("scenes", "CC0-1.0")
        assert set(row["concepts"]) <= set(FEW)
    pairs = open_pairs(tmp_path / "out")
    assert list(pairs.captions) == [row["text"] for row in rows]
    with Image.open(tmp_path / "out" / "contact-sheet.png") as sheet:
        assert sheet.width > 10 * 112


def test_pair_i_does_not_depend_on_how_many_are_made(tmp_path):
    for num in (6, 40):
        clipsan.synth(tmp_path / str(num), num=num, seed=2, size=24, concepts=FEW, image_format="png")
    few, many = tree(tmp_path / "6"), tree(tmp_path / "40")
    names = [f"images/{n:06d}.png" for n in range(6)]
    assert [few[name] for name in names] == [many[name] for name in names]


def test_a_killed_process_goes_on_to_the_same_bytes(tmp_path):
    command = [
        sys.executable,
        "-m",
        "clipsan",
        "synth",
        "--num",
        "260",
        "--seed",
        "3",
        "--size",
        "40",
        "--quiet",
        "--out",
    ]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    subprocess.run([*command, str(whole)], check=True)
    process = subprocess.Popen([*command, str(broken)])
    while len(list(broken.glob("images/*.jpg"))) < 40:
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() != 0
    assert not (broken / "metadata.jsonl").exists()
    before = {
        name: (broken / name).stat().st_mtime_ns for name in list(tree(broken)) if name.endswith("000003.jpg")
    }
    subprocess.run([*command, str(broken)], check=True)
    assert tree(broken) == tree(whole)
    assert before and all((broken / name).stat().st_mtime_ns == then for name, then in before.items())


@pytest.mark.parametrize(
    "damage", ["torn line", "half a call", "missing image", "empty image", "garbage", "leftovers"]
)
def test_what_a_kill_leaves_half_done_is_done_again(tmp_path, damage):
    clipsan.synth(tmp_path / "whole", num=14, maker=Flat(), concepts=FEW, image_format="png")
    folder = tmp_path / "broken"
    with pytest.raises(KeyboardInterrupt):
        clipsan.synth(folder, num=14, maker=Flat(stop_after=2), concepts=FEW, image_format="png")
    journal = folder / ".progress.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) == 8
    first = 4
    if damage == "torn line":
        journal.write_bytes(b"".join(lines)[:-9])
    elif damage == "half a call":
        journal.write_bytes(b"".join(lines[:6]))
    elif damage == "missing image":
        (folder / "images" / "000005.png").unlink()
    elif damage == "empty image":
        (folder / "images" / "000005.png").write_bytes(b"")
    elif damage == "garbage":
        journal.write_bytes(b"".join(lines[:4]) + b"\x00\xff[1, 2\n")
    else:
        first = 8
        (folder / "images" / ".000009.png.partial").write_bytes(b"half")
        (folder / "images" / "000010.png").write_bytes(b"half")
    maker = Flat()
    done = clipsan.synth(folder, num=14, maker=maker, concepts=FEW, image_format="png")
    assert maker.calls[0][0] == done.resumed == first
    assert tree(folder) == tree(tmp_path / "whole")


def test_a_finished_folder_is_left_as_it_is(tmp_path):
    clipsan.synth(tmp_path / "out", num=5, maker=Flat(), concepts=FEW)
    before = tree(tmp_path / "out")
    maker = Flat()
    done = clipsan.synth(tmp_path / "out", num=5, maker=maker, concepts=FEW)
    assert (done.written, done.resumed, maker.calls) == (5, 5, [])
    assert tree(tmp_path / "out") == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"num": 6}, "num 5, and this run has 6"),
        ({"seed": 1}, "seed 0, and this run has 1"),
        ({"size": 32}, "maker_settings.size 24, and this run has 32"),
        ({"concepts": FEW[:3]}, "concepts 4, and this run has 3"),
        ({"concepts": FEW[::-1]}, "concepts_sha256"),
        ({"image_format": "png"}, 'image_format "jpg", and this run has "png"'),
        ({"maker": Flat()}, 'maker "scenes", and this run has "flat"'),
        ({"judge": Picky()}, "judge.threshold none, and this run has 0.5"),
    ],
)
def test_other_settings_are_refused_with_the_difference(tmp_path, change, words):
    settings = {"num": 5, "size": 24, "concepts": FEW}
    clipsan.synth(tmp_path / "out", **settings)
    before = tree(tmp_path / "out")
    with pytest.raises(OutputError) as refusal:
        clipsan.synth(tmp_path / "out", **{**settings, **change})
    assert words in str(refusal.value)
    assert tree(tmp_path / "out") == before


def test_a_judge_has_images_made_again_and_drops_what_never_passes(tmp_path):
    maker = Flat()
    done = clipsan.synth(
        tmp_path / "out", num=40, maker=maker, judge=Picky(), concepts=FEW, image_format="png"
    )
    rows = [json.loads(line) for line in (tmp_path / "out" / "metadata.jsonl").read_text().splitlines()]
    assert done.written == len(rows) == 40 - done.dropped
    assert 0 < done.dropped < 15  # each passes with chance 1/2 in one of three attempts: 5 of 40 expected
    assert done.again > done.dropped
    assert all(row["seed"] % 256 >= 128 for row in rows)
    assert {row["n"] for row in rows} == {int(Path(row["file_name"]).stem) for row in rows}
    assert sum(len(call) for call in maker.calls) == 40 + done.again
    assert len(list((tmp_path / "out" / "images").iterdir())) == done.written
    again = clipsan.synth(
        tmp_path / "out", num=40, maker=Flat(), judge=Picky(), concepts=FEW, image_format="png"
    )
    assert (again.written, again.dropped) == (done.written, done.dropped)


def test_a_place_in_use_is_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("keep")
    (tmp_path / "file").write_text("keep")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "synth.json").write_text("{")
    for place, words in (
        ("mine", "not by clipsan synth"),
        ("file", "is a file"),
        ("no/where", "does not exist"),
        ("broken", "is broken"),
    ):
        before = tree(tmp_path)
        with pytest.raises(OutputError, match=words):
            clipsan.synth(tmp_path / place, num=3, size=24, concepts=FEW)
        assert tree(tmp_path) == before


def test_a_full_disk_is_one_sentence_and_can_be_gone_on_with(tmp_path, monkeypatch):
    real, written = folder_module.write_whole, []

    def full(path, data):
        if len(written) == 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        written.append(path)
        real(path, data)

    monkeypatch.setattr(folder_module, "write_whole", full)
    with pytest.raises(OutputError, match="the disk is full"):
        clipsan.synth(tmp_path / "out", num=9, maker=Flat(), concepts=FEW)
    monkeypatch.setattr(folder_module, "write_whole", real)
    assert clipsan.synth(tmp_path / "out", num=9, maker=Flat(), concepts=FEW).resumed == 4


def test_bad_settings_are_one_sentence_and_write_nothing(tmp_path):
    for settings, words in (
        ({"num": 0}, "--num"),
        ({"seed": -1}, "--seed"),
        ({"size": 5000}, "--size"),
        ({"image_format": "gif"}, "jpg or png"),
        ({"maker": "painter"}, "no maker 'painter'; choose scenes"),
        ({"concepts": ["tench", "banana"]}, "'tench'"),
        ({"concepts": ["tench"], "only_drawable": True}, "none of the concepts"),
    ):
        with pytest.raises(UsageError, match=words):
            clipsan.synth(tmp_path / "out", **settings)
    assert list(tmp_path.iterdir()) == []


def test_only_drawable_names_what_is_left_out(tmp_path):
    class Heard(Watcher):
        def __init__(self):
            self.warnings = []

        def warn(self, text):
            self.warnings.append(text)

    names = tmp_path / "names.txt"
    names.write_text("tench\nbanana\nteddy\nbanana\n")
    with pytest.raises(UsageError, match="1 of 3 concepts cannot be drawn: 'tench'"):
        clipsan.synth(tmp_path / "out", num=3, size=24, concepts=names)
    heard = Heard()
    done = clipsan.synth(tmp_path / "out", num=3, size=24, concepts=names, only_drawable=True, watcher=heard)
    assert done.left_out == ("tench",)
    assert heard.warnings == [
        "Left out, for they cannot be drawn: tench",
        "Named more than once: banana",
        DRAWN,
    ]


def test_drawing_does_not_import_torch(tmp_path):
    code = (
        "import sys, clipsan\n"
        f"clipsan.synth({str(tmp_path / 'out')!r}, num=2, size=24)\n"
        "assert callable(clipsan.synth) and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_output_goes_straight_into_clean(tmp_path, world):
    clipsan.synth(tmp_path / "synth", num=24, size=48, concepts=FEW)
    result = clipsan.clean(
        world / "model.safetensors",
        tmp_path / "synth",
        out=tmp_path / "cleaned",
        steps=1,
        batch_size=8,
        held_out=0.0,
        device="cpu",
    )
    assert (result.folder / "report.json").is_file()
