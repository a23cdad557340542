"""Augmented views: what they change, and that nothing but the seed decides."""

from __future__ import annotations

import pytest
import torch

from clipsan.methods import Views
from clipsan.training.image_views import IMAGE_VIEWS, image_view
from clipsan.training.shown import shown
from clipsan.training.synonyms import SYNONYMS
from clipsan.training.text_views import text_view
from clipsan.training.texts import Captions


def pixels(count: int = 12):
    generator = torch.Generator().manual_seed(0)
    small = torch.randint(0, 256, (count, 3, 4, 4), dtype=torch.uint8, generator=generator)
    return small.repeat_interleave(8, dim=2).repeat_interleave(8, dim=3)


@pytest.mark.parametrize("kind", IMAGE_VIEWS)
def test_image_views_are_images_fixed_by_their_seed(kind):
    images = pixels()
    before = images.clone()
    state = torch.get_rng_state()
    view = image_view(images, kind, 1)
    assert torch.equal(torch.get_rng_state(), state)  # nobody else's draws change
    assert view.shape == images.shape and view.dtype == torch.uint8
    assert torch.equal(images, before)
    torch.randn(5)
    assert torch.equal(view, image_view(images, kind, 1))
    assert not torch.equal(view, image_view(images, kind, 2))
    changed = (view != images).flatten(1).any(dim=1)
    assert changed.sum() >= len(images) // 2
    same = image_view(images[:1].expand(12, -1, -1, -1), kind, 1)
    assert len({tuple(one.flatten().tolist()) for one in same}) > 3  # each image has its own draws


def test_caption_views_by_operation():
    """Each operation, recognised by what it does to a caption's words."""
    caption = "A photo of a small dog, near the big river"
    words = caption.split()
    kinds = {"replaced": 0, "inserted": 0, "swapped": 0, "deleted": 0, "same": 0}
    for seed in range(400):
        view = text_view(caption, seed).split()
        if len(view) > len(words):
            (new,) = [view[i] for i in range(len(view)) if view[:i] + view[i + 1 :] == words][:1]
            assert any(new in SYNONYMS[w] for w in ("photo", "small", "dog", "near", "big", "river"))
            kinds["inserted"] += 1
        elif len(view) < len(words):
            kinds["deleted"] += 1
        elif view == words:
            kinds["same"] += 1  # deletion that hit no word
        elif sorted(view) == sorted(words):
            kinds["swapped"] += 1
        else:
            (place,) = [i for i, word in enumerate(words) if view[i] != word]
            bare = words[place].strip(",").lower()
            assert view[place].strip(",") in SYNONYMS[bare]
            assert view[place].endswith(",") == words[place].endswith(",")
            kinds["replaced"] += 1
    assert min(kinds["replaced"], kinds["inserted"], kinds["swapped"]) > 60
    assert kinds["deleted"] + kinds["same"] > 60 and kinds["same"] < 80


def test_captions_that_cannot_change_stay():
    assert text_view("xylograph", 1) == "xylograph"
    assert text_view("", 1) == ""
    assert {text_view("dog", seed) for seed in range(30)} >= {"hound", "canine"}
    assert all(text_view("a b", seed).split() for seed in range(50))


def test_synonyms_are_mutual_single_words():
    for word, others in SYNONYMS.items():
        assert others and word not in others
        assert word == word.lower() and not any(c.isspace() for c in word)
        assert all(word in SYNONYMS[other] for other in others)


def test_views_of_captions_differ_between_updates_and_places():
    def tokenize(texts):
        return torch.tensor([[len(text), sum(map(ord, text))] for text in texts])

    captions = Captions(["a small dog near a river"] * 8, tokenize)
    one = captions.views(range(8), 1)
    assert torch.equal(one, captions.views(range(8), 1))
    assert not torch.equal(one, captions.views(range(8), 2))
    assert len(one.unique(dim=0)) > 2  # equal captions get views of their own


def test_a_method_is_shown_what_it_asks_for():
    captions = Captions(["a small dog"] * 12, lambda texts: torch.tensor([[sum(map(ord, t))] for t in texts]))
    images, all_of_them = pixels(), range(12)
    plain = shown(None, images, captions, all_of_them, 1)
    beside = shown(Views("autoaugment", instead=False), images, captions, all_of_them, 1)
    instead = shown(Views("autoaugment", instead=True), images, captions, all_of_them, 1)
    assert plain.views is None and plain.pixels is images
    assert beside.pixels is images and torch.equal(beside.tokens, plain.tokens)
    assert torch.equal(instead.pixels, beside.views[0]) and torch.equal(instead.tokens, beside.views[1])
    assert not torch.equal(instead.pixels, images) and not torch.equal(instead.tokens, plain.tokens)
    assert instead.views is None
