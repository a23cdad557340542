"""A locked tower stays as it was, to the last bit, and the other one trains as if it had no choice."""

from __future__ import annotations

import copy

import pytest
import torch
from tiny_models import make_tiny

from clipsan.checkpoint import load
from clipsan.errors import UsageError
from clipsan.methods.finetune import FineTune
from clipsan.pairs import ImageReader, open_pairs
from clipsan.training.gradients import backward
from clipsan.training.loop import train
from clipsan.training.settings import TrainSettings
from clipsan.training.towers import locked, training_towers


def trained(suspect, pairs, **settings):
    """What the state was, and is; `suspect` is trained."""
    before = copy.deepcopy(suspect.model.state_dict())
    reader = ImageReader(pairs, suspect.preprocess_cfg, suspect.image_size, threads=1)
    train(
        suspect,
        pairs,
        reader,
        TrainSettings(batch_size=12, steps=2, lr_start=1e-3, **settings),
        torch.device("cpu"),
    )
    return before, suspect.model.state_dict()


@pytest.fixture(scope="module")
def folder(world, tmp_path_factory):
    out = tmp_path_factory.mktemp("rn") / "rn"
    make_tiny("rn").write_folder(out)
    return out


@pytest.mark.parametrize("micro_batch", [12, 5])
@pytest.mark.parametrize("lock", ["text", "image"])
def test_a_locked_tower_keeps_weights_and_statistics(world, folder, lock, micro_batch):
    suspect = load(folder)
    free = [p for p in suspect.model.parameters() if p.requires_grad and p is not suspect.model.logit_scale]
    before, after = trained(
        suspect, open_pairs(world / "pairs"), lock=lock, batch_norm="train", micro_batch=micro_batch
    )
    for name, value in before.items():
        if name != "logit_scale" and value.is_floating_point():
            kept = name.startswith("visual.") == (lock == "image")
            assert torch.equal(after[name], value) == kept, name
    assert all(p.requires_grad for p in free)


@pytest.mark.parametrize("micro_batch", [12, 5])
@pytest.mark.parametrize("lock", ["text", "image"])
def test_the_other_tower_has_the_gradient_it_always_had(lock, micro_batch):
    torch.manual_seed(0)
    model = make_tiny("vit").model.train()
    images, tokens = (
        torch.randn(12, 3, *model.visual.image_size),
        torch.randint(1, 64, (12, model.context_length)),
    )
    unlocked = copy.deepcopy(model)
    backward(unlocked, FineTune(), images, tokens, None, micro_batch)
    with locked(model, image=lock == "image", text=lock == "text"):
        backward(model, FineTune(), images, tokens, None, micro_batch)
    for (name, ours), theirs in zip(model.named_parameters(), unlocked.parameters(), strict=True):
        if name.startswith("visual.") == (lock == "image"):
            assert ours.grad is None, name
        elif theirs.grad is not None:
            assert torch.allclose(ours.grad, theirs.grad, rtol=1e-4, atol=1e-6), name


def test_only_the_locked_tower_is_out_of_training_mode():
    model = make_tiny("rn").model
    for lock in ("none", "text", "image"):
        training_towers(model, lock)
        assert (model.visual.training, model.transformer.training) == (lock != "image", lock != "text")


def test_an_unknown_tower_is_refused():
    with pytest.raises(UsageError, match="--lock is 'head', but must be one of none, text, image"):
        TrainSettings(lock="head")
