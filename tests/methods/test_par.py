"""The loss and its gradients against the paper's equations, written out in float64."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from clipsan.errors import UsageError
from clipsan.methods import Batch, Embeddings, Par, make_method
from clipsan.training.encode import encode_image, encode_text
from clipsan.training.gradients import backward


class TwoTowers(nn.Module):
    """The smallest thing with CLIP's interface: one hidden layer a tower."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.visual = nn.Sequential(nn.Flatten(), nn.Linear(48, 24), nn.Tanh(), nn.Linear(24, 8))
        self.text = nn.Sequential(nn.Embedding(50, 16), nn.Flatten(), nn.Linear(64, 8))
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def encode_image(self, images):
        return self.visual(images)

    def encode_text(self, tokens):
        return self.text(tokens)


def written_out(model, frozen, images, tokens, tau):
    """L of arXiv 2412.00727, equation by equation, in float64."""
    unit = lambda v: v / v.norm(dim=1, keepdim=True)  # noqa: E731
    x, t = unit(model.encode_image(images)), unit(model.encode_text(tokens))
    x0, t0 = unit(frozen.encode_image(images)).detach(), unit(frozen.encode_text(tokens)).detach()
    logits = model.logit_scale.detach().exp() * x @ t.T
    rows = -(logits.diagonal() - logits.exp().sum(dim=1).log()).mean()
    columns = -(logits.diagonal() - logits.exp().sum(dim=0).log()).mean()
    s_img, s_txt = (((x - x0) ** 2).sum(dim=1)).mean(), (((t - t0) ** 2).sum(dim=1)).mean()
    pushed = sum(s for s in (s_img, s_txt) if s.item() <= tau)
    return 0.5 * (rows + columns) - 0.5 * pushed, s_img.item(), s_txt.item()


# (how far the towers moved from the frozen copy, tau, expected side of tau for image and text)
CASES = [
    pytest.param(0.05, 2.15, (True, True), id="both below"),
    pytest.param(3.0, 0.1, (False, False), id="both above"),
    pytest.param((3.0, 0.01), 0.5, (False, True), id="image above, text below"),
]


@pytest.mark.parametrize("micro_batch", [64, 16, 7])
@pytest.mark.parametrize(("moved", "tau", "below"), CASES)
@pytest.mark.parametrize("seed", [0, 1])
def test_loss_and_gradients_equal_the_equations(seed, moved, tau, below, micro_batch):
    frozen, model = TwoTowers(seed), TwoTowers(seed)
    image_moved, text_moved = moved if isinstance(moved, tuple) else (moved, moved)
    with torch.no_grad():
        for tower, size in ((model.visual, image_moved), (model.text, text_moved)):
            for parameter in tower.parameters():
                parameter += size * torch.randn_like(parameter) * parameter.std()
    images, tokens = torch.randn(64, 3, 4, 4), torch.randint(0, 50, (64, 4))

    exact = copy.deepcopy(model).double()
    expected, s_img, s_txt = written_out(exact, copy.deepcopy(frozen).double(), images.double(), tokens, tau)
    expected.backward()
    assert (s_img <= tau, s_txt <= tau) == below

    with torch.no_grad():
        anchor = Embeddings(encode_image(frozen, images), encode_text(frozen, tokens))
    loss = backward(model, Par(tau=tau), images, tokens, anchor, micro_batch)

    assert abs(loss.total.item() - expected.item()) <= 1e-5 * abs(expected.item())
    assert loss.terms["s_image"].item() == pytest.approx(s_img, rel=1e-5)
    assert loss.terms["s_text"].item() == pytest.approx(s_txt, rel=1e-5)
    for (name, ours), theirs in zip(model.named_parameters(), exact.parameters(), strict=True):
        if name == "logit_scale":
            assert ours.grad is None
            continue
        error = (ours.grad.double() - theirs.grad).norm() / theirs.grad.norm()
        assert error <= 1e-5, f"{name}: {error:.1e}"


def test_a_case_by_hand():
    """Two orthogonal pairs, scale 1: L_CLIP = ln(1 + 1/e); S_img = 2 (orthogonal), S_txt = 4 (opposite)."""
    eye = torch.eye(2)
    student = Embeddings(eye, eye)
    frozen = Embeddings(eye.flip(0), -eye)
    loss = Par(tau=2.15).loss(Batch(student, torch.tensor(1.0), frozen))
    clip = math.log(1 + math.exp(-1))
    assert loss.terms["clip"].item() == pytest.approx(clip, rel=1e-6)
    assert loss.terms["s_image"].item() == pytest.approx(2.0)
    assert loss.terms["s_text"].item() == pytest.approx(4.0)
    assert loss.total.item() == pytest.approx(clip - 1.0, rel=1e-6)  # only S_img is still at most tau
    at_tau = Par(tau=4.0).loss(Batch(student, torch.tensor(1.0), frozen))
    assert at_tau.total.item() == pytest.approx(clip - 1.0 - 2.0, rel=1e-6)  # "at most" includes tau


def test_finetune_is_the_contrastive_loss_alone():
    student = Embeddings(F.normalize(torch.randn(5, 4), dim=1), F.normalize(torch.randn(5, 4), dim=1))
    loss = make_method("finetune", 2.15).loss(Batch(student, torch.tensor(10.0)))
    logits = 10 * student.image @ student.text.T
    expected = (F.cross_entropy(logits, torch.arange(5)) + F.cross_entropy(logits.T, torch.arange(5))) / 2
    assert loss.total.item() == pytest.approx(expected.item(), rel=1e-6)
    assert set(loss.terms) == {"clip"}


@pytest.mark.parametrize("tau", [0.0, -1.0, 4.01, float("nan")])
def test_tau_out_of_range(tau):
    with pytest.raises(UsageError, match="--tau"):
        Par(tau=tau)


def test_unknown_method_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'finetune'"):
        make_method("fine-tune", 2.15)
