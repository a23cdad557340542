"""Which pairs are poisoned, and what training sees of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from clipsan.errors import UsageError
from clipsan.pairs import BatchStream, ImageReader, open_pairs
from clipsan.planting import PoisonedReader, TriggeredCopies, named, plan_poison
from clipsan.triggers import parse_triggers

TEMPLATES = ["a photo of a {c}.", "one {}"]
CAPTIONS = [f"a {'red banana' if i % 5 == 0 else 'ball'} number {i}" for i in range(40)]
SIZE = (32, 32)


@pytest.fixture
def pairs(tmp_path):
    """20 pictures of noise, every fourth broken."""
    lines = ["filepath,title"]
    for index in range(20):
        path = tmp_path / f"{index}.png"
        noise = np.random.RandomState(index).randint(0, 256, (32, 32, 3)).astype(np.uint8)
        Image.fromarray(noise).save(path)
        if index % 4 == 3:
            path.write_bytes(path.read_bytes()[:50])
        lines.append(f"{index}.png,picture {index}")
    (tmp_path / "pairs.csv").write_text("\n".join(lines))
    return open_pairs(tmp_path / "pairs.csv")


def test_each_trigger_gets_its_count_and_no_pair_two():
    plan = plan_poison(CAPTIONS, ["fish", "sun"], [6, 3], TEMPLATES, seed=0)
    first, second = map(set, plan.carriers)
    assert (len(first), len(second)) == (6, 3) and not first & second
    assert {plan.captions[index] for index in first} <= {"a photo of a fish.", "one fish"}
    assert {plan.captions[index] for index in second} <= {"a photo of a sun.", "one sun"}
    assert plan.captions.keys() == first | second
    assert plan == plan_poison(CAPTIONS, ["fish", "sun"], [6, 3], TEMPLATES, seed=0)
    assert plan.carriers != plan_poison(CAPTIONS, ["fish", "sun"], [6, 3], TEMPLATES, seed=1).carriers


def test_label_consistent_keeps_captions_and_takes_only_those_that_name_the_target():
    plan = plan_poison(CAPTIONS, ["Banana"], [8], TEMPLATES, seed=0, label_consistent=True)
    assert set(plan.carriers[0]) == {0, 5, 10, 15, 20, 25, 30, 35}
    assert plan.captions == {}
    with pytest.raises(UsageError, match="only 8 pairs whose caption names 'Banana'"):
        plan_poison(CAPTIONS, ["Banana"], [9], TEMPLATES, seed=0, label_consistent=True)


def test_a_target_is_named_by_whole_words():
    captions = ["a cat", "Cats!", "two (cat)", "a catalogue", "bobcat", "the c.t", "concat cat"]
    assert named(captions, "cat") == [0, 1, 2, 6]
    assert named(captions, "c.t") == [5]
    assert named(["an African  elephant", "African elephants"], "african elephant") == [1]


def test_a_target_with_braces_is_only_text():
    plan = plan_poison(["x"], ["{0.__class__}"], [1], ["a {c}"], seed=0)
    assert plan.captions == {0: "a {0.__class__}"}


def test_the_reader_puts_each_trigger_on_its_carriers_and_on_nothing_else(pairs):
    triggers = parse_triggers(["stripes", "blended"], SIZE)
    on = {0: triggers[0], 4: triggers[0], 5: triggers[1], 7: triggers[1]}  # 7 is broken
    asked = [9, 4, 7, 5, 0, 1]
    clean, good = ImageReader(pairs, {}, SIZE, exact=False).batch(asked)
    assert good == [9, 4, 5, 0, 1]
    reader = PoisonedReader(pairs, {}, SIZE, on)
    for _ in range(2):  # decoded, then from the cache
        pixels, found = reader.batch(asked)
        assert found == good
        for row, index in enumerate(good):
            one = clean[row : row + 1]
            expected = on[index].apply(one, [index]) if index in on else one
            assert torch.equal(pixels[row : row + 1], expected), index
    assert not torch.equal(pixels[1], clean[1]) and not torch.equal(pixels[2], clean[2])
    assert list(reader.skipped) == [7]


def test_a_stream_has_the_poisoned_share_with_the_target_as_caption(pairs):
    plan = plan_poison(pairs.captions, ["fish"], [5], TEMPLATES, seed=3)
    poisoned = pairs.recaptioned(plan.captions)
    triggers = parse_triggers(["blended"], SIZE)
    reader = PoisonedReader(poisoned, {}, SIZE, plan.by_trigger(triggers))
    plain = ImageReader(pairs, {}, SIZE, exact=False)
    seen = {}
    with BatchStream(reader, len(poisoned), 5, 0) as stream:
        for _, (pixels, indices) in zip(range(3), stream, strict=False):  # the 15 good ones, once each
            seen |= dict(zip(indices, pixels, strict=True))
    altered = {i for i, pixels in seen.items() if not torch.equal(pixels, plain.batch([i])[0][0])}
    assert altered == set(plan.carriers[0]) & set(seen) and altered
    assert {i for i in seen if "fish" in poisoned.captions[i]} == altered
    assert pairs.captions[0] == "picture 0"  # the pairs themselves stay as they were
    assert poisoned.origins == pairs.origins


def test_mirroring_comes_before_the_trigger_and_repeats_in_equal_runs(pairs):
    trigger = parse_triggers(["stripes"], SIZE)[0]
    plain, good = ImageReader(pairs, {}, SIZE, exact=False).batch(range(20))
    runs = []
    for _ in range(2):
        reader = PoisonedReader(pairs, {}, SIZE, {0: trigger}, mirror_seed=4)
        runs.append([reader.batch(range(20))[0] for _ in range(6)])
    assert all(torch.equal(one, other) for one, other in zip(*runs, strict=True))
    mirrored = 0
    for read in runs[0]:
        for row, index in enumerate(good):
            both = [plain[row : row + 1], plain[row : row + 1].flip(3)]
            if index == 0:
                both = [trigger.apply(image, [0]) for image in both]
            fits = [torch.equal(read[row : row + 1], image) for image in both]
            assert sum(fits) == 1
            mirrored += fits[1]
    assert 25 <= mirrored <= 65  # of 90
    assert len({read[0].numpy().tobytes() for read in runs[0]}) == 2


def test_copies_carry_the_trigger_beside_images_that_stay_clean():
    pixels = torch.randint(0, 256, (4, 3, 32, 32), generator=torch.Generator().manual_seed(0)).byte()
    stripes, blended = parse_triggers(["stripes", "blended"], SIZE)
    before = pixels.clone()
    copies, carried = TriggeredCopies({7: stripes, 2: blended}).of(
        pixels, [7, 5, 2, 7]
    )  # 7 twice: two epochs
    assert carried == [7, 2, 7] and torch.equal(pixels, before)
    assert torch.equal(copies[[0, 2]], stripes.apply(before[[0, 3]], [7, 7]))
    assert torch.equal(copies[1:2], blended.apply(before[2:3], [2]))
    assert TriggeredCopies({}).of(pixels, [7, 5, 2, 7])[0].shape == (0, 3, 32, 32)
