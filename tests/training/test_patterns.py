"""Random patterns: what each kind may do to an image, and that each image has its own."""

from __future__ import annotations

import pytest
import torch

import clipsan.training.patterns as patterns_module
from clipsan.training.augment import augment
from clipsan.training.patterns import KINDS, put_patterns
from clipsan.training.processes import ALONE, Processes


def grey(count=200, size=(32, 48)):
    return torch.full((count, 3, *size), 0.5)


def put(images, monkeypatch=None, kind=None, seed=0):
    """The images with patterns, all of one kind where it is named."""
    if kind is not None:
        monkeypatch.setattr(patterns_module, "KINDS", {kind: KINDS[kind]})
    made = images.clone()
    put_patterns(made, torch.Generator().manual_seed(seed), ALONE.share(len(images)))
    return made


def test_half_of_the_images_are_hit_each_in_its_own_way():
    images = torch.rand(400, 3, 32, 32)
    made = put(images)
    hit = (made != images).flatten(1).any(dim=1)
    assert 160 < hit.sum() < 240
    assert made.min() >= 0 and made.max() <= 1
    assert len(made.sub(images)[hit].unique(dim=0)) == hit.sum()


def test_a_filter_keeps_equal_levels_equal(monkeypatch):
    made = put(grey(), monkeypatch, "tones")
    assert torch.equal(made, made[:, :, :1, :1].expand_as(made))
    moved = (made - 0.5).abs()
    assert 0.01 < moved.max() <= 0.3 and len(made[:, :, 0, 0].unique(dim=0)) > 50


def test_a_wave_has_its_height_and_no_mean(monkeypatch):
    waves = put(grey(size=(64, 64)), monkeypatch, "waves") - 0.5
    waves = waves[waves.flatten(1).any(dim=1)]
    assert waves.abs().max() <= 0.3
    heights = waves.abs().amax(dim=(1, 2, 3))
    assert heights.min() > 0.01 and heights.median() > 0.1
    level = waves[(waves - waves[..., :1]).abs().amax(dim=(1, 2, 3)) < 1e-6]  # equal along each row
    assert 0.2 * len(waves) < len(level) < 0.5 * len(waves)


def test_a_patch_is_one_rectangle(monkeypatch):
    images = grey(size=(40, 64)) + 1e-3
    changed = (put(images, monkeypatch, "patch") != images).any(dim=1)
    shares = []
    for mask in changed[changed.flatten(1).any(dim=1)]:
        rows, columns = mask.any(dim=1).nonzero().flatten(), mask.any(dim=0).nonzero().flatten()
        assert mask.sum() == len(rows) * len(columns)
        assert rows[-1] - rows[0] == len(rows) - 1 and columns[-1] - columns[0] == len(columns) - 1
        shares.append((len(rows) / 40, len(columns) / 64))
    assert max(max(pair) for pair in shares) > 0.7 and max(min(pair) for pair in shares) < 0.4


def test_a_blend_stays_within_its_weight(monkeypatch):
    made = put(grey(), monkeypatch, "blend")
    assert 0.05 < (made - 0.5).abs().max() <= 0.3 * 0.5 + 1e-6


def test_a_warp_moves_and_makes_no_new_level(monkeypatch):
    assert torch.allclose(put(grey(), monkeypatch, "warp"), grey(), atol=1e-6)
    ramp = torch.linspace(0, 1, 64).view(1, 1, 1, 64).expand(60, 3, 64, 64)
    moved = (put(ramp, monkeypatch, "warp") - ramp).abs()
    assert 1 / 128 < moved.max() <= 4 / 64 + 1 / 64


def test_a_share_gets_what_it_would_get_in_the_whole_batch():
    images = torch.rand(13, 3, 32, 32)
    whole = put(images)
    for rank in (0, 1):
        share = Processes(rank, 2).share(13)
        part = images[share.rows].clone()
        put_patterns(part, torch.Generator().manual_seed(0), share)
        assert torch.allclose(part, whole[share.rows], atol=1e-6)


def test_nothing_waits_for_an_accelerator():
    pixels = torch.empty((30, 3, 16, 16), dtype=torch.uint8, device="meta")
    assert augment(pixels, ("patterns",), (0.5,) * 3, (0.2,) * 3, torch.Generator()).is_meta


@pytest.mark.parametrize("size", [(8, 8), (33, 97)])
def test_any_size_will_do(size):
    assert torch.isfinite(put(torch.rand(60, 3, *size))).all()
