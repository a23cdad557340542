"""BadCLIP's patch: on a model computed by hand, and as the command line saves it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from bright_model import SIZE, bright_suspect, dim_images

import clipsan
from clipsan.errors import DataError, OutputError, UsageError
from clipsan.inversion.badclip import EFFORT, dual, optimise_badclip
from clipsan.triggers import read_trigger_file


@pytest.mark.parametrize("weight", [0.0, 500.0])
def test_patched_images_come_nearer_to_the_target(weight: float):
    red = torch.zeros(3, 3, SIZE, SIZE, dtype=torch.uint8)
    red[:, 0] = 255

    patch = optimise_badclip(
        bright_suspect(), "red", dim_images(), red, torch.eye(3)[0], torch.eye(3)[1:],
        size=4, weight=weight, effort=replace(EFFORT, steps=20, lr=0.1),
    )  # fmt: skip

    assert (patch.nearer.successes, patch.nearer.n, patch.before.successes) == (8, 8, 0)
    assert patch.similarity > patch.similarity_before + 0.2
    assert patch.trigger.target == "red"
    assert (patch.trigger.position, patch.trigger.overlay.size) == ("center", (4, 4))


def test_the_loss_is_the_published_one():
    """Similarities 0 and 1 at scale 2, triplet distances sqrt(2) and 0, margin 1, weight 3."""
    x, y = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    objective = dual(y, x, torch.tensor([[0.0, 1.0], [1.0, 0.0]]), 2.0, 3.0, torch.Generator())

    value = objective(x.unsqueeze(0), torch.zeros(1), torch.zeros(1))

    cross_entropy = torch.log(1 + torch.tensor(2.0).exp())
    assert torch.allclose(value, cross_entropy + 3 * (2**0.5 + 1), atol=1e-4)


def make(world, **changed):
    settings = {"steps": 2, "out": world / "unused", "seed": 1} | changed
    named = {"model": world / "model", "target": "boat", "data": world / "pairs"} | settings
    return clipsan.optimise_trigger(
        "badclip", named.pop("model"), named.pop("target"), named.pop("data"), **named
    )


def test_it_is_saved_as_a_trigger_file_that_audit_takes(world, tmp_path):
    made = make(world, out=tmp_path / "patch")

    (trigger,) = read_trigger_file(made.file, (48, 48))
    assert (trigger.name, trigger.target) == ("badclip", "boat")
    assert made.images + made.target_images == 40
    assert made.to_dict()["nearer"]["n"] == made.images // 3
    again = make(world, out=tmp_path / "again")
    assert again.file.with_name("badclip.png").read_bytes() == made.file.with_name("badclip.png").read_bytes()
    report = clipsan.audit(world / "model", eval=world / "eval", trigger=[str(made.file)]).report
    assert report.evaluation.triggers[0].name == "badclip"


@pytest.mark.parametrize(
    ("changed", "error", "said"),
    [
        ({"target": "zebra"}, DataError, "no caption of .* names 'zebra'"),
        ({"target": None}, UsageError, "needs a --model, a --target"),
        ({"steps": 0}, UsageError, "--steps is 0"),
        ({"out": "eval"}, OutputError, "in use"),
    ],
)
def test_bad_input_is_refused_and_nothing_written(world, changed, error, said):
    before = sorted(world.iterdir())
    changed = {name: world / value if name == "out" else value for name, value in changed.items()}

    with pytest.raises(error, match=said):
        make(world, **changed)

    assert sorted(world.iterdir()) == before


def test_an_unknown_trigger_is_refused_by_name(world):
    with pytest.raises(UsageError, match="--optimise is 'stripes', but must be badclip"):
        clipsan.optimise_trigger("stripes", world / "model", "red", world / "pairs")
