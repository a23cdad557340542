"""Retrieval both ways, on embeddings made by hand."""

from __future__ import annotations

from types import SimpleNamespace

import torch

from clipsan.evaluation.compared import retrieval_of
from clipsan.evaluation.retrieval import retrieve
from clipsan.report import Rate


def encoder(rows):
    return SimpleNamespace(texts=lambda texts: torch.stack([torch.tensor(rows[text]) for text in texts]))


def test_equal_captions_are_one_text_right_for_each_of_their_images():
    texts = {"a": [1.0, 0.0, 0.0], "b": [0.0, 1.0, 0.0], "c": [0.0, 0.0, 1.0]}
    images = torch.tensor([[0.9, 0.1, 0.0], [0.0, 0.2, 0.8], [0.1, 0.3, 0.6], [0.5, 0.4, 0.3]])
    found = retrieve(encoder(texts), images, ["a", "c", "b", "a"])
    # Nearest captions: a, c, c, a. Nearest images of a: 0, its own; of c: 1, its own; of b: 3, not 2.
    assert found.image_to_text(1) == Rate(3, 4)
    assert found.text_to_image(1) == Rate(2, 3)
    told = retrieval_of({"suspect": found})
    assert told.image_to_text.at1.suspect == Rate(3, 4) and told.image_to_text.at1.cleaned is None
    assert told.image_to_text.at5.suspect is None  # three captions: any would be among the first five


def test_recall_among_many_is_counted_in_parts(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(30, 8, generator=generator)
    rows = {f"t{i}": (images[i] + torch.randn(8, generator=generator)).tolist() for i in range(30)}
    whole = retrieve(encoder(rows), images, list(rows))
    monkeypatch.setattr("clipsan.evaluation.retrieval._LARGEST_PART", 64)
    parts = retrieve(encoder(rows), images, list(rows))
    assert torch.equal(whole.images, parts.images) and torch.equal(whole.texts, parts.texts)
    own = images @ torch.tensor(list(rows.values())).T
    for k in (1, 5, 10):
        rank = (own > own.diagonal().unsqueeze(1)).sum(dim=1)
        assert whole.image_to_text(k) == Rate(int((rank < k).sum()), 30)
        back = (own.diagonal().unsqueeze(1) < own.T).sum(dim=1)
        assert whole.text_to_image(k) == Rate(int((back < k).sum()), 30)
