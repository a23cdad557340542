"""Parts of a run become what they were."""

from __future__ import annotations

import pytest
import torch

from clipsan.errors import ResumeError
from clipsan.training.faults import Before
from clipsan.training.state import State, Stateful, restore
from clipsan.training.texts import Captions


def tokenize(texts):
    return torch.tensor([[len(text), 1] for text in texts])


def test_frozen_embeddings_of_captions_are_kept_and_not_computed_again():
    captions = ["a", "bb", "a", "ccc"]
    before = Captions(captions, tokenize)
    assert before.state() == State()
    seen = before.frozen([0, 3], lambda tokens: torch.rand(len(tokens), 4))
    after = Captions(captions, tokenize)
    after.load_state(before.state())
    asked = []

    def embed(tokens):
        asked.append(tokens[:, 0].tolist())
        return torch.zeros(len(tokens), 4)

    found = after.frozen([2, 3, 1], embed)
    assert torch.equal(found[:2], seen)
    assert asked == [[2]]


class Remembering:
    """A method with a pool, changed in place."""

    def __init__(self):
        self.pool = torch.tensor([1.0, 2.0])

    def state(self):
        return State({"pool": self.pool})

    def load_state(self, state):
        self.pool = state.tensors["pool"]


def test_what_a_method_remembers_is_taken_back_with_half_an_update():
    model, method = torch.nn.BatchNorm1d(2), Remembering()
    optimizer = torch.optim.AdamW(model.parameters())
    before = Before(model, optimizer, method)
    model(torch.randn(4, 2)).sum().backward()
    method.pool.add_(5)
    before.undo()
    assert method.pool.tolist() == [1.0, 2.0]
    assert model.running_mean.tolist() == [0.0, 0.0] and model.num_batches_tracked == 0
    assert model.weight.grad is None


def test_a_state_that_does_not_fit_is_refused_by_name():
    parts = {"method": Remembering()}
    assert isinstance(parts["method"], Stateful)
    with pytest.raises(ResumeError, match="the saved state of the method does not fit"):
        restore(parts, {"method": State()})
    with pytest.raises(ResumeError, match="differ in curve, method"):
        restore(parts, {"curve": State()})
