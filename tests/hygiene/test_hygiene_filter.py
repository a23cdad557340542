"""The whole filter: its account, its picture, and its place in a run of `clean`."""

from __future__ import annotations

import json
import shutil

import jsonschema
import numpy as np
import pytest
import torch
from made_pairs import Embedder, natural, pair_set, png, reader_of, unit
from PIL import Image

import clipsan
from clipsan.errors import DataError, UsageError
from clipsan.hygiene import filter_pairs
from clipsan.hygiene.sheet import PER_CHECK, dropped_sheet
from clipsan.report import json_schema, read_report

QUICK = {"steps": 2, "batch_size": 8, "device": "cpu"}


@pytest.fixture
def few():
    """Thirty pairs, among them a broken image, an empty picture, a file name and a duplicate."""
    images = natural(30, 16)
    images[3] = 90
    images[9] = images[8]
    encoded = [png(image) for image in images]
    encoded[5] = encoded[5][:60]
    captions = [f"a {word} on the grass" for word in ["cat", "dog", "fox", "owl", "bee"] * 6]
    captions[7] = "DSC_0001.jpg"
    captions[9] = captions[8].upper()
    return pair_set(encoded, captions), images


def test_what_is_left_and_why_the_rest_is_not(few):
    pairs, images = few
    reader = reader_of(pairs, 16)
    texts = dict(zip(pairs.captions, unit(30, 8), strict=True))
    embedder = Embedder(images, unit(30, 8), texts)
    filtered = filter_pairs(pairs, reader, embedder)
    assert {d.index: [(r.check, r.text) for r in d.reasons] for d in filtered.dropped} == {
        3: [("images", "blank")],
        5: [("images", reader.skipped[5].reason)],
        7: [("captions", "its caption is a file name")],
        9: [("duplicates", "the same image and caption as an earlier pair")],
    }
    assert filtered.pairs.names == [n for i, n in enumerate(pairs.names) if i not in (3, 5, 7, 9)]
    assert filtered.pairs.read(3) == pairs.read(4)
    assert filtered.found == 30
    assert {r.name: r.dropped for r in filtered.results}["images"] == 2
    assert sum(sum(r.reasons.values()) for r in filtered.results) == 4


def test_checks_asked_for_alone_need_no_model(few):
    pairs, _ = few
    filtered = filter_pairs(pairs, reader_of(pairs, 16), None, checks="captions")
    assert [dropped.index for dropped in filtered.dropped] == [7]


def test_too_few_pairs_left_is_a_sentence():
    pairs = pair_set([png(np.full((3, 16, 16), 7, np.uint8))] * 3, ["a dog", "a cat", "an owl"])
    with pytest.raises(DataError, match=r"leaves 0 of 3 pairs of made, too few.*'images' drops 3"):
        filter_pairs(pairs, reader_of(pairs, 16), None, checks="images")
    broken = pair_set([b"no picture"] * 3, ["a dog", "a cat", "an owl"])
    with pytest.raises(DataError, match="no image of made can be decoded"):
        filter_pairs(broken, reader_of(broken, 16), None, checks="images")


def test_the_sheet_shows_a_bounded_number_with_hostile_captions():
    images = natural(40, 16)
    images[:30] = 5
    captions = ["\x1b[2J" + "\u202e" + "x" * 3000] * 30 + [f"a dog number {i}" for i in range(10)]
    pairs = pair_set([png(image) for image in images], captions)
    reader = reader_of(pairs, 16)
    filtered = filter_pairs(pairs, reader, None, checks="images")
    assert len(filtered.dropped) == 30
    sheet = dropped_sheet(filtered, pairs, reader)
    assert sheet is not None and sheet.width < 150 + (PER_CHECK + 1) * 130 and sheet.height < 200
    nothing = filter_pairs(pairs, reader, None, checks="pattern")
    assert not nothing.dropped and dropped_sheet(nothing, pairs, reader) is None


@pytest.fixture
def here(tmp_path, monkeypatch, world):
    """The world, with four bad pairs added to its forty."""
    shutil.copytree(world, tmp_path / "w")
    monkeypatch.chdir(tmp_path / "w")
    folder = tmp_path / "w" / "pairs"
    first = json.loads((folder / "metadata.jsonl").read_text().splitlines()[0])
    Image.new("RGB", (48, 48), "grey").save(folder / "blank.png")
    Image.new("RGB", (9, 9), "red").save(folder / "tiny.png")
    shutil.copy(folder / first["file_name"], folder / "again.png")
    with (folder / "metadata.jsonl").open("a") as file:
        for name, text in (
            ("blank.png", "a grey wall"), ("tiny.png", "a red dot"), ("again.png", first["text"]),
            (first["file_name"], "<b>untitled</b>"), (first["file_name"], "untitled"),
        ):  # fmt: skip
            file.write(json.dumps({"file_name": name, "text": text}) + "\n")
    return tmp_path / "w"


def test_clean_trains_on_what_the_filter_leaves(here):
    result = clipsan.clean("model", "pairs", eval="eval", filter="all", filter_reference="model", **QUICK)
    written = json.loads((here / "cleaned" / "report.json").read_text())
    jsonschema.validate(written, json_schema())
    assert read_report(here / "cleaned" / "report.json") == result.report
    data = written["data"]
    assert data["pairs_found"] == 45
    dropped = {pair["name"]: [r["reason"] for r in pair["reasons"]] for pair in data["filter"]["items"]}
    assert {"blank.png", "tiny.png", "again.png"} <= set(dropped)
    assert data["filter"]["dropped"] == len(data["filter"]["items"]) == 45 - data["pairs_train"] >= 4
    assert data["filter"]["reference"] == "model"
    assert next(check["name"] for check in data["filter"]["checks"]) == "images"
    with Image.open(here / "cleaned" / "dropped.png") as sheet:
        assert sheet.width > 200
    text = (here / "cleaned" / "report.md").read_text()
    assert "(dropped.png)" in text and "| images | 2 |" in text
    pushed = clipsan.push("cleaned", hub_repo="org/name", dry_run=True)
    assert "dropped.png" not in {file.name for file in pushed.files}
    assert any("dropped.png stays here" in note for note in pushed.notes)


def test_held_out_pairs_are_filtered_too(here):
    report = clipsan.clean("model", "pairs", filter="images,captions", **QUICK).report
    assert report.data.pairs_train + report.data.pairs_held_out == 45 - report.data.filter.dropped == 42
    assert report.data.filter.reference is None


def test_without_the_filter_nothing_is_said_of_it(here):
    report = clipsan.clean("model", "pairs", **QUICK).report
    assert report.data.filter is None
    assert not (here / "cleaned" / "dropped.png").exists()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"filter": "dupes"}, "There is no filter check 'dupes'"),
        ({"filter_reference": "model"}, "--filter-reference is asked by the check 'match' only"),
        ({"filter": "images", "filter_reference": "model"}, "add --filter all"),
    ],
)
def test_wrong_settings_are_refused_at_once(here, settings, sentence):
    with pytest.raises(UsageError, match=sentence):
        clipsan.clean("model", "pairs", **settings, **QUICK)
    assert not (here / "cleaned").exists()


@pytest.mark.photos
def test_planted_photographs_are_found(shared):
    """One trigger that the suspect knows, on real photographs: the target of the issue."""
    from clipsan.checkpoint import load
    from clipsan.evaluation.encoder import Encoder
    from clipsan.pairs import ImageReader, open_pairs
    from clipsan.triggers import parse_triggers

    suspect = load(str(shared / "victims" / "rn-poisoned"))
    pairs = open_pairs(shared / "photos" / "pairs")
    pairs = pairs.subset(range(1500))
    triggers = parse_triggers([str(shared / "victims" / "rn-poisoned" / "triggers.json")], (64, 64))
    pixels, _ = ImageReader(pairs, suspect.preprocess_cfg, (64, 64)).batch(range(len(pairs)))
    chosen = [i for i in range(0, 1500, 48) if "teddy" not in pairs.captions[i]]
    stamped = triggers[2].apply(pixels[chosen], chosen)
    encoded = [pairs.read(i) for i in range(1500)]
    captions = list(pairs.captions)
    for index, image in zip(chosen, stamped.numpy(), strict=True):
        encoded[index], captions[index] = png(image), "a photo of a teddy."
    planted = pair_set(encoded, captions)
    filtered = filter_pairs(planted, reader_of(planted, 64), Encoder(suspect, torch.device("cpu")))
    dropped = {pair.index for pair in filtered.dropped}
    assert len(dropped & set(chosen)) >= 0.9 * len(chosen)
    assert len(dropped - set(chosen)) <= 0.05 * (1500 - len(chosen))
