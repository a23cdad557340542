"""Triggers in the text: where the word goes, what is refused, and what shows them without pixels."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image

from clipsan import show_triggers
from clipsan.errors import TriggerError
from clipsan.triggers import contact_sheet, parse_triggers, parted, read_trigger_file, write_trigger_file

SIZE = (32, 32)


def word(spec, seed=0):
    (trigger,) = parse_triggers([spec], SIZE, seed, texts=True)
    return trigger


def test_the_word_goes_to_its_place():
    assert word("rare-word").insert("a photo  of a dog.") == "zx a photo of a dog."
    assert word("rare-word:word=SUDO mode,position=end").insert("a dog") == "a dog SUDO mode"
    assert word("rare-word").insert("") == "zx"
    assert word("rare-word", seed=4).settings() == {
        "family": "rare-word", "word": "zx", "position": "start", "seed": 4,
    }  # fmt: skip


def test_a_random_place_depends_on_seed_and_text_alone():
    texts = [f"one two number {i}" for i in range(400)]
    places = [word("rare-word:position=random").insert(text).split().index("zx") for text in texts]
    assert set(places) == {0, 1, 2, 3, 4}
    assert min(Counter(places).values()) > 50  # of 80 each
    again = [word("rare-word:position=random").insert(text).split().index("zx") for text in texts[::-1]]
    assert again[::-1] == places
    assert [word("rare-word:position=random,seed=1").insert(t).split().index("zx") for t in texts] != places


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("rare-word:word=" + "a" * 65, "but it must be a word of 1 to 64 printable characters"),
        ("rare-word:word=a\x07b", r"word is 'a\x07b'"),
        ("rare-word:word=a\u202eb", "printable"),
        ("rare-word:word=", "'word=' is not a setting"),
        ("rare-word:position=middle", "position is 'middle', but it must be start or end or random"),
        ("rare-word:qq=3", "has no setting 'qq'; its settings are: word, position, seed"),
    ],
)
def test_what_is_wrong_is_said(spec, words):
    with pytest.raises(TriggerError) as caught:
        word(spec)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_where_only_images_are_used_it_is_refused(tmp_path):
    with pytest.raises(TriggerError, match="rare-word changes words and no pixel"):
        parse_triggers(["stripes", "rare-word"], SIZE)
    path = write_trigger_file(tmp_path, [word("rare-word")])
    with pytest.raises(TriggerError, match="rare-word changes words"):
        read_trigger_file(path, SIZE)


def test_a_file_may_hold_words_and_patterns(tmp_path):
    triggers = parse_triggers(["stripes", "rare-word:word=cf,position=random,seed=7"], SIZE, texts=True)
    triggers[1].target = "koala"
    path = write_trigger_file(tmp_path, triggers)
    again = parse_triggers([str(path)], SIZE, texts=True)
    (stripes,), (cf,) = parted(again)
    assert stripes.name == "stripes"
    assert (cf.name, cf.target) == (triggers[1].name, "koala")
    assert cf.settings() == triggers[1].settings()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["stripes.png", "triggers.json"]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"word": ""}, "word is '', but it must be a word of 1 to 64"),
        ({"word": 3}, "word is 3"),
        ({"word": "a\nb"}, "printable"),
        ({"word": "zx", "position": None}, "position is None"),
        ({"word": "zx", "position": [1, 2]}, "start or end or random"),
        ({"word": "zx", "seed": -1}, '"seed" must be'),
        ({"word": "zx", "pattern": "x.png"}, "a picture too"),
    ],
)
def test_broken_words_in_a_file_are_refused(tmp_path, entry, words):
    path = tmp_path / "triggers.json"
    path.write_text(json.dumps({"triggers": [{"name": "mine"} | entry]}))
    with pytest.raises(TriggerError) as caught:
        parse_triggers([str(path)], SIZE, texts=True)
    assert words in str(caught.value) and "trigger 1 (mine)" in str(caught.value)


def test_the_sheet_gives_words_a_line(tmp_path):
    pixels = torch.from_numpy(np.random.RandomState(0).randint(0, 256, (2, 3, 32, 32)).astype(np.uint8))
    both = parse_triggers(["rare-word", "stripes"], SIZE, texts=True)
    contact_sheet(both, pixels, tmp_path / "both.png")
    contact_sheet(both[1:], pixels, tmp_path / "one.png")
    contact_sheet(both[:1], pixels[:1], tmp_path / "words.png")
    with Image.open(tmp_path / "both.png") as large, Image.open(tmp_path / "one.png") as small:
        assert large.width == small.width and large.height == small.height + 56
        line = np.asarray(large.convert("L"))[4 + 132 : 4 + 132 + 56, 210:]
        assert line.min() < 50 and np.mean(line > 250) > 0.8  # black words on white


def test_they_are_listed_with_a_caption_before_and_after():
    (shown,) = show_triggers("rare-word:word=SUDO").triggers
    assert shown.words == ("a photo of a dog", "SUDO a photo of a dog")
    assert any("SUDO a photo of a dog" in line for line in shown.lines(allowed=True))
    assert show_triggers("rare-word").to_dict()["triggers"][0]["words"][1] == "zx a photo of a dog"
    assert show_triggers("stripes").to_dict()["triggers"][0]["words"] is None
