"""Weights between two models, and BatchNorm's averages of what lies between."""

from __future__ import annotations

import pytest
import torch
from tiny_models import make_tiny

from clipsan.training.interpolate import between, has_statistics, with_statistics


def test_points_of_the_line():
    cleaned = {"w": torch.tensor([0.0, 2.0]), "n": torch.tensor(7)}
    suspect = {"w": torch.tensor([4.0, 2.0]), "n": torch.tensor(9)}
    mixed = between(cleaned, suspect, 0.25)
    assert mixed["w"].tolist() == [1.0, 2.0] and int(mixed["n"]) == 7
    assert between(cleaned, suspect, 0.0)["w"].tolist() == [0.0, 2.0]
    assert between(cleaned, suspect, 1.0)["w"].tolist() == [4.0, 2.0]


@pytest.mark.parametrize(("suspect", "share"), [({"v": torch.zeros(1)}, 0.5), ({"w": torch.zeros(1)}, 1.5)])
def test_what_cannot_be_interpolated(suspect, share):
    with pytest.raises(ValueError, match=r"interpolated|share"):
        between({"w": torch.zeros(1)}, suspect, share)


def test_averages_are_those_of_the_images_and_weights_stay():
    model = make_tiny("rn").model
    assert has_statistics(model) and not has_statistics(make_tiny("vit").model)
    before = {key: value.clone() for key, value in model.named_parameters()}
    generator = torch.Generator().manual_seed(0)
    batches = [torch.rand(8, 3, 64, 64, generator=generator) + n for n in range(2)]
    with_statistics(model, batches)
    first = model.visual.bn1
    with torch.no_grad():
        means = [model.visual.conv1(images).mean(dim=(0, 2, 3)) for images in batches]
    assert torch.allclose(first.running_mean, torch.stack(means).mean(0), atol=1e-5)
    assert first.momentum == 0.1 and not model.training
    assert all(torch.equal(before[key], value) for key, value in model.named_parameters())
