"""`clean` and `audit` on several sources, and on images whose captions the suspect proposes."""

from __future__ import annotations

import json
import os
import shutil

import jsonschema
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import clipsan
from clipsan.checkpoint import load
from clipsan.cli import main
from clipsan.errors import DataError, UsageError
from clipsan.evaluation.encoder import Encoder
from clipsan.evaluation.proposed import propose_captions
from clipsan.pairs import ImageReader, Reading, open_pairs
from clipsan.report import json_schema, to_markdown
from clipsan.training.devices import choose_device

QUICK = {"steps": 2, "batch_size": 8, "device": "cpu"}


@pytest.fixture
def here(tmp_path, monkeypatch, world):
    """The world, its pairs also as a parquet file with names of its own, and images alone."""
    shutil.copytree(world, tmp_path / "w")
    monkeypatch.chdir(tmp_path / "w")
    pairs = open_pairs("pairs")
    columns = {"pixels": [pairs.read(i) for i in range(len(pairs))], "text": pairs.captions}
    columns["alt"] = columns["text"]
    pq.write_table(pa.table(columns), "own.parquet", row_group_size=16)
    os.mkdir("bare")
    for index in range(12):
        (tmp_path / "w" / "bare" / f"{index}.png").write_bytes(pairs.read(index))
    (tmp_path / "w" / "bare" / "broken.png").write_bytes(b"no picture")
    (tmp_path / "w" / "names.txt").write_text("fish\nboat\nclock\n")
    return tmp_path / "w"


def test_the_report_names_each_source_its_count_and_weight(here):
    result = clipsan.clean("model", ["pairs", "own.parquet"], weight=[3, 1], eval="eval", **QUICK)
    written = json.loads((here / "cleaned" / "report.json").read_text())
    jsonschema.validate(written, json_schema())
    sources = written["data"]["sources"]
    assert [(s["source"], s["pairs"], s["weight"]) for s in sources] == [
        ("pairs", 40, 3.0), ("own.parquet", 40, 1.0),
    ]  # fmt: skip
    assert written["data"]["pairs_found"] == 80
    assert "Source pairs: 40 pairs; weight 3" in to_markdown(result.report)


def test_columns_are_kept_for_an_audit_of_the_last_output(here):
    with pytest.raises(DataError, match="has no column x; its columns are pixels, text, alt"):
        clipsan.clean("model", "own.parquet", caption_column="x", **QUICK)
    done = clipsan.clean("model", "own.parquet", caption_column="alt", held_out=0.3, **QUICK).report
    again = clipsan.audit(trigger=["stripes"], device="cpu").report
    assert again.evaluation.digest == done.evaluation.digest
    assert again.evaluation.clean_accuracy == done.evaluation.clean_accuracy


def test_equal_pairs_in_other_forms_clean_to_equal_weights(here):
    one = clipsan.clean("model", "pairs", out="one", **QUICK)
    other = clipsan.clean("model", "own.parquet", caption_column="alt", out="other", **QUICK)
    assert one.report.models[1].sha256 == other.report.models[1].sha256


def test_captions_are_the_classes_that_the_suspect_sees(here):
    """What it proposes is its own zero-shot answer; given captions stay, and broken images get none."""
    suspect = load("model")
    pairs = open_pairs(["pairs", "bare"], Reading(captionless=True))
    encoder = Encoder(suspect, choose_device("cpu"))
    names = ["fish", "boat", "clock"]
    done = propose_captions(pairs, encoder, names, ["a {c}", "one {c}"])
    assert done.captions[:40] == pairs.captions[:40]
    weights = encoder.classifier(names, ["a {c}", "one {c}"])
    pixels, good = ImageReader(pairs, suspect.preprocess_cfg, suspect.image_size).batch(range(40, 53))
    seen = (encoder.images(pixels) @ weights.T).argmax(dim=1).tolist()
    assert len(good) == 12
    for index, label in zip(good, seen, strict=True):
        assert done.captions[index] in (f"a {names[label]}", f"one {names[label]}")
    assert (len(done), done.uncaptioned()) == (52, [])
    assert [skipped.name for skipped in done.skipped] == ["broken.png"]
    assert {caption.split()[0] for caption in done.captions[40:52]} == {"a", "one"}
    assert propose_captions(pairs, encoder, names, ["a {c}", "one {c}"]).captions == done.captions


def test_proposed_captions_are_marked_and_warned_of(here):
    report = clipsan.clean(
        "model", ["pairs", "bare"], captions_from="suspect", classes="names.txt", **QUICK
    ).report
    assert [source.captions for source in report.data.sources] == ["given", "proposed"]
    (warning,) = report.warnings
    assert warning.startswith("The captions of 13 of 53 images were proposed by the suspect itself")
    assert "teaches the backdoor anew" in warning
    assert (report.data.pairs_found, report.data.skipped.count) == (52, 1)
    assert report.data.pairs_held_out == 0
    assert "captions proposed by the suspect" in to_markdown(report)
    with pytest.raises(UsageError, match="prove nothing about it: give --eval"):
        clipsan.audit(trigger=["stripes"], device="cpu")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "holds images without captions: .*--captions-from suspect --classes FILE"),
        ({"captions_from": "suspect"}, "needs class names to choose from: give --classes FILE"),
        ({"captions_from": "blip", "classes": "names.txt"}, "'blip', and only 'suspect' can propose"),
        (
            {"captions_from": "suspect", "classes": "names.txt", "held_out": 0.2},
            "--held-out does not go with",
        ),
        ({"captions_from": "suspect", "classes": "gone.txt"}, "the class list gone.txt cannot be read"),
    ],
)
def test_images_without_captions_are_refused_in_one_sentence(here, settings, says):
    with pytest.raises((DataError, UsageError), match=says):
        clipsan.clean("model", "bare", **QUICK, **settings)
    assert not (here / "cleaned").exists()


def test_a_suspect_that_is_not_settled_cannot_be_settled_without_captions(here):
    shutil.copy("model.safetensors", "alone.safetensors")
    settings = QUICK | {"captions_from": "suspect", "classes": "names.txt"}
    with pytest.raises(UsageError, match="say --activation or --arch"):
        clipsan.clean("alone.safetensors", "bare", **settings)


def test_a_weight_that_repeats_pairs_within_a_batch_is_refused(here):
    (here / "few").mkdir()
    for index in range(3):
        shutil.copy(here / "bare" / f"{index}.png", here / "few")
        (here / "few" / f"{index}.txt").write_text("a fish")
    with pytest.raises(UsageError, match="asks for 4 pairs of few in each batch of 8, and there are 3"):
        clipsan.clean("model", ["pairs", "few"], weight=[1, 1], eval="eval", **QUICK)


def test_the_command_line_takes_sources_and_weights(here, monkeypatch, capsys):
    options = ["--data", "pairs", "--data", "own.parquet", "--weight", "1", "--device", "cpu", "--steps", "1"]
    monkeypatch.setattr("sys.argv", ["clipsan", "clean", "model", *options])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "--weight is 1 for 2 --data: give as many as sources" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["clipsan", "clean", "model", *options, "--weight", "2"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 3  # nothing was attacked
    weights = json.loads((here / "cleaned" / "report.json").read_text())["settings"]["weight"]
    assert weights == [1.0, 2.0]
