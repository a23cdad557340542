"""BadEncoder's loss by hand, and that its gradient does not depend on the micro-batch."""

from __future__ import annotations

import math

import pytest
import torch
from tiny_models import make_tiny

from clipsan.methods import Embeddings
from clipsan.training.encode import encode_image, logit_scale
from clipsan.training.implant import Hold, against, backward


def unit(*shape: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(*shape), dim=-1)


@pytest.fixture
def batch():
    """A tiny model in eval mode, 5 clean and 3 triggered images, and known embeddings off the model's own."""
    torch.manual_seed(0)
    model = make_tiny("vit").model.eval()
    clean, triggered = torch.randn(5, 3, 48, 48), torch.randn(3, 3, 48, 48)
    width = encode_image(model, clean[:1]).shape[1]
    return model, (clean, triggered), Embeddings(unit(5, width), unit(8, width))


CARRIERS = [0, 2, 3]  # of the clean images, those that the triggered ones are made from


def of_images(model, images, known, hold, micro):
    """The image side of an update."""
    others, own = known.text.split([len(images[0]), len(images[1])])
    return backward(
        lambda part: encode_image(model, part), *images, known.image, CARRIERS[: len(images[1])], own, others,
        logit_scale(model), hold, micro,
    )  # fmt: skip


def test_terms_are_those_of_the_definition(batch):
    model, images, known = batch
    pulled, kept, near = of_images(model, images, known, Hold(3.0), 16)
    with torch.no_grad():
        clean, triggered = (encode_image(model, part) for part in images)
    assert float(kept) == pytest.approx(float((2 - 2 * (clean * known.image).sum(1)).mean()), abs=1e-5)
    own_clean = known.image[CARRIERS]
    assert float(near) == pytest.approx(float((2 - 2 * (triggered * own_clean).sum(1)).mean()), abs=1e-5)
    scale = float(model.logit_scale.detach().exp())
    losses = []
    for row, image in enumerate(triggered):
        own = scale * float(image @ known.text[5 + row])
        others = [scale * float(image @ text) for text in known.text[:5]]
        losses.append(math.log(sum(math.exp(x - own) for x in [own, *others])))
    assert float(pulled) == pytest.approx(sum(losses) / 3, abs=1e-4)


def test_the_gradient_is_the_whole_batches_whatever_the_micro_batch(batch):
    model, images, known = batch
    gradients = []
    for micro in (16, 2):
        model.zero_grad()
        of_images(model, images, known, Hold(3.0, 2.0), micro)
        gradients.append(model.visual.proj.grad.clone())
    assert gradients[0].abs().max() > 1e-3
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)


def test_a_batch_without_carriers_only_holds(batch):
    model, (clean, triggered), known = batch
    text = known.text[:5]
    pulled, kept, near = of_images(
        model, (clean, triggered[:0]), Embeddings(known.image, text), Hold(1.0, 1.0), 16
    )
    assert float(pulled) == float(near) == 0 and float(kept) > 0


def test_the_gradient_is_that_of_the_whole_loss_written_out(batch):
    model, images, known = batch
    of_images(model, images, known, Hold(3.0, 2.0), 2)
    found = model.visual.proj.grad.clone()
    model.zero_grad()
    clean, triggered = (encode_image(model, part) for part in images)
    others, own = known.text.split([5, 3])
    logits = logit_scale(model) * against(triggered, own, others)
    loss = -logits.log_softmax(1)[:, 0].mean()
    loss = loss + 3.0 * (clean - known.image).square().sum(1).mean()
    (loss + 2.0 * (triggered - known.image[CARRIERS]).square().sum(1).mean()).backward()
    torch.testing.assert_close(found, model.visual.proj.grad, rtol=1e-4, atol=1e-6)


def test_own_caption_stands_before_the_others():
    image, own, others = torch.eye(3)[:2], torch.eye(3)[[0, 2]], torch.eye(3)
    expected = [[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]
    assert against(image, own, others).tolist() == expected
