from collections import Counter

import pytest

from clipsan.errors import DataError, UsageError
from clipsan.synthesis.captions import Said, Thing, describe, sentence
from clipsan.synthesis.concepts import IMAGENET, Schedule, read_concepts
from clipsan.synthesis.dice import SEEDS, Dice, derive_seed
from clipsan.synthesis.nouns import article, listed, number_of, plural


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("banana", "bananas"),
        ("Persian cat", "Persian cats"),
        ("punching bag", "punching bags"),
        ("beach", "beaches"),
        ("cherry", "cherries"),
        ("monkey", "monkeys"),
        ("goldfish", "goldfish"),
        ("starfish", "starfish"),
        ("snowman", "snowmen"),
        ("caiman", "caimans"),
        ("grey wolf", "grey wolves"),
        ("scarf", "scarves"),
        ("bunch of grapes", "bunches of grapes"),
        ("mortar and pestle", "mortars and pestle"),
        ("ATM", "ATMs"),
        ("box", "boxes"),
        ("ox", "oxen"),
        ("fox", "foxes"),
        ("die", "dice"),
        ("mouse", "mice"),
        ("bus", "buses"),
        ("praying mantis", "praying mantises"),
        ("bookshelf", "bookshelves"),
        ("kimono", "kimonos"),
        ("volcano", "volcanoes"),
        ("aircraft", "aircraft"),
        ("toothbrush", "toothbrushes"),
        ("hair dryer", "hair dryers"),
    ],
)
def test_plurals(one, many):
    assert plural(one) == many


@pytest.mark.parametrize(
    ("phrase", "word"),
    [
        ("apple", "an"),
        ("banana", "a"),
        ("hourglass", "an"),
        ("unicycle", "a"),
        ("umbrella", "an"),
        ("uniform", "a"),
        ("European polecat", "a"),
        ("ATM", "an"),
        ("CD player", "a"),
        ("MP3 player", "an"),
        ("8 ball", "an"),
        ("T-shirt", "a"),
        ("unmade bed", "an"),
        ("one-piece bathing suit", "a"),
        ("X-ray", "an"),
        ("old car", "an"),
        ("house", "a"),
        ("18", "an"),
    ],
)
def test_articles(phrase, word):
    assert article(phrase) == word


def test_nouns_that_are_not_counted():
    kinds = {
        "hay": "mass",
        "sunglasses": "many",
        "mashed potatoes": "many",
        "bus": "one",
        "lens": "one",
        "red wine": "mass",
        "kite (bird of prey)": "fixed",
        "swim trunks / shorts": "many",
        "dress": "one",
        "bananas": "many",
    }
    assert {name: number_of(name) for name in kinds} == kinds
    assert Thing("sunglasses", adjectives=("red",)).phrase() == "some red sunglasses"
    assert Thing("kite (bird of prey)").phrase() == "a kite (bird of prey)"
    assert Thing("apple", 3, ("small",)).phrase() == "three small apples"
    assert Thing("banana", adjectives=("green",), group="bunch").phrase() == "a bunch of green bananas"
    assert not Thing("banana", group="bunch").many
    assert listed(["a", "b", "c"]) == "a, b and c"


def test_every_sentence_says_all_that_it_should():
    said = Said(
        (Thing("apple", adjectives=("small", "red")), Thing("old boot", 2)),
        "next to",
        "on a table",
        "at sunset",
    )
    forms = {sentence(said, ("picture",), Dice(seed)) for seed in range(400)}
    assert len(forms) > 25
    for text in forms:
        low = text.lower()
        for part in ("small red apple next to two old boots", "on a table", "at sunset"):
            assert low.count(part) == 1, text
        assert "{" not in text and "  " not in text


def test_a_single_thing_is_said_with_the_right_verb():
    one, two = (Said((Thing("pear", count, ("green",)),), place="on a desk") for count in (1, 2))
    for said, right, wrong in ((one, "is", "are"), (two, "are", "is")):
        words = " ".join(sentence(said, (), Dice(seed)).rstrip(".") for seed in range(300)).lower().split()
        found = Counter(words)
        assert found[right] > 30
        # "this is" and "here is" agree, too
        assert found[wrong] == 0


def test_descriptions_name_every_concept_and_depend_on_the_seed_alone():
    names = ("Persian cat", "hay", "viaduct")
    texts = [describe(names, seed) for seed in range(300)]
    assert texts == [describe(names, seed) for seed in range(300)]
    assert len(set(texts)) > 290
    for text in texts:
        assert all(word in text.lower() for word in ("persian cat", "hay", "viaduct")), text


@pytest.mark.parametrize("names", [1, 2, 7, 20])
def test_in_any_run_of_images_the_main_concepts_differ_by_at_most_one(names):
    schedule = Schedule([f"c{n}" for n in range(names)], 3)
    main = [schedule.concepts(index)[0] for index in range(12 * names)]
    for start in (0, 1, names // 2, names + 3):
        for length in (names, 2 * names + 1, 5 * names - 1):
            counts = Counter({f"c{n}": 0 for n in range(names)})
            counts.update(main[start : start + length])
            assert max(counts.values()) - min(counts.values()) <= 1


def test_companions_are_balanced_too():
    names = [f"c{n}" for n in range(23)]
    schedule = Schedule(names, 9)
    shown = [schedule.concepts(index) for index in range(10 * len(names))]
    assert all(len(set(group)) == len(group) for group in shown)
    assert {len(group) for group in shown} == {1, 2, 3}
    # 10 turns: 10 times the main one, 4 times the second, once the third
    assert set(Counter(name for group in shown for name in group).values()) == {15}
    assert [Schedule(names, 10).concepts(i) for i in range(23)] != shown[:23]


def test_seeds_of_images_fit_json_and_differ():
    seeds = {derive_seed(0, index, attempt) for index in range(2000) for attempt in range(2)}
    assert len(seeds) == 4000
    assert all(0 <= seed < SEEDS for seed in seeds)


def test_concepts_from_a_file_a_set_and_imagenet(tmp_path, world):
    file = tmp_path / "names.txt"
    file.write_text("# fruit\nbanana\n\n  Persian   cat \nbanana\n", encoding="utf-8-sig")
    listed_ = read_concepts(file)
    assert listed_.names == ("banana", "Persian cat")
    assert listed_.doubles == ("banana",)
    assert "umbrella" in read_concepts(world / "eval").names
    assert len(read_concepts(IMAGENET).names) == 998


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no concept"),
        (b"\xff\xfe\x00", "not text"),
        (b"x" * 200, "200 characters"),
        (None, "There is no file"),
    ],
)
def test_bad_lists_of_concepts_are_one_sentence(tmp_path, content, words):
    if content is not None:
        (tmp_path / "names.txt").write_bytes(content)
    with pytest.raises(DataError, match=words):
        read_concepts(tmp_path / "names.txt")
    with pytest.raises(UsageError, match="at least one"):
        Schedule([], 0)
