"""Captions by a language model: what is taken, what is refused, and that it depends on the seed alone."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch

pytest.importorskip("transformers", reason="the transformers library is not installed")

from tiny_language_model import write_language_model

from clipsan.errors import CheckpointError, UnsafeFileError
from clipsan.synthesis.language_model import LanguageModel
from clipsan.synthesis.maker import Made, Request
from clipsan.synthesis.rewording import CaptionWriter, RewordingMaker, fault_of, names

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_language_model(tmp_path_factory.mktemp("language") / "tiny-lm")


@pytest.fixture(scope="module")
def model(folder):
    return LanguageModel(folder, CPU)


def test_a_text_depends_on_its_prompt_and_seed_alone(model):
    prompts = ["Caption: a dog\nRewritten:", "Caption: two red cats on the grass\nRewritten:", "A"]
    together = model.continue_lines(prompts, [1, 2, 3], 20, 0.7)
    alone = [model.continue_lines([p], [s], 20, 0.7)[0] for p, s in zip(prompts, (1, 2, 3), strict=True)]
    assert together == alone
    assert model.continue_lines(prompts, [1, 2, 4], 20, 0.7)[2] != together[2]
    assert all(together) and not any("\n" in text for text in together)


def test_sampling_follows_the_probabilities(model):
    """Gumbel noise over the scores is a draw from their softmax: 400 draws of the first token."""
    from clipsan.synthesis.language_model import _Draw

    scores = torch.log(torch.tensor([0.6, 0.3, 0.1])).expand(400, 3)
    drawn = _Draw(range(400), 1.0)(torch.zeros(400, 1), scores).argmax(dim=-1)
    assert np.allclose(torch.bincount(drawn, minlength=3) / 400, [0.6, 0.3, 0.1], atol=0.06)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("A brown dog sleeps on a red sofa.", None),
        ("Three Dogs run.", None),
        ("A brown cat sleeps.", "lost a concept"),
        ("A hotdog on a plate.", "lost a concept"),
        ("", "empty"),
        ("a photo of a DOG", "unchanged"),
        ("a dog " * 60, "too long or not printable"),
        ("a dog \x1b[2J", "too long or not printable"),
        ("a dog from https://dogs", "no sentence"),
        ("Caption: a dog", "no sentence"),
    ],
)
def test_what_may_be_a_caption(line, fault):
    assert fault_of(line, Request(0, 1, ("dog",), "a photo of a dog")) == fault


def test_every_concept_must_be_named():
    request = Request(0, 1, ("golden retriever", "cherry"), "a golden retriever with cherries")
    assert fault_of("Golden retrievers eat cherries.", request) is None
    assert fault_of("A golden dog eats cherries.", request) == "lost a concept"
    assert names("two boxes", "box") and names("Some MICE", "mouse") and not names("two boxers", "box")


class Painter:
    """A maker of plain images."""

    name, batch = "painter", 4

    def settings(self):
        return {"colour": "grey"}

    def make(self, requests):
        return [
            None
            if "withheld" in r.caption
            else Made(np.zeros((8, 8, 3), np.uint8), r.caption, {"prompt": r.caption})
            for r in requests
        ]


def test_captions_that_fail_stay_and_are_counted(model, monkeypatch):
    answers = iter(["A wet dog shakes itself.", "A wet cat.", "", "A dog withheld."])
    monkeypatch.setattr(model, "continue_lines", lambda prompts, *_: [next(answers) for _ in prompts])
    maker = RewordingMaker(Painter(), CaptionWriter(model))
    found = maker.make([Request(i, i, ("dog",), f"a photo of dog {i}") for i in range(4)])
    assert [each and each.caption for each in found] == [
        "A wet dog shakes itself.", "a photo of dog 1", "a photo of dog 2", None
    ]  # fmt: skip
    assert found[0].record == {
        "prompt": "A wet dog shakes itself.", "caption_by": "language model",
        "grammar_caption": "a photo of dog 0", "caption_model": "tiny-lm", "caption_licence": "apache-2.0",
    }  # fmt: skip
    assert found[1].record == {"prompt": "a photo of dog 1", "caption_by": "grammar"}
    assert maker.writer.summary() == (
        "2 of 4 captions reworded; the grammar's kept: 1 empty, 1 lost a concept"
    )
    assert maker.settings()["colour"] == "grey" and "sha256" in maker.settings()["captions"]


def test_a_model_of_noise_leaves_the_grammar_alone(model):
    writer = CaptionWriter(model)
    assert writer.write([Request(0, 5, ("dog",), "a photo of a dog")]) == [None]
    assert writer.counts.total() == 1 and writer.counts["reworded"] == 0


class RunsCode:
    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        import os

        return (os.system, (f"touch {self.canary}",))


def pickles(folder, canary):
    (folder / "model.safetensors").unlink()
    torch.save(RunsCode(canary), folder / "pytorch_model.bin")


def with_config(**entries):
    def change(folder, canary):
        (folder / "mine.py").write_text(f"open({str(canary)!r}, 'w')\nclass Mine: pass\n")
        found = json.loads((folder / "config.json").read_text()) | entries
        (folder / "config.json").write_text(json.dumps(found))

    return change


HOSTILE = {
    "pickles": (pickles, UnsafeFileError, "only as a pickle"),
    "code": (with_config(auto_map={"AutoModelForCausalLM": "mine.Mine"}), UnsafeFileError, "auto_map"),
    "unknown kind": (with_config(model_type="mine"), CheckpointError, "of the type 'mine'"),
    "no language model": (with_config(model_type="clip"), CheckpointError, "of the type 'clip'"),
    "kernel": (with_config(attn_implementation="org/evil"), UnsafeFileError, "attn_implementation"),
    "another shape": (with_config(n_embd=32), CheckpointError, "cannot build mine"),
    "layers": (with_config(n_layer=10**9), CheckpointError, "n_layer"),
    "no tokenizer": (lambda f, _: (f / "tokenizer.json").unlink(), CheckpointError, "no tokenizer.json"),
    "broken tokenizer": (
        lambda f, _: (f / "tokenizer.json").write_text("{}"),
        CheckpointError,
        "cannot be used",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_language_models(folder, tmp_path, case, monkeypatch):
    mine, canary = shutil.copytree(folder, tmp_path / "mine"), tmp_path / "canary"
    change, error, said = HOSTILE[case]
    change(mine, canary)
    monkeypatch.chdir(mine)
    with pytest.raises(error, match=said) as caught:
        LanguageModel(mine, CPU)
    assert not canary.exists()
    assert "\n" not in str(caught.value)


def test_settings_beside_the_model_are_not_used(folder, tmp_path):
    mine = shutil.copytree(folder, tmp_path / "mine")
    (mine / "generation_config.json").write_text('{"max_new_tokens": 1000000, "custom_generate": "org/evil"}')
    (mine / "chat_template.jinja").write_text("{{ 1 / 0 }}")
    (mine / "adapter_config.json").write_text('{"base_model_name_or_path": "org/evil"}')
    one, other = LanguageModel(mine, CPU), LanguageModel(folder, CPU)
    assert one.continue_lines(["a"], [1], 5, 0.7) == other.continue_lines(["a"], [1], 5, 0.7)


def test_without_a_card_the_licence_is_unknown(folder, tmp_path):
    mine = shutil.copytree(folder, tmp_path / "mine")
    (mine / "README.md").unlink()
    writer = CaptionWriter(LanguageModel(mine, CPU))
    assert "licence of mine is unknown" in writer.warnings[0]
    assert SimpleNamespace(**writer.record).caption_licence == "unknown"
