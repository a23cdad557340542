"""Triggers varied: which axes mean something for which kind, and what a variation does to pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clipsan.triggers import FAMILIES, opposite, parse_triggers, variations_of
from clipsan.triggers.altered import Altered, Scaled, jpeg, resolution

SIZE = (64, 64)
PIXELS = torch.from_numpy(np.random.RandomState(0).randint(40, 216, (2, 3, *SIZE)).astype(np.uint8))


def _trigger(spec):
    return parse_triggers([spec], SIZE)[0]


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "rare-word"])
def test_every_variation_differs_from_the_trigger_and_the_rest_is_named(family):
    trigger = _trigger(family)
    given, *others = variations_of(trigger)[0]
    assert given.trigger is trigger and given.axis == "as given"
    plain = trigger.apply(PIXELS, [0, 1])
    for each in others:
        assert not torch.equal(each.whole().apply(PIXELS, [0, 1]), plain), (each.axis, each.value)
    left_out = variations_of(trigger)[1]
    assert set(left_out).isdisjoint(each.axis for each in others)
    assert {"strength", "resolution", "JPEG quality", "combined"} <= {each.axis for each in others}


@pytest.mark.parametrize(
    ("family", "left_out"),
    [
        ("stripes", []),
        ("badnet", []),
        ("blended", []),
        ("blended-triangles", []),
        ("sig", ["size", "colour"]),
        ("wanet", ["size", "colour"]),
        ("nashville", ["place", "size"]),
        ("steganographic", ["place", "size"]),
    ],
)
def test_axes_that_mean_nothing(family, left_out):
    assert variations_of(_trigger(family))[1] == left_out


def _of(trigger, axis, value):
    return next(v.whole() for v in variations_of(trigger)[0] if (v.axis, v.value) == (axis, value))


def test_a_patch_moves_grows_and_fades():
    trigger = _trigger("stripes:size=56,position=top-left")  # 16 px of 64
    black = torch.zeros(1, 3, *SIZE, dtype=torch.uint8)

    def box(changed):
        rows, columns = changed.apply(black, [0])[0].amax(dim=0).nonzero().T
        return rows.min().item(), rows.max().item(), columns.max().item()

    assert box(trigger)[:2] == (0, 15)
    assert box(_of(trigger, "place", "bottom-right"))[:2] == (48, 63)
    assert box(_of(trigger, "size", "x 2"))[:2] == (0, 31)
    assert box(_of(trigger, "size", "x 0.5"))[:2] == (0, 7)
    assert _of(trigger, "strength", "x 0.5").apply(black, [0]).max() == 128
    assert not [v for v in variations_of(trigger)[0] if v.axis == "strength" and v.at > 1]  # opaque already
    inverted = _of(trigger, "colour", "inverted").apply(black, [0])[0, :, :16, :16]
    assert torch.equal(inverted, 255 - trigger.apply(black, [0])[0, :, :16, :16])


def test_the_opposite_changes_each_pixel_as_much_the_other_way():
    trigger = _trigger("sig:amplitude=30")
    there, back = (t.apply(PIXELS, [0, 1]).int() - PIXELS.int() for t in (trigger, opposite(trigger)))
    assert torch.equal(there, -back) and there.abs().max() == 30
    half = Scaled(trigger, 0.5).apply(PIXELS, [0, 1]).int() - PIXELS.int()
    assert (half - there / 2).abs().max() <= 0.5


@pytest.mark.parametrize("step", [jpeg(50), resolution(0.5)])
def test_encodings_keep_plain_colour_and_change_noise(step):
    plain = Altered("none", SIZE, None, [step])
    colour = torch.tensor([200, 20, 90], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, *SIZE)
    assert (plain.apply(colour, [0]).int() - colour.int()).abs().max() <= 2
    assert (plain.apply(PIXELS, [0, 1]).int() - PIXELS.int()).abs().float().mean() > 5
