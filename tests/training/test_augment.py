"""PAR's augmentation: who is hit, how hard, and where."""

from __future__ import annotations

import pytest
import torch

from clipsan.training.augment import augment

MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


def run(names, value=51, count=400, seed=0, size=64):
    pixels = torch.full((count, 3, size, size), value, dtype=torch.uint8)
    return augment(pixels, names, MEAN, STD, torch.Generator().manual_seed(seed))


def test_without_augmentation_only_normalises():
    images = run((), value=255, count=2)
    assert torch.allclose(images, torch.full_like(images, (1.0 - 0.5) / 0.25))


def test_noise_only_brightens_half_of_the_images():
    pixels = run(("brightening-noise",)) * 0.25 + 0.5
    added = pixels - 0.2
    hit = added.flatten(1).amax(dim=1) > 1e-4
    assert 0.4 < hit.float().mean() < 0.6
    assert added.min() > -1e-5  # clipped to [0, 1] before it is added
    # E[max(0, N(0, 0.2²))] = 0.2 / sqrt(2π)
    assert abs(added[hit].mean().item() - 0.2 / (2 * torch.pi) ** 0.5) < 1e-3
    assert torch.allclose(added[~hit], torch.zeros(()), atol=1e-6)


def test_erase_zeroes_one_square_of_the_stated_area_after_normalising():
    images = run(("erase",))
    erased = (images == 0).all(dim=1)  # grey 51/255 normalises to -1.2
    hit = erased.flatten(1).any(dim=1)
    assert 0.4 < hit.float().mean() < 0.6
    for mask in erased[hit]:
        rows, columns = mask.any(dim=1).sum().item(), mask.any(dim=0).sum().item()
        assert rows == columns == round(mask.sum().item() ** 0.5)
        assert (rows + 0.5) ** 2 >= 0.005 * 64 * 64 and (rows - 0.5) ** 2 <= 0.01 * 64 * 64
    places = erased[hit].flatten(1).float().argmax(dim=1)
    assert places.unique().numel() > 100


def test_flip_mirrors_half_of_the_images():
    ramp = torch.arange(64, dtype=torch.uint8).expand(200, 3, 64, 64).contiguous()
    images = augment(ramp, ("flip",), (0.0,) * 3, (1.0,) * 3, torch.Generator().manual_seed(1))
    first = images[:, 0, 0, 0]
    flipped = first == 63 / 255
    assert 0.4 < flipped.float().mean() < 0.6
    assert torch.equal(images[flipped], (ramp[flipped].float() / 255).flip(-1))


def test_equal_seeds_give_equal_images():
    names = ("brightening-noise", "erase", "flip")
    assert torch.equal(run(names, seed=3), run(names, seed=3))
    assert not torch.equal(run(names, seed=3), run(names, seed=4))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_erase_is_a_mask_of_one_square(layout):
    """What it writes is what the mask of the stated square would, also at the edges and for small images."""
    for height, width in ((8, 8), (64, 40), (33, 97)):
        pixels = torch.randint(1, 100, (150, 3, height, width), dtype=torch.uint8).to(memory_format=layout)
        plain = augment(pixels, (), MEAN, STD, torch.Generator().manual_seed(2))
        images = augment(pixels, ("erase",), MEAN, STD, torch.Generator().manual_seed(2))
        assert images.is_contiguous(memory_format=layout)
        erased = images != plain
        assert torch.equal(images[~erased], plain[~erased]) and not images[erased].any()
        assert torch.equal(erased[:, 0], erased[:, 1]) and torch.equal(erased[:, 0], erased[:, 2])
        for mask in erased[:, 0]:
            rows, columns = mask.any(dim=1).nonzero().flatten(), mask.any(dim=0).nonzero().flatten()
            assert mask.sum() == len(rows) * len(columns) and len(rows) == len(columns)
            assert len(rows) == 0 or rows[-1] - rows[0] == len(rows) - 1 == columns[-1] - columns[0]


def test_every_image_has_noise_of_its_own():
    images = run(("brightening-noise",), count=200, size=16).flatten(1)
    untouched = (images == images.min()).all(dim=1).sum().item()
    assert 70 < untouched < 130
    assert len(images.unique(dim=0)) == 200 - untouched + 1


def test_the_pixels_given_are_not_changed():
    pixels = torch.randint(0, 256, (20, 3, 16, 16), dtype=torch.uint8)
    kept = pixels.clone()
    augment(pixels, ("flip", "brightening-noise", "erase"), MEAN, STD, torch.Generator().manual_seed(0))
    assert torch.equal(pixels, kept)


def test_nothing_waits_for_an_accelerator():
    """A device without data refuses what needs the value of a draw: `.item()`, `nonzero`, boolean masks."""
    names = ("flip", "brightening-noise", "erase")
    pixels = torch.empty((130, 3, 16, 16), dtype=torch.uint8, device="meta")
    images = augment(pixels, names, MEAN, STD, torch.Generator())
    assert images.is_meta and images.shape == pixels.shape
