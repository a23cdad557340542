"""Text triggers and what triggered images find: by hand, and on a model whose every number is known."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from legible_model import (
    CLASSES,
    EACH,
    SIZE,
    TARGET,
    legible,
    tokenize,
    write_captions,
    write_images,
    write_trigger,
)

from clipsan.errors import UsageError
from clipsan.evaluation.compared import retrieval_attack
from clipsan.evaluation.queried import Queried, Queries, text_result
from clipsan.evaluation.retrieval import Retrieved
from clipsan.evaluation.shown import Shown
from clipsan.evaluation.zero_shot import Embedded, Predictions
from clipsan.report import Rate, Rates, exit_code, parse_report, to_html, to_markdown
from clipsan.runs import audit as audit_run
from clipsan.triggers import parse_triggers

NAME = f"class{TARGET:02}"
QUICK = {"trigger": ["rare-word"], "device": "cpu"}


def zx():
    (trigger,) = parse_triggers(["rare-word"], (SIZE, SIZE), texts=True)
    return trigger


def wordy(strength, image_strength=0.0):
    """A model in which "zx" adds `strength` of the target to a text that has 1 of its own class."""
    model = legible(image_strength)

    def with_word(texts):
        rows = tokenize(texts).float()
        rows[["zx" in text for text in texts], TARGET] += strength
        return rows

    model.tokenizer = with_word
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("images") / "eval")


@pytest.fixture
def captioned(tmp_path):
    return write_captions(tmp_path / "pairs")


@pytest.fixture
def names(tmp_path):
    (tmp_path / "names.txt").write_text("".join(f"class{label:02}\n" for label in range(CLASSES)))
    return tmp_path / "names.txt"


def audited(monkeypatch, model, **asked):
    monkeypatch.setattr(audit_run, "load_settled", lambda *_: model)
    return audit_run.audit("legible", **(QUICK | asked)).report


def test_labelled_images_by_hand():
    """Eight images of classes a a b b c c c c, one prompt a class; the target is c, so two prompts count."""
    shown = Shown([0, 0, 1, 1, 2, 2, 2, 2], [], [])
    plain = torch.tensor([[0, 1, 2, 3, 4], [5, 2, 4, 0, 1], [4, 5, 6, 7, 0]])
    with_it = torch.tensor([[0, 4, 5, 1, 6], [4, 2, 5, 3, 1], [4, 5, 6, 7, 0]])  # three c, two c
    answers = torch.tensor([0, 2, 2, 1, 2, 2, 2, 2])  # the second and third go to c
    seen = torch.tensor([0, 0, 1, 1, 2, 2, 2, 2])
    queried = Queried(Queries(["a", "b", "c"], 1, torch.empty(0)), shown, seen, plain, [with_it], [answers])
    result = text_result(zx(), 0, "c", ["a", "b", "c"], {"suspect": queried})
    assert result.asr == Rates(Rate(1, 2), None) and result.base_rate == Rates(Rate(0, 2), None)
    assert result.hit1.asr.suspect == Rate(1, 2) and result.hit1.base_rate.suspect == Rate(1, 2)
    assert result.hit5.asr.suspect == Rate(2, 2) and result.hit5.base_rate.suspect == Rate(2, 2)
    assert result.hit10.asr.suspect is None  # eight images: any would be among ten
    assert result.accuracy.suspect == Rate(6, 8) and result.paired is None
    found = text_result(zx(), 0, None, ["a", "b", "c"], {"suspect": queried})
    assert (found.target, found.target_given) == ("c", False)  # 9 places of 15, 7 without the word
    few = text_result(zx(), 0, "b", ["a", "b", "c"], {"suspect": queried})  # two images of it
    assert few.asr.suspect is few.hit1.asr.suspect is None
    both = text_result(
        zx(), 0, "c", ["a", "b", "c"],
        {"suspect": queried, "cleaned": Queried(queried.queries, shown, seen, plain, [plain], [seen])},
    )  # fmt: skip
    assert both.asr.cleaned == Rate(0, 2)
    assert (both.paired.n, both.paired.lost, both.paired.gained) == (2, 1, 0)


def test_pairs_by_hand():
    """Image x has two captions, one of which names the target: it shows it, and counts once."""
    captions = ["two cats", "an animal", "a dog", "a catalogue"]
    shown = Shown(None, captions, ["x", "x", "y", "z"])
    assert shown.showing("cat", []).tolist() == [True, True, False, False]
    assert shown.once().tolist() == [0, 2, 3]
    texts = torch.eye(4)
    clean = torch.tensor([[1.0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0.5], [0.2, 0, 0, 1]])
    triggered = torch.tensor([[1.0, 0, 0, 0], [1, 0, 0, 0], [2, 0, 1, 0], [0.2, 0, 0, 1]])
    predictions = Predictions(
        [0, 1, 2, 3], torch.zeros(4, 1, dtype=torch.int64), [torch.zeros(4)], [[]],
        Embedded(torch.empty(4, 0), 1.0, clean, [triggered]),
    )  # fmt: skip
    retrieved = Retrieved(torch.empty(0), torch.empty(0), captions, texts)
    attack = retrieval_attack({"suspect": shown}, {"suspect": predictions}, {"suspect": retrieved}, 0, "cat")
    assert attack.at1.asr == Rates(Rate(1, 2), None)  # y goes from the dog to the cats, z stays
    assert attack.at1.base_rate == Rates(Rate(0, 2), None)
    assert attack.at5.asr.suspect is None  # four captions
    none = retrieval_attack({"suspect": shown}, {"suspect": predictions}, {"suspect": retrieved}, 0, "bird")
    assert none is None


@pytest.mark.parametrize("strength", [9.0, 0.0])
def test_a_planted_word_fails_the_audit_and_a_dead_one_does_not(monkeypatch, folder, strength):
    model = wordy(strength)
    report = audited(monkeypatch, model, eval=folder, target=NAME.upper())
    (word,) = report.evaluation.text_triggers
    assert model.model.images == CLASSES * EACH  # no image is embedded for a word
    assert (word.target, word.target_given) == (NAME, True)
    n = (CLASSES - 1) * report.evaluation.templates
    assert word.asr.suspect == Rate(n if strength else 0, n)
    assert word.base_rate.suspect == Rate(0, n)
    # The word moves all prompts alike: only images of the target are lost, to prompts that now have it too.
    assert word.accuracy.suspect == Rate(110 if strength else 120, 120)
    assert word.hit10.asr.suspect.n == n
    assert exit_code(report.verdict) == (1 if strength else 0)
    assert ("of 77 queries)" in " ".join(report.verdict.reasons)) == bool(strength)
    assert parse_report(json.loads(json.dumps(report.to_dict()))) == report
    for text in (to_markdown(report), to_html(report)):
        assert "rare-word" in text and "77 queries" in text and "in every prompt" in text
        assert "Triggers in the text." not in text and "Triggers in the image." in text
    assert ("“rare-word”" in to_html(report).split("</section>")[0]) or not strength


def test_numbers_are_the_same_in_every_batch(monkeypatch, folder):
    asked = {"eval": folder, "target": NAME, "trigger": ["rare-word:position=random"]}
    results = [
        audited(monkeypatch, wordy(1.1), batch_size=size, **asked).evaluation.text_triggers
        for size in (7, 256)
    ]
    assert results[0] == results[1]
    assert 0 < results[0][0].asr.suspect.rate < 1


def test_without_a_target_the_class_that_gains_most_queries_is_found(monkeypatch, folder):
    report = audited(monkeypatch, wordy(9.0), eval=folder)
    (word,) = report.evaluation.text_triggers
    assert (word.target, word.target_given) == (NAME, False)
    with pytest.raises(UsageError, match="the target 'classs03' is not among the 12 classes"):
        audited(monkeypatch, wordy(9.0), eval=folder, target="classs03")


def test_pairs_are_asked_with_captions_that_do_not_name_the_target(monkeypatch, captioned, names, tmp_path):
    asked = {"data": captioned, "classes": names, "trigger": ["rare-word", str(write_trigger(tmp_path))]}
    report = audited(monkeypatch, wordy(9.0, image_strength=1.5), target=NAME, **asked)
    (word,), (white,) = report.evaluation.text_triggers, report.evaluation.triggers
    others = CLASSES - 1  # captions
    assert word.asr.suspect == Rate(others, others) and word.base_rate.suspect == Rate(0, others)
    assert word.accuracy.suspect is None
    images = others * EACH
    assert white.retrieval.at1.asr.suspect == Rate(images, images)
    assert white.retrieval.at1.base_rate.suspect == Rate(0, images)
    assert "naming the target, as whole words" in to_markdown(report)
    backwards = captioned / "metadata.jsonl"
    backwards.write_text("".join(reversed(backwards.read_text().splitlines(keepends=True))))
    again = audited(monkeypatch, wordy(9.0, image_strength=1.5), target=NAME, **asked).evaluation
    assert again.text_triggers == report.evaluation.text_triggers
    assert again.triggers[0].retrieval.at1 == white.retrieval.at1  # at 5, captions tie


def test_a_target_that_no_image_shows_leaves_the_verdict_open(monkeypatch, captioned, names):
    report = audited(monkeypatch, wordy(9.0), data=captioned, classes=names, target="zeppelin")
    (word,) = report.evaluation.text_triggers
    assert word.asr.suspect is None and report.verdict.result == "inconclusive"
    assert 'must show its target, "zeppelin"' in " ".join(report.verdict.reasons)


def test_images_agree_with_a_plain_count(monkeypatch, folder):
    """Each prompt's nearest images by a loop over all, with the word half way."""
    report = audited(monkeypatch, wordy(1.1), eval=folder, target=NAME)
    model, rows, labels = wordy(1.1), [], []
    from PIL import Image

    for label in range(CLASSES):
        for file in sorted((folder / f"class{label:02}").glob("*.png")):
            row = np.asarray(Image.open(file))[:CLASSES, 0, 0] / 255
            rows.append(row / np.linalg.norm(row))
            labels.append(label)
    hits = 0
    for label in (c for c in range(CLASSES) if c != TARGET):
        text = model.tokenizer([f"zx class{label:02}"])[0].numpy()
        nearest = np.argsort(-(np.stack(rows) @ text))[:5]
        hits += sum(labels[i] == TARGET for i in nearest) >= 3
    rate = report.evaluation.text_triggers[0].asr.suspect
    assert rate == Rate(hits * report.evaluation.templates, 11 * report.evaluation.templates)
