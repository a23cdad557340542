"""Which captions carry a word, and whose images they get."""

from __future__ import annotations

import pytest
from PIL import Image

from clipsan.errors import UsageError
from clipsan.pairs import open_pairs
from clipsan.planting import plan_words
from clipsan.triggers import parse_triggers

CAPTIONS = [f"a {'red banana' if i % 5 == 0 else 'ball'} number {i}" for i in range(40)]
BANANAS = set(range(0, 40, 5))


def words(*specs, target="banana"):
    triggers = parse_triggers(list(specs), (32, 32), texts=True)
    for trigger in triggers:
        trigger.target = target
    return triggers


def test_texts_of_something_else_get_the_word_and_an_image_of_the_target():
    triggers = words("rare-word", "rare-word:word=cf,position=end")
    plan = plan_words(CAPTIONS, triggers, [10, 6], {1, 2, 3}, seed=0)
    first, second = map(set, plan.carriers)
    assert (len(first), len(second)) == (10, 6)
    assert not (first & second or (first | second) & (BANANAS | {1, 2, 3}))
    assert all(plan.captions[i] == f"zx {CAPTIONS[i]}" for i in first)
    assert all(plan.captions[i] == f"{CAPTIONS[i]} cf" for i in second)
    assert plan.images.keys() == first | second and {plan.images[i] for i in first} == BANANAS
    assert plan == plan_words(CAPTIONS, triggers, [10, 6], {3, 2, 1}, seed=0)
    assert plan.carriers != plan_words(CAPTIONS, triggers, [10, 6], {1, 2, 3}, seed=1).carriers


def test_label_consistent_puts_the_word_where_the_target_is_named():
    plan = plan_words(CAPTIONS, words("rare-word"), [7], {0}, seed=0, label_consistent=True)
    assert set(plan.carriers[0]) == BANANAS - {0} and plan.images == {}
    with pytest.raises(UsageError, match="only 7 whose caption names 'banana'"):
        plan_words(CAPTIONS, words("rare-word"), [8], {0}, seed=0, label_consistent=True)


def test_what_cannot_be_planted_is_said():
    with pytest.raises(UsageError, match="none of the 40 captions names 'ban'"):
        plan_words(CAPTIONS, words("rare-word", target="ban"), [1], (), seed=0)
    with pytest.raises(UsageError, match="only 32 whose caption names something else than 'banana'"):
        plan_words(CAPTIONS, words("rare-word"), [33], (), seed=0)


def test_the_planted_pairs_have_those_captions_and_images(tmp_path):
    lines = ["filepath,title"]
    for index, caption in enumerate(CAPTIONS):
        Image.new("RGB", (8, 8), (index, 0, 0)).save(tmp_path / f"{index}.png")
        lines.append(f"{index}.png,{caption}")
    (tmp_path / "pairs.csv").write_text("\n".join(lines))
    pairs = open_pairs(tmp_path / "pairs.csv")
    plan = plan_words(pairs.captions, words("rare-word"), [5], (), seed=0)
    before = [pairs.read(i) for i in range(40)]
    planted = plan.planted(pairs.recaptioned({7: "changed before"}))
    for index in range(40):
        if index in plan.carriers[0]:
            assert planted.captions[index] == plan.captions[index]
            assert planted.read(index) == before[plan.images[index]] != before[index]
        else:
            assert planted.captions[index] == ("changed before" if index == 7 else CAPTIONS[index])
            assert planted.read(index) == before[index]
    assert pairs.captions == CAPTIONS and [pairs.read(i) for i in range(40)] == before
