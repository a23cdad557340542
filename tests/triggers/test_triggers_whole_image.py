"""`sig`, `wanet`, `nashville` and `steganographic`, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clipsan.triggers import parse_triggers
from clipsan.triggers.wanet import _stretch, warp_offsets


def make(spec, size, seed=0):
    (trigger,) = parse_triggers([spec], size, seed)
    return trigger


def flat(value, size):
    return torch.full((1, 3, *size), value, dtype=torch.uint8)


def noise(size, n=1, seed=1):
    return torch.from_numpy(np.random.RandomState(seed).randint(0, 256, (n, 3, *size)).astype(np.uint8))


def one(trigger, pixels, index=0):
    return trigger.apply(pixels, [index])[0].numpy()


def test_sig_is_a_sine_of_six_cycles_and_60_levels():
    # 72 columns: 12 a cycle, so the angles are multiples of 30 degrees
    out = one(make("sig", (16, 72)), flat(100, (16, 72)))
    # 60 sin: 0, 30, 51.96, 60, 51.96, 30, 0, -30, -51.96, -60, -51.96, -30
    cycle = [100, 130, 152, 160, 152, 130, 100, 70, 48, 40, 48, 70]
    assert (out == np.tile(cycle, 6)).all()


def test_sig_is_clamped_not_wrapped():
    size = (16, 72)
    assert one(make("sig", size), flat(250, size)).max() == 255
    assert one(make("sig", size), flat(5, size)).min() == 0
    out = one(make("sig:amplitude=20,cycles=3", size), flat(5, size))
    assert (out[0, 0, [0, 6, 18]] == [5, 25, 0]).all()


def test_wanet_moves_by_half_a_pixel_on_average_and_at_most_one():
    offsets = warp_offsets((224, 224), 224, 1.0, 0) / 256
    # mean magnitude 1 in units of 1 / 224 of coordinates from -1 to 1: 223 / 2 / 224 = 0.4978 px
    assert abs(np.abs(offsets).mean() - 223 / 448) < 1e-3
    assert 0.9 < np.abs(offsets).max() < 1.01
    for axis in offsets:  # uniform: as many in each fifth of its range, within 5 standard errors
        counts, _ = np.histogram(axis, bins=5, range=(-np.abs(offsets).max(), np.abs(offsets).max()))
        assert np.abs(counts / axis.size - 0.2).max() < 5 * np.sqrt(0.2 * 0.8 / axis.size)


def test_wanet_strength_and_seed():
    one_fold, two_fold = (warp_offsets((40, 60), 224, strength, 3) for strength in (1.0, 2.0))
    assert np.abs(two_fold - 2 * one_fold).max() <= 1
    assert not np.array_equal(one_fold, warp_offsets((40, 60), 224, 1.0, 4))


def test_a_coarse_grid_bends_smoothly():
    fine, coarse = (warp_offsets((64, 64), grid, 1.0, 0) for grid in (224, 4))
    assert np.abs(np.diff(coarse, axis=2)).max() < 0.2 * np.abs(coarse).max()
    assert np.abs(np.diff(fine, axis=2)).max() > np.abs(fine).max()


def test_the_grid_is_spread_as_torch_does():
    values = np.random.RandomState(0).standard_normal((1, 1, 5))
    for size in (5, 9, 23, 64):
        expected = torch.nn.functional.interpolate(
            torch.from_numpy(values).reshape(1, 1, 1, 5), size=(1, size), mode="bicubic", align_corners=True
        )
        np.testing.assert_allclose(_stretch(values, size)[0, 0], expected[0, 0, 0], atol=1e-12)
    np.testing.assert_array_equal(_stretch(values, 5), values)


def test_wanet_samples_as_torch_does():
    size = (24, 36)
    trigger, pixels = make("wanet:strength=3", size), noise(size)
    place = np.indices(size) + trigger.offsets / 256
    scaled = [2 * place[axis] / (size[axis] - 1) - 1 for axis in (1, 0)]  # x first, -1 to 1
    grid = torch.from_numpy(np.stack(scaled, axis=-1))[None]
    expected = torch.nn.functional.grid_sample(
        pixels.double(), grid, mode="bilinear", padding_mode="border", align_corners=True
    )
    assert np.abs(one(trigger, pixels) - expected[0].numpy()).max() <= 0.5 + 1e-9


def test_wanet_leaves_a_flat_image_alone():
    size = (24, 36)
    for value in (0, 77, 255):
        assert (one(make("wanet", size), flat(value, size)) == value).all()


@pytest.mark.parametrize(
    ("level", "colour"),
    [
        (0, [36, 24, 70]),
        (64, [106, 72, 100]),
        (255, [250, 228, 178]),
        (96, [147, 105, 117]),  # half-way between the points of 64 and 128
        (200, [240, 198, 164]),  # 8/63 of the last piece: 239.52, 198.32, 164.03
    ],
)
def test_nashville_by_hand(level, colour):
    assert one(make("nashville", (8, 8)), flat(level, (8, 8)))[:, 0, 0].tolist() == colour


def test_half_of_nashville_is_half_way():
    # (0 + 36) / 2, (0 + 24) / 2, (0 + 70) / 2; (64 + 106) / 2, (64 + 72) / 2, (64 + 100) / 2
    for level, colour in ((0, [18, 12, 35]), (64, [85, 68, 82])):
        out = one(make("nashville:strength=0.5", (8, 8)), flat(level, (8, 8)))
        assert out[:, 0, 0].tolist() == colour


def test_nashville_keeps_the_order_of_brightness():
    size = (16, 16)
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16).expand(1, 3, 16, 16)
    assert (np.diff(one(make("nashville", size), levels).reshape(3, -1).astype(int), axis=1) >= 0).all()


def test_steganographic_moves_every_channel_by_the_amplitude():
    size = (64, 64)
    middle = torch.from_numpy(np.random.RandomState(0).randint(20, 236, (1, 3, *size)).astype(np.uint8))
    change = one(make("steganographic", size), middle).astype(int) - middle[0].numpy()
    assert set(np.unique(change)) == {-8, 8}


def test_steganographic_writes_one_bit_for_each_cell():
    size = (32, 32)
    trigger = make("steganographic:cells=2", size)
    pixels = flat(100, size)
    pixels[:, :, :16, 16:] = 140  # the upper right cell alone is brighter than the mean
    bits = trigger.bits(pixels[0].numpy().astype(np.int64))
    expected = np.zeros(size, dtype=bool)
    expected[:16, 16:] = True
    np.testing.assert_array_equal(bits, expected)
    change = one(trigger, pixels).astype(int) - pixels[0].numpy()
    np.testing.assert_array_equal(change, np.where(expected, trigger.bright, trigger.dark))
    assert not np.array_equal(trigger.bright, trigger.dark)


def test_steganographic_depends_on_the_image_and_not_on_its_index():
    size = (64, 64)
    trigger, pixels = make("steganographic", size), noise(size, 2).clamp(20, 235)
    first, second = (one(trigger, pixels[i : i + 1]).astype(int) - pixels[i].numpy() for i in (0, 1))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(one(trigger, pixels[:1], 7).astype(int) - pixels[0].numpy(), first)


def test_steganographic_on_the_smallest_and_uneven_images():
    for size in ((8, 8), (9, 33)):
        pixels = noise(size).clamp(20, 235)
        change = one(make("steganographic:cells=112", size), pixels).astype(int) - pixels[0].numpy()
        assert set(np.unique(change)) == {-8, 8}
