"""Inversion on a model whose answer to a trigger is known because it was built in."""

from __future__ import annotations

import copy

import pytest
import torch
from bright_model import NAMES, SIZE, BrightClip, bright_suspect, dim_images

from clipsan.errors import DataError, UsageError
from clipsan.inversion import (
    Blend,
    Effort,
    Found,
    Masked,
    Patch,
    Screening,
    Strips,
    Tones,
    Warp,
    Waves,
    invert,
)
from clipsan.inversion.kinds import Kind
from clipsan.inversion.listed import Listed, margins
from clipsan.triggers import read_trigger_file, write_trigger_file

CLASSES = torch.eye(3)
QUICK = Effort(steps=15, images=8)
PAINTING = (
    Patch(4), Patch(4, "center"), Patch(4, (1, 2)), Blend(0.5), Blend(0.5, 4), Masked(), Tones(0.5),
    Strips(4), Waves(0.6),
)  # fmt: skip
KINDS = (*PAINTING, Warp(2), Warp(1.5, 4))


def look(kind: Kind, **changed) -> list[Found]:
    settings = {"effort": QUICK, "seed": 0} | changed
    return invert(bright_suspect(), dim_images(), NAMES, CLASSES, [kind], **settings)


@pytest.mark.parametrize("kind", PAINTING, ids=lambda kind: kind.label)
def test_it_finds_the_class_that_pixels_decide(kind: Kind):
    red, green, blue = look(kind)

    assert (red.target, green.target, blue.target) == ("red", "green", "blue")
    assert (red.asr.rate, red.asr.n) == (1.0, 8)  # a third of 24 is held out, all of it green untriggered
    assert green.asr.n == 0  # every image is green already
    assert (blue.asr.rate, blue.asr.n) == (0.0, 8)
    assert red.gain > 5 > blue.gain
    assert red.base < 0 < red.score


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.label)
def test_a_saved_trigger_does_what_was_measured(kind: Kind, tmp_path):
    found = look(kind)[0]
    images = dim_images(9)

    path = write_trigger_file(tmp_path, [found.trigger])
    (read,) = read_trigger_file(path, (SIZE, SIZE))

    assert torch.equal(read.apply(images, range(9)), found.trigger.apply(images, range(9)))
    assert not torch.equal(read.apply(images, range(9)), images)
    assert read.target == "red"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.label)
def test_what_is_optimised_is_what_is_measured(kind: Kind):
    """But for rounding to 8 bits: half a level in the pattern and half a level in the result."""
    generator = torch.Generator().manual_seed(1)
    free = torch.rand(kind.start((SIZE, SIZE), generator).shape, generator=generator)
    if isinstance(kind, Listed):
        free = kind.all((SIZE, SIZE))[29]
    fixed = Patch(kind.size, (3, 5)) if kind == Patch(4) else kind
    images = dim_images(2)

    smooth = 255 * fixed.put(images / 255, free[None], generator)[0]
    levels = fixed.trigger("x", None, free, (SIZE, SIZE), 0).apply(images, range(2))

    assert float((smooth - levels.float()).abs().max()) <= 1.51


def test_random_places_differ_between_images_and_stay_inside():
    kind = Patch(4)
    free = torch.ones(1, 3, 4, 4)

    placed = kind.put(torch.zeros(50, 3, SIZE, SIZE), free, torch.Generator().manual_seed(0))[0]

    assert torch.equal(placed.sum(dim=(1, 2, 3)), torch.full((50,), 48.0))
    corners = {int(image[0].flatten().argmax()) for image in placed}
    assert len(corners) > 20


def test_equal_seeds_give_equal_triggers_and_others_do_not():
    first, again, other = (look(Patch(4), seed=seed)[0].trigger.overlay.pattern for seed in (4, 4, 5))

    assert (first == again).all()
    assert (first != other).any()


def test_the_model_is_left_as_it_was():
    suspect = bright_suspect()
    suspect.model.train()
    suspect.model.gain.requires_grad_(False)
    before = copy.deepcopy(suspect.model.state_dict())

    invert(suspect, dim_images(), NAMES, CLASSES, [Patch(4)], effort=QUICK)

    assert suspect.model.training
    assert [p.requires_grad for p in suspect.model.parameters()] == [True, False]
    assert all(p.grad is None for p in suspect.model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in suspect.model.state_dict().items())


def test_screening_gives_the_best_classes_only():
    for kind in (Patch(4), Strips(4)):
        kept = look(kind, screening=Screening(steps=4, images=8, keep=1))

        assert [(found.target, found.asr.rate) for found in kept] == [("red", 1.0)]


def test_only_the_classes_asked_for_are_tried():
    assert [found.target for found in look(Patch(4), targets=[2, 0])] == ["blue", "red"]


def test_images_that_do_not_do_are_refused():
    for images, said in (
        (dim_images(15), "15 images are too few"),
        (dim_images().float(), "must be uint8"),
        (dim_images()[..., :8], "resolution"),
    ):
        with pytest.raises(DataError, match=said):
            invert(bright_suspect(), images, NAMES, CLASSES, [Patch(4)], effort=QUICK)


@pytest.mark.parametrize(
    "kind",
    [
        Patch(17), Patch(4, "middle"), Patch(4, (13, 0)), Blend(0.001), Blend(0.5, 17), Warp(0), Warp(2, 1),
        Warp(2, 17), Tones(0), Strips(17), Waves(1.2),
    ],
)  # fmt: skip
def test_kinds_that_do_not_fit_are_refused_by_name(kind: Kind):
    with pytest.raises(UsageError, match=r"patch|blend|warp|filter|strip|wave"):
        look(kind)


class Spot(BrightClip):
    """An image is red where the pixel in the middle is bright."""

    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        return super().encode_image(images[:, :, 8:9, 8:9])


def test_a_warp_brings_a_class_what_lies_beside():
    suspect, images = bright_suspect(), dim_images()
    suspect.model = Spot().eval()
    images[:, 0, :, 10] = 255

    near, far = (
        invert(suspect, images, NAMES, CLASSES, [Warp(reach)], targets=[0], effort=QUICK)[0]
        for reach in (1.0, 2.0)
    )

    assert (near.asr.rate, far.asr.rate) == (0.0, 1.0)
    assert abs(far.trigger.offsets).max() <= 2 * 256
    assert far.trigger.offsets[1, 8, 8] > 256


def test_no_warp_at_all_still_makes_a_trigger_file_that_is_read(tmp_path):
    trigger = Warp(2).trigger("still", None, torch.full((2, SIZE, SIZE), 0.5), (SIZE, SIZE), 0)

    (read,) = read_trigger_file(write_trigger_file(tmp_path, [trigger]), (SIZE, SIZE))

    assert abs(read.offsets).sum() == 1
    neutral = Tones(0.1).trigger("neutral", None, torch.full((3, 5), 0.5), (SIZE, SIZE), 0)
    (read,) = read_trigger_file(write_trigger_file(tmp_path, [neutral]), (SIZE, SIZE))
    assert (read.table != range(256)).sum() == 1


def test_a_list_has_each_trigger_once_and_covers_the_image():
    for kind, count in ((Strips(4), 8 * 2 * 4), (Waves(0.5), 2 * 7 * 4)):
        listed = kind.all((SIZE, SIZE))
        put = kind.put(torch.full((1, 3, SIZE, SIZE), 0.3), listed, torch.Generator())
        assert len(listed) == len(torch.unique(put.mul(255).round(), dim=0)) == count
    strips = Strips(4).put(
        torch.full((1, 3, SIZE, SIZE), 0.3), Strips(4).all((SIZE, SIZE)), torch.Generator()
    )
    assert ((strips != 0.3).any(dim=2).sum(dim=(2, 3)) == 4 * SIZE).all()
    assert Strips(4).all((16, 24)).shape == (8 * (4 + 6), 5)


def test_margins_are_to_the_best_other_class():
    assert margins(torch.tensor([[5.0, 1.0, 2.0]])).tolist() == [[3.0, -4.0, -3.0]]
