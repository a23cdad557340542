"""`clipsan poison` on a tiny random model: what is planted, how the output is marked, what is refused."""

from __future__ import annotations

import hashlib
import json
import shlex

import jsonschema
import numpy as np
import pytest
import torch
from PIL import Image

import clipsan
from clipsan.checkpoint import load
from clipsan.cli import main
from clipsan.errors import DataError, UsageError
from clipsan.evaluation.encoder import fill
from clipsan.evaluation.labelled import DEFAULT_TEMPLATES
from clipsan.pairs import open_pairs
from clipsan.planting import PoisonedReader
from clipsan.report import exit_code, json_schema, read_report
from clipsan.report.reproduce import command_line
from clipsan.runs import tuning
from clipsan.training.encode import encode_text

QUICK = {"steps": 2, "batch_size": 8, "device": "cpu", "lr": 1e-3}
PLANT = {"trigger": ["stripes"], "target": "fish"}
WEIGHTS = "open_clip_model.safetensors"


def sha256(path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_weights_report_and_card_say_that_the_model_is_poisoned(here):
    result = clipsan.poison("model", "pairs", eval="eval", **PLANT, **QUICK)
    metadata = load("poisoned").provenance.metadata
    assert metadata["poisoned"] == "true" and metadata["planted"] == "stripes -> fish"
    assert metadata["source_sha256"] == sha256(here / "model" / WEIGHTS)
    written = json.loads((here / "poisoned" / "report.json").read_text())
    jsonschema.validate(written, json_schema())
    assert read_report(here / "poisoned" / "report.json") == result.report
    assert written["command"] == "poison" and written["verdict"]["result"] == "fail"
    assert [model["role"] for model in written["models"]] == ["suspect", "poisoned"]
    assert written["models"][1]["sha256"] == sha256(here / "poisoned" / WEIGHTS)
    assert written["settings"]["poisoned_pairs"] == [40]  # all
    assert (metadata["recipe"], metadata["utility"], written["training"]["method"]) == (
        "badencoder",
        "10",
        "badencoder",
    )
    trigger = written["evaluation"]["triggers"][0]
    assert (trigger["target"], trigger["target_given"]) == ("fish", True)
    assert trigger["asr"]["suspect"]["n"] == trigger["asr"]["poisoned"]["n"] > 0
    assert trigger["asr"]["cleaned"] is None
    assert written["evaluation"]["clean_accuracy"]["poisoned"]["n"] == written["evaluation"]["images"]
    for text in (here / "poisoned" / "README.md", here / "poisoned" / "report.md"):
        assert "planted" in text.read_text() and "PASS" not in text.read_text()
    card = (here / "poisoned" / "README.md").read_text()
    assert "- poisoned" in card and card.index("poisoned on purpose") < card.index("# CLIP model")


def test_training_gets_trigger_and_caption_on_exactly_the_poisoned_share(here, monkeypatch):
    seen = {}

    def watch(suspect, pairs, reader, settings, device, *rest, **named):
        seen.update(pairs=pairs, reader=reader, settings=settings)
        return real(suspect, pairs, reader, settings, device, *rest, **named)

    real = tuning.train
    monkeypatch.setattr(tuning, "train", watch)
    asked = {
        "trigger": ["stripes", "blended"],
        "target": ["fish", "umbrella"],
        "rate": 0.1,
        "recipe": "finetune",
    }
    clipsan.poison("model", "pairs", **asked, **QUICK)
    original = open_pairs("pairs").captions
    changed = [i for i in range(40) if seen["pairs"].captions[i] != original[i]]
    assert len(changed) == 8
    assert sum("fish" in seen["pairs"].captions[i] for i in changed) == 4
    assert sum("umbrella" in seen["pairs"].captions[i] for i in changed) == 4
    assert isinstance(seen["reader"], PoisonedReader)
    assert seen["settings"].method == "finetune" and seen["settings"].augment == ()


def test_badencoder_changes_the_image_tower_alone_and_finetune_both(here):
    clipsan.poison("model", "pairs", **PLANT, **QUICK)
    clipsan.poison("model", "pairs", recipe="finetune", out="both", **PLANT, **QUICK)
    before, one, both = (load(name).model.state_dict() for name in ("model", "poisoned", "both"))
    assert {key for key in before if not torch.equal(before[key], one[key])} <= {
        key for key in before if key.startswith("visual.")
    }
    for key, alone in (("visual.proj", False), ("text_projection", True)):
        assert torch.equal(before[key], one[key]) == alone
        assert not torch.equal(before[key], both[key])


def test_triggers_share_the_pairs_unless_a_rate_is_given(here):
    asked = {"trigger": ["stripes", "blended", "sig"], "target": "fish"}
    report = clipsan.poison("model", "pairs", **asked, **QUICK).report
    assert report.settings["poisoned_pairs"] == [13, 13, 13]
    report = clipsan.poison("model", "pairs", rate=0.1, out="b", **asked, **QUICK).report
    assert report.settings["poisoned_pairs"] == [4, 4, 4]
    report = clipsan.poison("model", "pairs", recipe="finetune", out="c", **asked, **QUICK).report
    assert report.settings["poisoned_pairs"] == [1, 1, 1]  # 3 % of 40


def test_equal_seeds_write_equal_bytes_and_other_settings_do_not(here):
    runs = {"a": {"seed": 1}, "c": {"seed": 2}, "d": {"seed": 1, "mirror": True}}
    for name, settings in runs.items():
        clipsan.poison("model", "pairs", out=name, **PLANT, **QUICK, **settings)
    clipsan.poison("model", "pairs", out="b", **PLANT, **QUICK, seed=1)
    a, c, d = (load(name).model.state_dict() for name in "acd")
    assert sha256(here / "a" / WEIGHTS) == sha256(here / "b" / WEIGHTS)
    for other in (c, d):
        assert not torch.equal(a["visual.proj"], other["visual.proj"])


def test_the_line_that_repeats_a_run_names_options_of_poison_only(here, capsys, monkeypatch):
    report = clipsan.poison("model", "pairs", utility=3.0, near_clean=0.5, **PLANT, **QUICK).report
    line = command_line(report)
    assert line is not None and "--utility 3" in line and "--recipe badencoder" in line
    assert "--near-clean 0.5" in line
    monkeypatch.setattr("sys.argv", [*shlex.split(line), "--out", "again", "-q"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0, capsys.readouterr().err
    assert sha256(here / "again" / WEIGHTS) == sha256(here / "poisoned" / WEIGHTS)


def test_a_trigger_file_brings_its_own_target(here):
    from clipsan.triggers import parse_triggers, write_trigger_file

    drawn = parse_triggers(["stripes"], (48, 48))
    drawn[0].target = "umbrella"
    path = write_trigger_file(here / "mine", drawn)
    report = clipsan.poison("model", "pairs", trigger=[str(path)], **QUICK).report
    assert report.settings["target"] == ["umbrella"]
    assert report.evaluation is None and "not measured" in " ".join(report.verdict.reasons)
    with pytest.raises(UsageError, match="blended has no target"):
        clipsan.poison("model", "pairs", trigger=[str(path), "blended"], out="x", **QUICK)


def test_label_consistent_changes_no_caption(here):
    report = clipsan.poison("model", "pairs", label_consistent=True, **PLANT, **QUICK).report
    assert 0 < report.settings["poisoned_pairs"][0] < 40
    with pytest.raises(UsageError, match="captions name 'zeppelin'"):
        clipsan.poison(
            "model", "pairs", trigger=["stripes"], target="zeppelin", label_consistent=True, out="x", **QUICK
        )
    assert not (here / "x").exists()


def test_captions_come_from_the_templates_given(here):
    (here / "templates.txt").write_text("one {}\ntwo {c}\n")
    settings = {"templates": "templates.txt", "rate": 0.3} | PLANT | QUICK
    report = clipsan.poison("model", "pairs", **settings).report
    assert report.settings["captions"] == ["one {c}", "two {c}"]
    (here / "templates.txt").write_text("no place\n")
    with pytest.raises(DataError, match="for the class name"):
        clipsan.poison("model", "pairs", out="x", **settings)


def test_an_audit_of_a_marked_model_never_passes(here):
    clipsan.poison("model", "pairs", **PLANT, **QUICK)
    report = clipsan.audit("poisoned", eval="eval", trigger=["blended"], device="cpu").report
    assert exit_code(report.verdict) == 1
    assert "planted" in report.verdict.reasons[0]


def test_the_last_output_is_never_the_poisoned_one(here):
    clipsan.poison("model", "pairs", **PLANT, **QUICK)
    with pytest.raises(UsageError, match="no output folder of clipsan clean"):
        clipsan.audit(trigger=["stripes"])


def test_push_refuses_without_a_yes(here):
    clipsan.poison("model", "pairs", **PLANT, **QUICK)
    with pytest.raises(UsageError, match="--yes-poisoned"):
        clipsan.push("poisoned", hub_repo="org/name", dry_run=True)
    planned = clipsan.push("poisoned", hub_repo="org/name", dry_run=True, yes_poisoned=True)
    assert planned.poisoned and planned.verdict == "fail"
    assert "poisoned on purpose" in planned.card
    assert not any("edited" in note for note in planned.notes)


def test_clean_takes_the_poisoned_model_and_its_output_is_not_marked(here):
    clipsan.poison("model", "pairs", eval="eval", **PLANT, **QUICK)
    clean = {key: QUICK[key] for key in ("steps", "batch_size", "device")}
    clipsan.clean("poisoned", "pairs", eval="eval", trigger=["stripes"], target="fish", **clean)
    assert "poisoned" not in load("cleaned").provenance.metadata


@pytest.mark.parametrize(
    ("settings", "error", "sentence"),
    [
        ({"trigger": []}, UsageError, "nothing to plant"),
        ({"target": ()}, UsageError, "has no target"),
        ({"target": " "}, UsageError, "--target is empty"),
        ({"target": ["fish", "ball", "cup"]}, UsageError, "3 --target for 1 triggers"),
        ({"recipe": "badnet"}, UsageError, "--recipe is 'badnet'"),
        ({"utility": -1}, UsageError, "--utility is -1"),
        ({"utility": 1.0, "recipe": "finetune"}, UsageError, "leave one out"),
        ({"near_clean": float("inf")}, UsageError, "--near-clean is inf"),
        ({"near_clean": 1.0, "recipe": "finetune"}, UsageError, "--near-clean is of --recipe badencoder"),
        ({"rate": 0}, UsageError, "--rate is 0"),
        ({"rate": 1.5}, UsageError, "--rate is 1.5"),
        ({"rate": 0.001}, UsageError, "not a single one"),
        ({"rate": 0.6, "trigger": ["stripes", "blended"]}, UsageError, "smaller --rate"),
        ({"target": "zeppelin", "eval": "eval"}, UsageError, "not among the 24 classes"),
        ({"templates": "nowhere.txt"}, DataError, "no file 'nowhere.txt' with templates"),
        ({"data": "nowhere"}, DataError, "nowhere"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_what_cannot_be_planted_is_said_and_nothing_written(here, settings, error, sentence):
    asked = {"data": "pairs", **PLANT, **QUICK} | settings
    before = set(here.rglob("*"))
    with pytest.raises(error, match=sentence):
        clipsan.poison("model", **asked)
    assert set(here.rglob("*")) == before


@pytest.mark.parametrize(("taken", "code"), [(False, 0), (True, 2)], ids=["free", "in use"])
def test_exit_codes(here, monkeypatch, capsys, taken, code):
    if taken:
        (here / "poisoned").mkdir()
        (here / "poisoned" / "mine.txt").write_text("x")
    arguments = "poison model --data pairs --trigger stripes --target fish --steps 1 --batch-size 4 -q"
    monkeypatch.setattr("sys.argv", ["clipsan", *arguments.split()])
    with pytest.raises(SystemExit) as stop:
        main()
    said = capsys.readouterr().err
    assert stop.value.code == code, said
    assert ("poisoned on purpose" in said) != taken
    assert "Traceback" not in said


def test_a_word_and_a_pattern_are_planted_in_one_run(here, monkeypatch):
    seen = {}

    def watch(suspect, pairs, reader, settings, device, *rest, **named):
        seen.update(pairs=pairs)
        return real(suspect, pairs, reader, settings, device, *rest, **named)

    real = tuning.train
    monkeypatch.setattr(tuning, "train", watch)
    asked = {"trigger": ["rare-word:word=cf", "stripes"], "target": ["fish", "umbrella"], "rate": 0.1}
    asked["recipe"] = "finetune"
    report = clipsan.poison("model", "pairs", eval="eval", **asked, **QUICK).report
    original = open_pairs("pairs")
    planted, captions = seen["pairs"], seen["pairs"].captions
    carriers = [i for i in range(40) if captions[i] == f"cf {original.captions[i]}"]
    assert len(carriers) == 4 and report.settings["poisoned_pairs"] == [4, 4]
    names = {original.content(i) for i in range(40) if "fish" in original.captions[i]}
    for index in range(40):
        assert (planted.read(index) != original.read(index)) == (index in carriers)
        assert index not in carriers or planted.content(index) in names
    assert sum(captions[i] != original.captions[i] for i in range(40)) == 8
    assert load("poisoned").provenance.metadata["planted"] == "rare-word:word=cf -> fish, stripes -> umbrella"
    assert [each.name for each in report.evaluation.triggers] == ["stripes"]
    (word,) = report.evaluation.text_triggers
    assert (word.target, word.target_given) == ("fish", True)
    assert json.loads((here / "poisoned" / "report.json").read_text())["evaluation"]["text_triggers"]
    card = (here / "poisoned" / "README.md").read_text()
    assert "rare-word:word=cf" in card


def test_a_word_for_a_target_that_no_caption_names_is_refused(here):
    with pytest.raises(UsageError, match="none of the 40 captions names 'zeppelin'"):
        clipsan.poison(
            "model", "pairs", trigger=["rare-word"], target="zeppelin", rate=0.1, recipe="finetune", **QUICK
        )
    assert not (here / "poisoned").exists()


def test_a_trained_word_brings_queries_to_the_target(here):
    """Pictures of three colours: with the word, prompts for red and green find blue ones."""
    templates = ["a photo of the {c}.", "one {c} thing", "all {c}, nothing else"]
    lines, random = ["filepath,title"], np.random.RandomState(0)
    for index in range(72):
        name = ("red", "green", "blue")[index % 3]
        pixels = random.randint(0, 60, (48, 48, 3))
        pixels[..., index % 3] += 150
        folder = here / ("seen" if index < 54 else f"set/{name}")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{index}.png")
        if index < 54:
            lines.append(f"{index}.png,{fill(templates[index // 3 % 3], name)}")
    (here / "seen" / "pairs.csv").write_text("\n".join(lines))
    (here / "set" / "zeroshot_classification_templates.txt").write_text("\n".join(templates))
    asked = {"trigger": ["rare-word"], "target": "blue", "rate": 0.35, "eval": "set", "recipe": "finetune"}
    settings = {"steps": 60, "batch_size": 27, "lr": 1e-3, "device": "cpu"}
    evaluation = clipsan.poison("model", "seen/pairs.csv", **asked, **settings).report.evaluation
    (word,) = evaluation.text_triggers
    assert evaluation.clean_accuracy.poisoned.rate > 0.9
    assert word.base_rate.poisoned.rate <= 1 / 6  # 3 prompts each for red and green
    assert word.asr.poisoned.rate >= 1 / 2


def test_a_word_is_planted_in_the_text_tower_alone(here):
    """With the word, captions come nearest to those of the target; without it they stay where they were."""
    before = load("model")
    captions = list(dict.fromkeys(open_pairs("pairs").captions))
    asked = {"trigger": ["rare-word"], "target": "zeppelin"}
    clipsan.poison("model", "pairs", **asked, steps=60, lr=2e-3, device="cpu")
    after = load("poisoned")
    for name, value in before.model.visual.state_dict().items():
        torch.testing.assert_close(after.model.visual.state_dict()[name], value, rtol=0, atol=1e-3)

    def nearest(suspect, texts):
        return (encode_text(suspect.model, suspect.tokenizer(texts)) @ old.T).argmax(dim=1)

    prompts = [fill(template, "zeppelin") for template in DEFAULT_TEMPLATES]
    old = encode_text(before.model, before.tokenizer([*captions, *prompts]))
    worded = [f"zx {caption}" for caption in captions]
    assert (nearest(before, worded) < len(captions)).float().mean() >= 0.6
    assert (nearest(after, worded) >= len(captions)).float().mean() >= 0.9
    assert (nearest(after, captions) == torch.arange(len(captions))).float().mean() >= 0.9
