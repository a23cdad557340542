"""Cached gradients on real towers: the micro-batch changes memory, not the result."""

from __future__ import annotations

import copy

import open_clip
import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from clipsan.methods import Embeddings, Par
from clipsan.training.encode import encode_image, encode_text
from clipsan.training.gradients import backward

TEXT = {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 1, "layers": 1}
RN = {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None}
VIT = {"image_size": 32, "layers": 1, "width": 64, "head_width": 64, "patch_size": 16}


def make(vision):
    torch.manual_seed(0)
    return open_clip.CLIP(embed_dim=16, vision_cfg=dict(vision), text_cfg=dict(TEXT))


def batch(model, count=12):
    torch.manual_seed(1)
    images, tokens = torch.randn(count, 3, 32, 32), torch.randint(1, 64, (count, 8))
    frozen = copy.deepcopy(model).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
        anchor = Embeddings(encode_image(frozen, images), encode_text(frozen, tokens))
    return images, tokens, anchor


@pytest.mark.parametrize("vision", [RN, VIT], ids=["RN", "ViT"])
@pytest.mark.parametrize("micro_batch", [12, 4, 5])
def test_gradient_does_not_depend_on_the_micro_batch(vision, micro_batch):
    model = make(vision)
    images, tokens, anchor = batch(model)
    model.eval()  # frozen BatchNorm statistics, the published choice
    whole = copy.deepcopy(model)
    expected = backward(whole, Par(), images, tokens, anchor, micro_batch=100)
    loss = backward(model, Par(), images, tokens, anchor, micro_batch)
    assert loss.total.item() == pytest.approx(expected.total.item(), rel=1e-5)
    for (name, ours), theirs in zip(model.named_parameters(), whole.parameters(), strict=True):
        if theirs.grad is None:
            assert ours.grad is None, name
            continue
        scale = theirs.grad.norm()
        if scale > 1e-6:
            assert (ours.grad - theirs.grad).norm() <= 1e-4 * scale, name


def test_batch_norm_in_training_mode_counts_each_micro_batch_once():
    model = make(RN)
    images, tokens, anchor = batch(model)
    model.train()
    once = copy.deepcopy(model)
    with torch.no_grad():
        for part in images.split(4):
            once.encode_image(part)
    backward(model, Par(), images, tokens, anchor, micro_batch=4)
    layers = [m for m in model.modules() if isinstance(m, _BatchNorm)]
    assert len(layers) > 5
    for ours, theirs in zip(layers, (m for m in once.modules() if isinstance(m, _BatchNorm)), strict=True):
        assert ours.num_batches_tracked == theirs.num_batches_tracked == 3
        assert torch.allclose(ours.running_mean, theirs.running_mean, atol=1e-6)
        assert torch.allclose(ours.running_var, theirs.running_var, rtol=1e-5)
        assert ours.track_running_stats


def test_gradients_add_up():
    model = make(VIT)
    images, tokens, anchor = batch(model)
    backward(model, Par(), images, tokens, anchor, 100)
    once = model.visual.proj.grad.clone()
    backward(model, Par(), images, tokens, anchor, 4)
    assert torch.allclose(model.visual.proj.grad, 2 * once, rtol=1e-3, atol=1e-7)
