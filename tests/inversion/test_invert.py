"""Inversion on a model whose answer to a trigger is known because it was built in."""

from __future__ import annotations

import copy

import pytest
import torch
from bright_model import NAMES, SIZE, bright_suspect, dim_images

from clipsan.errors import DataError, UsageError
from clipsan.inversion import Blend, Effort, Found, Masked, Patch, Screening, invert
from clipsan.inversion.kinds import Kind
from clipsan.triggers import read_trigger_file, write_trigger_file

CLASSES = torch.eye(3)
QUICK = Effort(steps=15, images=8)
KINDS = (Patch(4), Patch(4, "center"), Patch(4, (1, 2)), Blend(0.5), Blend(0.5, 4), Masked())


def look(kind: Kind, **changed) -> list[Found]:
    settings = {"effort": QUICK, "seed": 0} | changed
    return invert(bright_suspect(), dim_images(), NAMES, CLASSES, [kind], **settings)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.label)
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
    kept = look(Patch(4), screening=Screening(steps=4, images=8, keep=1))

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
    "kind", [Patch(17), Patch(4, "middle"), Patch(4, (13, 0)), Blend(0.001), Blend(0.5, 17)]
)
def test_kinds_that_do_not_fit_are_refused_by_name(kind: Kind):
    with pytest.raises(UsageError, match=r"patch|blend"):
        look(kind)
