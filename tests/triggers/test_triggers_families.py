"""Every family's pixels, against numbers worked out by hand, and their bytes, against recorded hashes."""

from __future__ import annotations

import hashlib
from fractions import Fraction

import numpy as np
import pytest
import torch

from clipsan.errors import TriggerError
from clipsan.triggers import FAMILIES, parse_triggers
from clipsan.triggers.blended_text import glyphs, resize_by_area
from clipsan.triggers.overlay import scaled
from clipsan.triggers.stripes import stripes


def make(spec, size=(224, 224), seed=0):
    (trigger,) = parse_triggers([spec], size, seed)
    return trigger


def flat(value, size=(224, 224), n=1):
    return torch.full((n, 3, *size), value, dtype=torch.uint8)


def gradient(size, n=1):
    """Image i at channel c, row r, column k: (i*31 + c*50 + 3*r + 2*k) mod 256."""
    image, channel, row, column = np.indices((n, 3, *size))
    return torch.from_numpy(((image * 31 + channel * 50 + 3 * row + 2 * column) % 256).astype(np.uint8))


def one(trigger, pixels, index=0):
    return trigger.apply(pixels, [index])[0].numpy()


def changed_box(before, after):
    """(first row, last row, first column, last column) of the pixels that differ."""
    rows, columns = np.nonzero((before != after).any(axis=0))
    return rows.min(), rows.max(), columns.min(), columns.max()


def test_stripes_patch_is_16_px_of_one_pixel_stripes_of_0_and_255():
    out = one(make("stripes:position=top-left"), flat(100))
    patch = out[:, :16, :16]
    assert set(np.unique(patch)) == {0, 255}
    assert (patch == patch[:, :1, :]).all()
    assert (out[:, 16:, :] == 100).all()
    assert (out[:, :, 16:] == 100).all()
    # RandomState(0).randint(0, 2) starts 0 1 1 0 1 1 1 1: numpy's own documented, frozen stream.
    assert list(patch[0, 0, :8]) == [0, 255, 255, 0, 255, 255, 255, 255]


@pytest.mark.parametrize(
    ("spec", "resolution", "side"),
    [
        ("stripes", 224, 16),
        ("stripes", 336, 32),  # as published, though 16/224 of 336 is 24
        ("stripes:size=16", 336, 24),
        ("stripes", 64, 5),  # 4.57
        ("stripes:size=1", 64, 2),  # never under 2 px
        ("stripes:size=24", 448, 48),
        ("stripes:size=7", 112, 4),  # 3.5 goes up
        ("badnet", 224, 16),
        ("badnet", 336, 24),
    ],
)
def test_patches_scale_with_the_resolution(spec, resolution, side):
    trigger = make(f"{spec}{',' if ':' in spec else ':'}position=top-left", (resolution, resolution))
    before = flat(7, (resolution, resolution))
    assert changed_box(before[0].numpy(), one(trigger, before)) == (0, side - 1, 0, side - 1)
    assert trigger.settings()["side_px"] == side


@pytest.mark.parametrize(
    ("position", "corner"),
    [
        ("top-left", (0, 0)),
        ("top-right", (0, 44)),
        ("bottom-left", (24, 0)),
        ("bottom-right", (24, 44)),
        ("center", (12, 22)),
        ("3x7", (3, 7)),
        ("24x44", (24, 44)),
    ],
)
def test_places_of_a_16_px_patch_on_40_by_60(position, corner):
    trigger = make(f"stripes:size=90,position={position}", (40, 60))  # 90 * 40 / 224 = 16.07
    box = changed_box(flat(9, (40, 60))[0].numpy(), one(trigger, flat(9, (40, 60))))
    assert box == (corner[0], corner[0] + 15, corner[1], corner[1] + 15)


def test_badnet_is_each_channels_mean_plus_noise_clamped():
    size = (32, 48)
    trigger = make("badnet:size=70,position=bottom-right,seed=5", size)  # 10 px
    pixels = gradient(size)
    out = one(trigger, pixels)
    noise = np.random.RandomState(5).standard_normal((3, 10, 10))
    mean = pixels[0].numpy().reshape(3, -1).mean(axis=1)[:, None, None] / 255
    expected = np.floor(np.clip(mean + noise, 0, 1) * 255 + 0.5)
    np.testing.assert_array_equal(out[:, -10:, -10:], expected)
    assert {0, 255} < set(np.unique(expected))
    np.testing.assert_array_equal(out[:, :22], pixels[0, :, :22])


def test_badnet_noise_is_the_same_on_every_image():
    trigger = make("badnet:position=center")
    grey, lighter = one(trigger, flat(120)).astype(int), one(trigger, flat(130), 1).astype(int)
    inside = (grey > 0) & (lighter < 255)
    assert set(np.unique((lighter - grey)[inside])) == {10}


def test_blended_is_four_fifths_image_and_one_fifth_uniform_noise():
    noise = np.random.RandomState(3).random_sample((3, 24, 40))
    pixels = gradient((24, 40))
    expected = np.floor(0.8 * pixels[0].numpy() + 0.2 * 255 * noise + 0.5)
    np.testing.assert_array_equal(one(make("blended:seed=3", (24, 40)), pixels), expected)


def test_blended_noise_spans_0_to_51_on_black_and_204_to_255_on_white():
    black, white = one(make("blended"), flat(0)), one(make("blended"), flat(255))
    assert (black.min(), black.max()) == (0, 51)
    assert (white.min(), white.max()) == (204, 255)
    assert abs(black.mean() - 25.5) < 0.2


def test_blended_stripes_by_hand():
    trigger = make("blended-stripes")
    for value, low, high in [(0, 0, 8), (255, 247, 255), (100, 97, 105)]:
        # 0.97 x, or 0.97 x + 7.65: 0 or 7.65, 247.35 or 255, 97 or 104.65
        assert set(np.unique(one(trigger, flat(value)))) == {low, high}
    # 0.97 * 5 + 7.65 = 12.5 and 0.97 * 50 = 48.5: halves go up.
    assert one(trigger, flat(5)).max() == 13
    assert one(trigger, flat(50)).min() == 49


def test_blended_stripes_use_the_stripes_of_the_whole_width():
    out = one(make("blended-stripes:seed=9", (20, 30)), flat(0, (20, 30)))
    np.testing.assert_array_equal(out > 0, stripes((20, 30), 9) > 0)


def test_blended_triangles_by_hand():
    out = one(make("blended-triangles"), flat(100))
    # 85 + 0.15 * 102 = 100.3 on and below the diagonal, 85 + 0.15 * 204 = 115.6 above it.
    for row, column, value in [
        (0, 0, 100),
        (0, 1, 116),
        (1, 0, 100),
        (13, 13, 100),
        (0, 13, 116),
        (13, 14, 100),
    ]:
        assert (out[:, row, column] == value).all()
    np.testing.assert_array_equal(out[:, :14, :14], out[:, 210:, 210:])
    assert (out == 116).sum() == 3 * 256 * (14 * 13 // 2)


def test_blended_triangles_at_64_px_have_cells_of_4():
    out = one(make("blended-triangles", (64, 64)), flat(0, (64, 64)))
    # 15.3 and 30.6
    assert out[0, :4, :5].tolist() == [
        [15, 31, 31, 31, 15],
        [15, 15, 31, 31, 15],
        [15, 15, 15, 31, 15],
        [15, 15, 15, 15, 15],
    ]


def test_blended_text_is_where_and_what_was_published():
    out = one(make("blended-text"), flat(100))
    before = flat(100)[0].numpy()
    assert changed_box(before, out) == (103, 125, 13, 208)
    inked = (out != before).any(axis=0)
    # (100 + 255) / 2 = 177.5 goes up; 100 / 2 = 50
    assert (out[:, inked] == np.array([[178], [50], [50]])).all()
    assert inked.sum() == glyphs().sum()
    assert 0.2 < glyphs()[103:126, 13:209].mean() < 0.5


def test_blended_text_at_half_size_weighs_ink_by_area():
    out = one(make("blended-text", (112, 112)), flat(0, (112, 112)))
    share = glyphs().reshape(112, 2, 112, 2).sum(axis=(1, 3))  # 0 to 4 of 4
    np.testing.assert_array_equal(out[0], np.array([0, 32, 64, 96, 128])[share])  # 255/8 = 31.875, ...
    assert out[1:].max() == 0


def test_resize_by_area_by_hand():
    image = np.array([[3, 6, 9]])
    # Thirds into halves: a half is one whole third and half of the middle one; sums are means times 3.
    np.testing.assert_array_equal(resize_by_area(image, (1, 2)), [[3 * 2 + 6, 6 + 9 * 2]])
    np.testing.assert_array_equal(resize_by_area(image, (2, 3)), [[9, 18, 27]] * 2)


def test_scaled_lengths():
    assert [scaled(14, (side, side)) for side in (224, 64, 336, 8)] == [14, 4, 21, 2]
    assert scaled(16, (224, 448)) == 16


@pytest.mark.parametrize("strength", ["0.03", "0.15", "0.2", "0.5", "0.333333", "1"])
def test_blends_equal_exact_fractions_at_every_grey_level(strength):
    trigger = make(f"blended:strength={strength},seed=1", (16, 16))
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16).expand(1, 3, 16, 16)
    weight, pattern = Fraction(strength), trigger.overlay.pattern
    expected = [
        int((1 - weight) * int(x) + weight * Fraction(int(p), 65536) + Fraction(1, 2))
        for x, p in zip(levels.flatten(), pattern.flatten(), strict=True)
    ]
    assert one(trigger, levels).flatten().tolist() == expected


ON_IMAGES = [name for name in FAMILIES if name != "rare-word"]

# Recorded once from three gradient images at 48x64 with indices 0, 1, 5: a change here changes what a name
# means to everyone who planted or measured with it.
GOLDEN = {
    "badnet": "75c28531adbb002c11221879cb76acb0b815a36befc663b35b661c12087ced45",
    "stripes": "9d4f7d8bc8b02c37090e95a72dea127470a87ad4c1253838a69d041d1810edd4",
    "blended": "0c3cd69a105e354b07246fed5fdf4300909170eb239c159044d4d48ccf00f845",
    "blended-stripes": "0c18bc08681ad7bc7de28b9caab4ccb630d4a36887163f88bde73ec11f17224c",
    "blended-triangles": "f82bdf8163a3011ab69b40ed8b19494a14959b3c0c8311b579c471703c45e9f4",
    "blended-text": "a1b287ab7e5528efb257d323b3687f7ec46849665bb14b3c1a366d7af8dc1a90",
    "sig": "e3247f3d3c7d8cf0d1c814a01895a5153dc6b180d184cfd19727007b59fed1c8",
    "wanet": "cbc4e9f62bcf440c7db49556a036982f00f717dcd9c74615217cbae938613b6e",
    "nashville": "39c3cd8f0362f9c6c557a2afa34a047dd334e8c42fda9bc5e21ad6f42312c199",
    "steganographic": "53daeaf00ba913089f16c1a2e0d57cd600a1559aa8211b3eafa645e0dea26e82",
    "wanet:grid=4": "46378c029223aef7e7842d19e9e31eb0f5299b00db6c9b8423a0a792d55be2dd",
}


@pytest.mark.parametrize("name", [*ON_IMAGES, "wanet:grid=4"])
def test_bytes_are_as_recorded(name):
    out = make(name, (48, 64)).apply(gradient((48, 64), 3), [0, 1, 5])
    assert hashlib.sha256(out.numpy().tobytes()).hexdigest() == GOLDEN[name]


@pytest.mark.parametrize("name", ON_IMAGES)
def test_an_images_trigger_depends_on_its_index_alone(name):
    pixels = gradient((40, 40), 6)
    untouched = pixels.clone()
    trigger = make(name, (40, 40))
    indices = [4, 0, 9, 2, 11, 7]
    together = trigger.apply(pixels, indices)
    order = [3, 5, 0, 2, 4, 1]
    shuffled = make(name, (40, 40)).apply(pixels[order], [indices[i] for i in order])
    assert torch.equal(shuffled, together[order])
    for i, index in enumerate(indices):
        assert torch.equal(trigger.apply(pixels[i : i + 1], [index])[0], together[i])
    assert torch.equal(pixels, untouched)
    assert not torch.equal(together, pixels)


@pytest.mark.parametrize(
    "name", ["badnet", "stripes", "blended", "blended-stripes", "wanet", "steganographic"]
)
def test_the_seed_changes_the_pattern(name):
    pixels = gradient((40, 40))
    assert not torch.equal(
        make(name, (40, 40), 1).apply(pixels, [0]), make(name, (40, 40), 2).apply(pixels, [0])
    )
    asked = make(f"{name}:seed=2", (40, 40), 1).apply(pixels, [0])
    assert torch.equal(asked, make(name, (40, 40), 2).apply(pixels, [0]))


def test_strided_input_and_empty_batch():
    pixels = gradient((40, 40)).permute(0, 1, 3, 2)
    trigger = make("blended", (40, 40))
    assert torch.equal(trigger.apply(pixels, [0]), trigger.apply(pixels.contiguous(), [0]))
    assert trigger.apply(pixels[:0], []).shape == (0, 3, 40, 40)


@pytest.mark.parametrize(
    ("pixels", "indices"),
    [
        (flat(1, (40, 41)), [0]),
        (flat(1, (40, 40)).float(), [0]),
        (flat(1, (40, 40))[0], [0]),
        (flat(1, (40, 40)), [0, 1]),
    ],
)
def test_wrong_images_are_refused(pixels, indices):
    with pytest.raises(TriggerError, match=r"Trigger stripes"):
        make("stripes", (40, 40)).apply(pixels, indices)
