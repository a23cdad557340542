import hashlib

import numpy as np
import pytest

from clipsan.errors import UsageError
from clipsan.synthesis.concepts import Schedule
from clipsan.synthesis.dice import Dice, derive_seed
from clipsan.synthesis.drawing import KINDS, SceneMaker, find_kind
from clipsan.synthesis.drawing.backdrops import BACKDROPS, BY_SORT
from clipsan.synthesis.drawing.brush import Brush
from clipsan.synthesis.drawing.kind import Look
from clipsan.synthesis.drawing.light import MATERIALS
from clipsan.synthesis.drawing.plan import make_plan
from clipsan.synthesis.drawing.scene import draw
from clipsan.synthesis.maker import Request
from clipsan.synthesis.shapes import CLASSES

TWENTY = (
    "banana",
    "Persian cat",
    "walking stick",
    "goldfish",
    "kimono",
    "teddy",
    "punching bag",
    "sandal",
    "beaker",
    "pay-phone",
    "beacon",
    "basketball",
    "CD player",
    "cash machine",
    "koala",
    "drumstick",
    "viaduct",
    "bathtub",
    "African elephant",
    "nail",
)


def paint(name, seed=0, colour=0, side=96, pattern=""):
    kind = KINDS[name]
    text = kind.texts[seed % len(kind.texts)] if kind.texts else ""
    look = Look(list(kind.colours.values())[colour], (30, 160, 200), pattern, text, Dice(seed))
    brush = Brush(side, side, (side * 0.4, 0, side / 2, 0, side * 0.4, side / 2), 2)
    kind.paint(brush, look)
    return np.asarray(brush.painting()).astype(int)


def request(index, concepts, seed=1):
    return Request(index, derive_seed(seed, index, 0), concepts, "")


def test_the_library_is_large_and_holds_what_it_must():
    assert len(KINDS) >= 60
    assert all(find_kind(name) for name in TWENTY)
    assert set(CLASSES) <= set(KINDS)
    assert find_kind("Teddy_Bear") == find_kind("teddy") == "teddy bear"
    assert find_kind("tench") is None
    names = [name.lower() for kind_name, kind in KINDS.items() for name in (kind_name, *kind.aliases)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_paints_something_of_its_own(name):
    kind = KINDS[name]
    assert kind.material in MATERIALS
    assert set(kind.at_home) <= set(BY_SORT)
    first = paint(name)
    alpha = first[..., 3]
    assert 0.02 < (alpha > 127).mean() < 0.75
    assert (first[..., :3] <= alpha[..., None]).all()  # premultiplied
    rows, columns = np.nonzero(alpha)
    assert min(rows.min(), columns.min()) >= 1  # it ends before 1.2 of its radius
    assert max(rows.max(), columns.max()) <= 94
    if len(kind.colours) > 1:
        assert not np.array_equal(first, paint(name, colour=1))


def test_no_two_kinds_look_alike():
    small = {name: paint(name, side=32).ravel() for name in KINDS}
    names = list(small)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            assert np.abs(small[one] - small[other]).mean() > 3, (one, other)


def test_patterns_are_seen():
    for name, kind in KINDS.items():
        if kind.patterned:
            plain = paint(name)
            for pattern in ("striped", "dotted", "checked"):
                assert np.abs(plain - paint(name, pattern=pattern)).mean() > 1, (name, pattern)


@pytest.mark.parametrize("size", [24, 57, 224, 512])
def test_scenes_have_the_asked_size_and_every_kind_can_be_drawn(size):
    names = list(KINDS) if size == 24 else list(KINDS)[:: 12 if size < 300 else 30]
    maker = SceneMaker(names, size)
    for index, made in enumerate(maker.make([request(index, (name,)) for index, name in enumerate(names)])):
        assert made.pixels.shape == (size, size, 3), names[index]
        assert made.pixels.dtype == np.uint8
        assert made.pixels.std() > 3
        assert made.record["licence"] == "CC0-1.0"


def test_words_on_mirrored_objects_can_be_read():
    drawn = []
    for flip in (1, -1):
        brush = Brush(80, 80, (30 * flip, 0, 40, 0, 30, 40), 2)
        brush.letters("L7", (0, 0, 0.9, 0.5), (255, 255, 255), "bold", 0.0)
        drawn.append(np.asarray(brush.painting())[..., 3].astype(int))
    right, mirrored = drawn
    assert np.abs(right - mirrored).mean() < 2 < np.abs(right - right[:, ::-1]).mean()


def test_the_objects_are_in_the_picture():
    # the same scene with and without its object: the plan is equal up to what is painted
    for index, name in enumerate(("banana", "koala", "viaduct", "nail", "bar chart")):
        _, pixels = draw([(name, name)], ["star"], index, 96)
        other = {"banana": "apple"}.get(name, "banana")
        _, changed = draw([(name, other)], ["star"], index, 96)
        assert (np.abs(pixels.astype(int) - changed) > 40).mean() > 0.01, name


def test_a_scene_depends_on_its_request_only():
    maker = SceneMaker(TWENTY, 64)
    schedule = Schedule(TWENTY, 4)
    requests = [request(index, schedule.concepts(index)) for index in range(30)]
    together = maker.make(requests)
    alone = [SceneMaker(TWENTY, 64).make([one])[0] for one in reversed(requests)][::-1]

    def digest(made):
        return hashlib.sha256(b"".join(one.pixels.tobytes() + one.caption.encode() for one in made)).digest()

    assert digest(together) == digest(alone)
    assert len({one.pixels.tobytes() for one in together}) == 30
    assert digest(together) != digest(
        maker.make([request(i, schedule.concepts(i), seed=2) for i in range(30)])
    )


def test_captions_say_the_concepts_as_the_user_calls_them():
    maker = SceneMaker(TWENTY, 24)
    schedule = Schedule(TWENTY, 4)
    irregular = {"teddy": "tedd"}
    for index in range(200):
        concepts = schedule.concepts(index)
        caption = maker.make([request(index, concepts)])[0].caption.lower()
        assert all(irregular.get(name, name.lower()) in caption for name in concepts), caption


def test_plans_are_true():
    placed_left = 0
    for seed in range(600):
        plan = make_plan([("apple", "apple"), ("dog", "dog")], ["star"], Dice(seed))
        apple = [one for one in plan.objects if one.kind == "apple"]
        dog = next(one for one in plan.objects if one.kind == "dog")
        assert plan.said.things[0].count == len(apple)
        if plan.said.relation == "to the left of":
            placed_left += 1
            if len(plan.objects) <= 3:
                assert max(one.at[0] for one in apple) < dog.at[0]
        elif plan.said.relation == "above":
            assert apple[0].at[1] < dog.at[1]
        elif plan.said.relation == "in front of":
            assert plan.objects[-1].kind == "apple"
        assert len([one for one in plan.objects if one.look.group]) == 0
        for word in plan.said.things[0].adjectives:
            assert word in ("small", "large", *KINDS["apple"].colours)
            if word in KINDS["apple"].colours:
                assert apple[0].look.body == KINDS["apple"].colours[word]
    assert placed_left > 20


def test_groups_are_said_as_groups_and_counted_things_are_single():
    seen = set()
    for seed in range(200):
        plan = make_plan([("nail", "nail")], ["star"], Dice(seed))
        thing = plan.said.things[0]
        seen.add((thing.group, thing.count > 1))
        assert all(one.look.group == bool(thing.group) for one in plan.objects)
    assert seen == {("", False), ("", True), ("handful", False)}


def test_strewn_objects_are_none_of_the_users_concepts():
    maker = SceneMaker(("banana", "beacon"), 24)
    assert not {"banana", "lighthouse"} & set(maker._strewn)


def test_every_backdrop_can_be_painted():
    for at, place in enumerate(BACKDROPS):
        brush = Brush(48, 48, (48, 0, 0, 0, 48, 0), 1)
        horizon = place.paint(brush, Dice(at))
        assert 0 <= horizon < 1
        assert (np.asarray(brush.painting())[..., 3] == 255).all(), place.words


def test_what_cannot_be_drawn_is_named():
    with pytest.raises(
        UsageError, match=r"2 of 3 concepts cannot be drawn: 'tench', 'quokka'; .*--only-drawable"
    ):
        SceneMaker(["tench", "banana", "quokka"])
    with pytest.raises(UsageError, match="--size from 24 to 1024"):
        SceneMaker(["banana"], 16)
