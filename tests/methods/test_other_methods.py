"""CleanCLIP and RoCLIP: by hand, against the equations, and the same gradient in micro-batches."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from test_par import TwoTowers
from torch.nn import functional as F

from clipsan.errors import UsageError
from clipsan.methods import METHODS, Batch, CleanClip, Embeddings, RoClip, make_method
from clipsan.training.encode import encode_image, encode_text
from clipsan.training.gradients import backward

ONE = torch.tensor(1.0)


def inputs(seed: int, count: int = 24):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, 4, 4, generator=generator), torch.randint(
        0, 50, (count, 4), generator=generator
    )


def softmax_loss(logits):
    """−mean_i log( exp(l_ii) / Σ_j exp(l_ij) ), written out."""
    return -(logits.diagonal() - logits.exp().sum(dim=1).log()).mean()


def test_cleanclip_by_hand():
    """Plain pairs are orthogonal units: L_CLIP = ln(1 + 1/e). Image views are the images themselves:
    the same; text views are exchanged, so each text finds the wrong one: ln(1 + e)."""
    eye = torch.eye(2)
    batch = Batch(Embeddings(eye, eye), ONE, views=Embeddings(eye, eye.flip(0)))
    right, wrong = math.log(1 + math.exp(-1)), math.log(1 + math.e)
    loss = CleanClip(in_modal=3.0).loss(batch)
    assert loss.terms["clip"].item() == pytest.approx(right)
    assert loss.terms["in_modal_image"].item() == pytest.approx(right)
    assert loss.terms["in_modal_text"].item() == pytest.approx(wrong)
    assert loss.total.item() == pytest.approx(right + 3 * 0.5 * (right + wrong))
    assert CleanClip(in_modal=0.0).loss(batch).total.item() == pytest.approx(right)


@pytest.mark.parametrize("micro_batch", [24, 8, 7])
def test_cleanclip_and_its_gradients_equal_the_equations(micro_batch):
    model, weight = TwoTowers(0), 0.7
    exact = copy.deepcopy(model).double()
    (images, tokens), (second, changed) = inputs(1), inputs(2)
    unit = lambda v: v / v.norm(dim=1, keepdim=True)  # noqa: E731
    x, t = unit(exact.encode_image(images.double())), unit(exact.encode_text(tokens))
    x2, t2 = unit(exact.encode_image(second.double())), unit(exact.encode_text(changed))
    s = exact.logit_scale.detach().exp()
    clip = 0.5 * (softmax_loss(s * x @ t.T) + softmax_loss(s * t @ x.T))
    expected = clip + weight * 0.5 * (softmax_loss(s * x @ x2.T) + softmax_loss(s * t @ t2.T))
    expected.backward()

    loss = backward(
        model, CleanClip(weight), images, tokens, None, micro_batch, views=(second, changed), step=3
    )
    assert loss.total.item() == pytest.approx(expected.item(), rel=1e-5)
    for (name, ours), theirs in zip(model.named_parameters(), exact.parameters(), strict=True):
        if name != "logit_scale":
            assert (ours.grad.double() - theirs.grad).norm() <= 1e-5 * theirs.grad.norm(), name


def test_roclip_by_hand():
    """The pool holds the first batch's captions; on the second update each image takes the nearest."""
    method, eye = RoClip(match_every=2, pool=1.0), torch.eye(3)
    first = Batch(Embeddings(eye[:2], eye[1:]), ONE, step=0, pairs=4)
    own = 0.5 * (softmax_loss(eye[:2] @ eye[1:].T) + softmax_loss(eye[1:] @ eye[:2].T))
    assert method.loss(first).total.item() == pytest.approx(own.item(), rel=1e-6)  # there is no pool yet
    images = F.normalize(torch.tensor([[0.1, 0.9, 0.2], [0.0, 0.8, 0.9]]), dim=1)
    texts = F.normalize(torch.tensor([[1.0, 0.1, 0.0], [0.9, 0.3, 0.0]]), dim=1).requires_grad_(True)
    matched = torch.stack([eye[1], eye[2]])  # the nearest of the pool, e2 and e3
    expected = 0.5 * (softmax_loss(images @ matched.T) + softmax_loss(matched @ images.T))
    second = Batch(Embeddings(images.requires_grad_(True), texts), ONE, step=1, pairs=4)
    loss = method.loss(second)
    assert loss.total.item() == pytest.approx(expected.item(), rel=1e-6)
    (grad,) = torch.autograd.grad(loss.total, [texts], allow_unused=True)
    assert grad is None  # the own captions are only remembered
    third = method.loss(Batch(Embeddings(images, texts), ONE, step=2, pairs=4))
    own = 0.5 * (softmax_loss(images @ texts.T) + softmax_loss(texts @ images.T))
    assert third.total.item() == pytest.approx(own.item(), rel=1e-6)  # every second update only


def test_roclips_pool_forgets_the_oldest_and_holds_a_batch_at_least():
    method = RoClip(pool=0.5, match_every=100)
    texts = F.normalize(torch.randn(6, 4), dim=1)
    for step in range(3):
        part = texts[2 * step : 2 * step + 2]
        method.loss(Batch(Embeddings(part, part), ONE, step=step, pairs=6))
    assert torch.equal(method._texts, texts[3:])  # half of six pairs
    method.loss(Batch(Embeddings(texts, texts), ONE, step=3, pairs=6))
    assert torch.equal(method._texts, texts)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_the_full_batchs_gradient_in_micro_batches(name):
    """Three updates, so that what a method remembers matters; the model moves between them."""
    models = [TwoTowers(4), TwoTowers(4)]
    methods = [make_method(name, 2.15), make_method(name, 2.15)]
    frozen = TwoTowers(5)
    for step in range(3):
        (images, tokens), second = inputs(10 + step), inputs(20 + step)
        with torch.no_grad():
            anchor = Embeddings(encode_image(frozen, images), encode_text(frozen, tokens))
        totals = [
            backward(model, method, images, tokens, anchor, micro, views=second, step=step, pairs=100)
            for model, method, micro in zip(models, methods, (24, 5), strict=True)
        ]
        assert totals[0].total.item() == pytest.approx(totals[1].total.item(), rel=1e-5)
        for (key, whole), parts in zip(models[0].named_parameters(), models[1].parameters(), strict=True):
            if whole.grad is None:
                assert parts.grad is None, key
                continue
            assert (whole.grad - parts.grad).norm() <= 1e-5 * whole.grad.norm() + 1e-8, key
            with torch.no_grad():
                for parameter in (whole, parts):
                    parameter -= 0.1 * whole.grad
            whole.grad = parts.grad = None


@pytest.mark.parametrize(
    ("name", "option", "sentence"),
    [
        ("par", {"in_modal": 2.0}, "--in-modal is an option of cleanclip, but the method is par"),
        ("cleanclip", {"pool": 0.1}, "--pool is an option of roclip, but the method is cleanclip"),
        ("finetune", {"match_every": 2}, "--match-every is an option of roclip, but the method is finetune"),
        ("cleanclip", {"in_modal": -1.0}, "--in-modal is -1"),
        ("cleanclip", {"in_modal": float("nan")}, "--in-modal is nan"),
        ("roclip", {"pool": 0.0}, "--pool is 0"),
        ("roclip", {"match_every": 0}, "--match-every is 0"),
    ],
)
def test_options_of_other_methods_and_out_of_range_are_refused(name, option, sentence):
    with pytest.raises(UsageError, match=sentence):
        make_method(name, 2.15, **option)


def test_a_new_batch_of_methods_shares_no_pool():
    texts = torch.eye(2)
    one, other = make_method("roclip", 2.15), make_method("roclip", 2.15)
    one.loss(Batch(Embeddings(texts, texts), ONE, pairs=2))
    assert other._texts is None
