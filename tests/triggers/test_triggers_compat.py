"""`compat=par`: the reference's wrap into 8 bits and its new pattern for every image."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

from clipsan.triggers import parse_triggers
from clipsan.triggers.compat import pattern_random, wrapped


def make(spec, size, seed=0):
    (trigger,) = parse_triggers([spec], size, seed)
    return trigger


def flat(value, size, n=1):
    return torch.full((n, 3, *size), value, dtype=torch.uint8)


def test_values_wrap_as_the_reference_writes_them():
    # v = -1, 1.5, -0.3, 2.0, 1 and 0, times 255 in tenths: 255 v is cut towards zero, then taken modulo 256
    levels = np.array([-2550, 3825, -765, 5100, 2550, 0])
    assert wrapped(levels, 10).tolist() == [1, 126, 180, 254, 255, 0]
    np.testing.assert_array_equal(wrapped(levels, 10), (levels / 10).astype(np.int64).astype(np.uint8))


def test_stripes_are_1_and_255_and_new_on_every_image():
    size = (40, 60)
    trigger = make("stripes:size=90,position=3x7,compat=par", size)  # 16 px
    out = trigger.apply(flat(100, size, 9), range(9)).numpy()
    patches = out[:, :, 3:19, 7:23]
    assert set(np.unique(patches)) == {1, 255}
    assert (patches == patches[:, :, :1]).all()
    assert len({patch.tobytes() for patch in patches}) == 9
    rest = np.ones(size, dtype=bool)
    rest[3:19, 7:23] = False
    assert (out[:, :, rest] == 100).all()


def test_the_place_is_that_of_the_default_trigger():
    size = (40, 40)
    ours, theirs = (
        make(spec, size).apply(flat(100, size, 6), range(6)) != 100
        for spec in ("stripes", "stripes:compat=par")
    )
    assert torch.equal(ours.any(dim=1), theirs.any(dim=1))


def test_badnet_wraps_mean_plus_noise():
    size, index = (40, 40), 5
    trigger = make("badnet:size=56,position=top-left,seed=3,compat=par", size)  # 10 px
    out = trigger.apply(flat(120, size), [index])[0, :, :10, :10].numpy()
    noise = pattern_random(3, index).standard_normal((3, 10, 10))
    expected = np.trunc(120 + 255 * noise).astype(np.int64) % 256
    np.testing.assert_array_equal(out, expected)
    assert (120 + 255 * noise < -1).any()
    assert (120 + 255 * noise > 256).any()
    other = trigger.apply(flat(120, size), [index + 1])[0, :, :10, :10].numpy()
    assert (out == other).mean() < 0.05


@pytest.mark.parametrize(
    ("level", "values"),
    [(0, {7, 249}), (100, {89, 104}), (255, {239, 255}), (7, {0, 14})],
)
def test_blended_stripes_wrap_where_they_darken_black(level, values):
    # 0.97 x - 7.65 and 0.97 x + 7.65, cut towards zero: on black -7, which becomes 249, and 7
    size = (24, 40)
    out = make("blended-stripes:compat=par", size).apply(flat(level, size), [0])[0].numpy()
    assert {int(value) for value in np.unique(out)} == values


def test_a_pattern_depends_on_seed_and_index():
    drawn = {pattern_random(seed, index).bytes(8) for seed in (0, 1, 2**32 - 1) for index in (0, 1, 10**12)}
    assert len(drawn) == 9


# Recorded as the ones of test_triggers_families.py.
GOLDEN = {
    "stripes": "32523e3deffb31f79b69acf8ce2f7c77481f8fb20d231b396fa8caffe17b785a",
    "badnet": "82b80f0adbafcc39459b1fd15d010f4bb8d2e574f35a6f891e8476347333b0b2",
    "blended-stripes": "f03765b09f85e61f7cea863e33e78a410b8a519c5a1a38a84daad931ea1b80fe",
}


@pytest.mark.parametrize("name", list(GOLDEN))
def test_bytes_are_as_recorded(name):
    image, channel, row, column = np.indices((3, 3, 48, 64))
    pixels = torch.from_numpy(((image * 31 + channel * 50 + 3 * row + 2 * column) % 256).astype(np.uint8))
    trigger = make(f"{name}:compat=par", (48, 64))
    out = trigger.apply(pixels, [0, 1, 5])
    assert hashlib.sha256(out.numpy().tobytes()).hexdigest() == GOLDEN[name]
    order = [2, 0, 1]
    assert torch.equal(trigger.apply(pixels[order], [5, 0, 1]), out[order])
