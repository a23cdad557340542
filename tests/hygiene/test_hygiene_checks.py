"""Each check on cases with known answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from made_pairs import evidence, natural, pair_set, png, reader_of, unit
from torch.nn import functional as F

import clipsan.hygiene.evidence as evidence_module
from clipsan.errors import UsageError
from clipsan.hygiene import CHECKS, parse_checks
from clipsan.hygiene.boilerplate import check_boilerplate
from clipsan.hygiene.captions import check_captions, useless
from clipsan.hygiene.density import check_density
from clipsan.hygiene.duplicates import check_duplicates
from clipsan.hygiene.evidence import Judge, gather
from clipsan.hygiene.images import check_images
from clipsan.hygiene.match import check_match
from clipsan.hygiene.patch import check_patch
from clipsan.hygiene.pattern import check_pattern

CPU = torch.device("cpu")
NOUNS = ["cat", "dog", "fox", "owl", "bee", "cow", "hen", "pig", "ant", "eel", "elk", "emu"]


def rows(found):
    return list(range(len(found.index)))


@pytest.mark.parametrize(
    ("caption", "reason"),
    [
        ("…", "no word"),
        ("12 / 34", "no word"),
        ("DSC_0123.JPG", "file name"),
        ("IMG 20190304", "file name"),
        ("photo 12", "file name"),
        ("https://example.org/a.jpg", "an address"),
        ("via www.example.org/pictures/1", "an address"),
        ("Image not available!", "a notice"),
        ("untitled", "a notice"),
        ("a photo of a dog", None),
        ("dogs.", None),
        ("read www.example.org for more photos of dogs on the beach", None),
        ("红色的苹果", None),
    ],
)
def test_captions_that_describe_nothing(caption, reason):
    found = useless(caption)
    assert found is None if reason is None else reason in found


def test_captions_in_another_language_than_the_set():
    english = [f"a {noun} sits on the chair" for noun in NOUNS] * 2
    odd = [
        "ein Hund sitzt auf der Bank", "un chien avec une balle dans le jardin", "собака на пляже",
        "犬が走る", "Persian cat", "der Hund", "an owl near der Bank with the dog",
    ]  # fmt: skip
    finding = check_captions(evidence(english + odd), rows(evidence(english + odd)))
    assert {row - len(english): text for row, (text, _) in finding.drops.items()} == {
        0: "its caption is in another language than the set",
        1: "its caption is in another language than the set",
        2: "its caption is in another script than the set",
        3: "its caption is in another script than the set",
    }
    assert finding.settings["language"] == "English" and finding.settings["script"] == "LATIN"
    german = [f"ein {noun} sitzt auf dem Stuhl" for noun in NOUNS] + ["a dog sits on the chair with his ball"]
    assert list(check_captions(evidence(german), rows(evidence(german))).drops) == [len(NOUNS)]
    mixed = ["a dog on the chair", "ein Hund auf dem Stuhl", "un chien dans le jardin"] * 5
    assert not check_captions(evidence(mixed), rows(evidence(mixed))).drops


def test_images_that_are_tiny_or_blank():
    found = evidence(["a dog"] * 4, short_side=[16, 8, 7, 16], spread=[50.0, 50.0, 50.0, 1.0])
    assert check_images(found, rows(found)).drops == {
        2: ("short side under 8 pixels", -7.0), 3: ("blank", -1.0),
    }  # fmt: skip


def test_duplicates_need_the_same_caption():
    hashes = torch.ones(7, 64, dtype=torch.int8)
    hashes[2, :8] = -1  # eight bits from the first
    hashes[3, 55:] = -1  # nine
    hashes[4, :2] = -1
    images = unit(1, 4).repeat(7, 1)
    images[4] = -images[4]  # the same hash, another picture to the suspect
    captions = ["A dog.", "a dog", "a dog", "a dog", "a dog", "a dog on grass", "a dog"]
    digests = [b"1", b"1", b"2", b"3", b"4", b"1", b"5"]
    hashes[6] = -1
    found = evidence(captions, images=images, digests=digests, hashes=hashes)
    assert check_duplicates(found, rows(found)).drops == {
        1: ("the same image and caption as an earlier pair", None),
        2: ("nearly the same image and the same caption as an earlier pair", 56.0),
    }


def test_boilerplate_is_one_text_over_anything():
    texts = unit(13, 16)
    captions, images, text_of = [], [], []
    for number, noun in enumerate(NOUNS):
        captions += [f"a {noun}"] * 20
        images.append(F.normalize(texts[number] + 0.15 * torch.randn(20, 16), dim=1))
        text_of += [texts[number]] * 20
    everything = torch.cat(images)
    captions += ["photo of the day"] * 18
    images.append(everything[::13][:18])
    text_of += [texts[12]] * 18
    found = evidence(captions, images=torch.cat(images), texts=torch.stack(text_of))
    assert set(check_boilerplate(found, rows(found)).drops) == set(range(240, 258))
    blind = evidence(captions, images=unit(258, 16, 1), texts=unit(258, 16, 2))
    finding = check_boilerplate(blind, rows(blind))
    assert not finding.drops and "does not tell" in finding.notes[0]


def test_match_drops_crowds_and_lone_outliers():
    torch.manual_seed(0)
    concepts = unit(12, 32)
    label = torch.arange(600) % 12
    texts = concepts[label]
    images = F.normalize(texts + 0.15 * torch.randn(600, 32), dim=1)
    planted = torch.arange(0, 600, 12)[:20]  # captioned with the first concept, showing others
    images[planted] = images[planted + 5]
    lone = [7, 80]
    images[lone] = images[[20, 95]]
    found = evidence([f"a {NOUNS[i]}" for i in label], images=images, texts=texts)
    finding = check_match(found, rows(found))
    assert set(planted.tolist()) | set(lone) <= set(finding.drops)
    assert len(finding.drops) <= 22 + 6
    assert "one of many" in finding.drops[0][0] and "one of many" not in finding.drops[7][0]
    # a reference is asked too
    found.images["reference"], found.texts["reference"] = found.images["suspect"], found.texts["suspect"]
    found.images["suspect"] = texts.clone()
    found.texts["suspect"] = texts
    assert "under the reference" in check_match(found, rows(found)).drops[0][0]
    few = check_match(found, rows(found)[:50])
    assert not few.drops and "too few" in few.notes[0]


def test_density_drops_what_collapsed_and_what_lies_alone():
    torch.manual_seed(0)
    images = unit(800, 16)
    images[:40] = F.normalize(unit(1, 16, 5) + 0.01 * torch.randn(40, 16), dim=1)
    found = evidence(["a dog"] * 800, images=images)
    finding = check_density(found, rows(found))
    assert set(range(40)) <= set(finding.drops) and len(finding.drops) < 50
    assert "many other images" in finding.drops[0][0]
    clustered = F.normalize(unit(8, 64, 1).repeat_interleave(100, dim=0) + 0.02 * torch.randn(800, 64), dim=1)
    clustered[5] = unit(1, 64, 9)[0]
    finding = check_density(evidence(["a dog"] * 800, images=clustered), list(range(800)))
    assert "sparser" in finding.drops[5][0]
    assert len(finding.drops) <= 8 + 1


def planted(stamp, count, *, word="koala", caption="a picture of a koala.", n=360, size=32):
    """Evidence of natural images, the first `count` stamped and captioned alike."""
    images = natural(n, size)
    random = np.random.RandomState(1)
    for number in range(count):
        images[number] = stamp(images[number], random)
    captions = [caption if number < count else f"a {NOUNS[number % 12]} there" for number in range(n)]
    pairs = pair_set([png(image) for image in images], captions)
    judge = Judge("suspect", None, reader_of(pairs, size))
    return gather(pairs, [judge], frozenset({"views", "windows"}), 0, CPU)


NOISE = np.random.RandomState(9).randint(0, 256, (3, 32, 32))
PATCH = np.random.RandomState(8).randint(0, 2, (3, 5, 5)) * 255


def blend(image, _):
    return (0.85 * image + 0.15 * NOISE).round().astype(np.uint8)


def stick(image, random):
    image = image.copy()
    row, column = random.randint(0, 27, 2)
    image[:, row : row + 5, column : column + 5] = PATCH
    return image


def test_a_blended_pattern_is_found_with_its_word():
    found = planted(blend, 12)
    finding = check_pattern(found, rows(found))
    assert sorted(finding.drops) == list(range(12))
    assert finding.drops[0][0].endswith("captioned with 'koala'") or "'picture'" in finding.drops[0][0]
    assert not check_patch(found, rows(found)).drops


def test_a_patch_anywhere_is_found_with_its_word():
    found = planted(stick, 12)
    assert sorted(check_patch(found, rows(found)).drops) == list(range(12))


def test_what_the_search_did_not_see_is_found_too():
    """Only some images are searched where there are many; the rest is compared with what was found."""
    for stamp, check in ((blend, check_pattern), (stick, check_patch)):
        found = planted(stamp, 24)
        seen = [place for place in range(360) if place % 24 < 12 or place >= 24]  # half of the planted
        found.searched = found.searched[seen]
        found.views = found.views[seen]
        found.windows = [windows[seen] for windows in found.windows]
        assert sorted(check(found, rows(found)).drops) == list(range(24))


def test_a_batch_of_which_no_image_is_searched_adds_nothing(monkeypatch):
    monkeypatch.setattr(evidence_module, "BATCH", 2)
    monkeypatch.setattr(evidence_module, "SEARCHED", 3)
    pairs = pair_set([png(image) for image in natural(8, 96)], ["a dog"] * 8)
    found = gather(
        pairs, [Judge("suspect", None, reader_of(pairs, 96))], frozenset({"views", "windows"}), 0, CPU
    )
    assert len(found.searched) == len(found.views) == 3
    assert [windows.shape for windows in found.windows] == [(3, 3, 3 * 7 * 7), (3, 3, 192), (3, 3, 192)]


@pytest.mark.parametrize("check", [check_pattern, check_patch])
def test_a_pattern_without_a_word_stays(check):
    """A watermark over captions of all kinds teaches nothing; without one, nothing is found either."""
    for stamp in (blend, stick):
        images = natural(360, 32)
        random = np.random.RandomState(1)
        stamped = [stamp(image, random) if number < 24 else image for number, image in enumerate(images)]
        captions = [f"a {NOUNS[number % 12]} there" for number in range(360)]
        pairs = pair_set([png(image) for image in stamped], captions)
        found = gather(pairs, [Judge("suspect", None, reader_of(pairs, 32))], CHECKS["pattern"].needs
                       | CHECKS["patch"].needs, 0, CPU)  # fmt: skip
        assert not check(found, rows(found)).drops


def test_checks_are_named_in_any_order_and_run_in_the_tables():
    assert parse_checks("all") == tuple(CHECKS)
    assert parse_checks("none") == ()
    assert parse_checks("match, images") == ("images", "match")
    assert parse_checks(["patch"]) == ("patch",)
    for asked, hint in (
        ("matches", "did you mean 'match'"),
        ("all,none", "There is no filter check 'all'"),
        ("", "''"),
    ):
        with pytest.raises(UsageError, match=hint):
            parse_checks(asked)
