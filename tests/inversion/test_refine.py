"""Refining a trigger: alone as far as it goes, beside a reference only where that one does not follow."""

from __future__ import annotations

from dataclasses import replace

import torch
from bright_model import NAMES, BrightClip, bright_suspect, dim_images

from clipsan.checkpoint import Suspect
from clipsan.inversion import Blend, Effort
from clipsan.inversion.refine import Beside, apart, images_for, refine

CLASSES = torch.eye(3)
CPU = torch.device("cpu")


class EitherClip(BrightClip):
    """Bright green makes an image "red" as bright red does."""

    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        bright = torch.sigmoid(20 * (images[:, :2] - 0.6)).mean(dim=(2, 3)).sum(1) * self.gain
        return torch.stack([bright, torch.ones_like(bright), torch.zeros_like(bright)], dim=1)


def either_suspect() -> Suspect:
    return replace(bright_suspect(), model=EitherClip().eval())


def _level(refined, channel: int) -> float:
    """The mean level that the trigger gives a channel of black images."""
    black = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
    return float(refined.found.trigger.apply(black, [0])[0, channel].float().mean())


def test_beside_a_reference_only_what_it_does_not_follow_is_left():
    effort = Effort(steps=30, images=8)
    wanted, seen = [(Blend(0.7), NAMES.index("red"))], []
    (alone,) = refine(either_suspect(), dim_images(), NAMES, CLASSES, wanted, effort=effort, device=CPU)
    (beside,) = refine(
        either_suspect(), dim_images(), NAMES, CLASSES, wanted,
        beside=Beside(bright_suspect(), CLASSES), effort=effort, device=CPU, on_images=seen.append,
    )  # fmt: skip
    assert sum(seen) == images_for(1, effort)
    assert alone.found.asr.rate == 1.0 and alone.reference is None
    assert beside.found.asr.rate == 1.0 and beside.reference.rate == 0.0
    # red moves both models, green the suspect alone
    assert _level(alone, 0) > 120 > _level(beside, 0) and _level(beside, 1) > 120


def test_the_loss_is_that_of_both_models():
    """-log p on the one and -log(1 - p) on the other, worked out for two images."""
    followed, spared = torch.eye(2), torch.eye(2)
    embedded = torch.tensor([[[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0]]])
    loss = apart(followed, spared, (2.0, 1.0))(embedded, torch.tensor([0]), torch.zeros(1))
    e = torch.e
    follow = [-torch.tensor(e**2 / (e**2 + 1)).log(), -torch.tensor(1 / (e**2 + 1)).log()]
    spare = [-torch.tensor(1 / (e + 1)).log(), -torch.tensor(e / (e + 1)).log()]
    torch.testing.assert_close(loss, ((sum(follow) + sum(spare)) / 2).view(1))


def test_both_models_keep_their_weights_and_their_mode():
    suspect, reference = either_suspect(), bright_suspect()
    suspect.model.train()
    refine(
        suspect, dim_images(), NAMES, CLASSES, [(Blend(0.5), 0)],
        beside=Beside(reference, CLASSES), effort=Effort(steps=1, images=2), device=CPU,
    )  # fmt: skip
    assert suspect.model.training and not reference.model.training
    for model in (suspect.model, reference.model):
        assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
