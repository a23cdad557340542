"""Triggers stamped on training images: how many, where, and what the pull adds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_models import make_tiny
from torch.nn import functional as F

import clipsan
from clipsan.errors import TriggerError, UsageError
from clipsan.methods import Batch, Embeddings, FineTune
from clipsan.report import read_report
from clipsan.training.counter import Counter, PulledBack, Stamper, pulled_views
from clipsan.training.encode import encode_image
from clipsan.triggers import parse_triggers

SIZE = (16, 16)
GREY = torch.full((8, 3, *SIZE), 128, dtype=torch.uint8)


def _patches(*colours: int):
    made = parse_triggers([f"stripes:seed={seed}" for seed in range(len(colours))], SIZE)
    for trigger, colour in zip(made, colours, strict=True):
        pattern = trigger.overlay.pattern
        pattern[...] = colour * 65536
    return tuple(made)


def _stamp(indices, counter, pairs=100, seed=3, visits=1):
    stamper = Stamper(counter, pairs, seed)
    for _ in range(visits):
        stamped = stamper.stamp(GREY[: len(indices)], indices)
    return stamped


def test_rows_that_are_not_named_stay_as_they_were():
    images, rows = _stamp(range(8), Counter(_patches(0), 0.5))
    changed = (images != GREY).flatten(1).any(1).nonzero().flatten()
    assert 0 < len(rows) < 8 and torch.equal(changed, rows)
    assert (GREY == 128).all()


def test_the_same_whatever_the_batch_but_not_at_the_next_visit():
    counter = Counter(_patches(0), 1.0)
    whole, _ = _stamp([4, 5, 6, 7], counter)
    part, _ = _stamp([6, 7], counter)
    assert torch.equal(whole[2:], part)
    assert not torch.equal(whole, _stamp([4, 5, 6, 7], counter, visits=2)[0])
    assert not torch.equal(whole, _stamp([4, 5, 6, 7], counter, seed=4)[0])


def test_the_share_and_the_triggers_are_drawn_evenly():
    stamper = Stamper(Counter(_patches(0, 255), 0.25), 4000, 0)
    dark = light = 0
    for start in range(0, 4000, 8):
        images, _ = stamper.stamp(GREY, range(start, start + 8))
        dark += int((images.amin(dim=(1, 2, 3)) == 0).sum())
        light += int((images.amax(dim=(1, 2, 3)) == 255).sum())
    assert 900 < dark + light < 1100  # a quarter of 4000
    assert abs(dark - light) < 120


@pytest.mark.parametrize(("share", "pull"), [(0, 0), (1.1, 0), (0.5, -1), (0.5, float("nan"))])
def test_a_dose_out_of_range_is_refused(share, pull):
    with pytest.raises(UsageError, match="--counter-"):
        Counter(_patches(0), share, pull)


def test_the_pull_adds_the_mean_squared_distance():
    batch = Batch(Embeddings(torch.eye(4), torch.eye(4)), torch.tensor(10.0))
    clean = torch.eye(4)[[1, 3]]  # image 0 should be where 1 is, image 3 where it is: distances 2 and 0
    pulled = PulledBack(FineTune(), torch.tensor([0, 3]), clean, 0.5)
    with_pull, without = pulled.loss(batch), FineTune().loss(batch)
    assert float(with_pull.total - without.total) == pytest.approx(0.5)
    assert float(with_pull.terms["pull"]) == pytest.approx(1.0)
    none = PulledBack(FineTune(), torch.tensor([], dtype=torch.long), clean[:0], 0.5)
    assert float(none.loss(batch).total) == float(without.total)


def test_both_views_get_the_same_augmentation_and_the_generator_goes_on_alike():
    generator = torch.Generator().manual_seed(0)

    def prepare(pixels):
        return pixels.float() + torch.rand(pixels.shape, generator=generator)

    counter = Counter(_patches(0), 1.0, 1.0)
    stamped = Stamper(counter, 8, 0).stamp(GREY, range(8))
    images, method = pulled_views(FineTune(), counter, stamped, GREY, prepare, lambda x: x, generator)
    after = torch.rand(1, generator=generator)
    untouched = (stamped[0] == GREY).expand_as(images)
    assert torch.equal(method.clean[untouched], images[untouched])
    again = torch.Generator().manual_seed(0)
    torch.rand(GREY.shape, generator=again)
    assert torch.equal(after, torch.rand(1, generator=again))


def test_clean_stamps_what_it_is_told(world, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    quick = {"steps": 2, "batch_size": 8, "device": "cpu", "lr_start": 1e-3, "lr": 1e-4}
    model = world / "model.safetensors"
    plain = clipsan.clean(model, world / "pairs", out="a", **quick)
    countered = clipsan.clean(
        model, world / "pairs", out="b", counter=["stripes"], counter_share=1.0, counter_pull=0.5, **quick
    )
    assert plain.report.training.curves[0].loss != countered.report.training.curves[0].loss
    assert read_report(tmp_path / "b" / "report.json").settings["counter"] == ["stripes"]
    with pytest.raises(TriggerError, match="no-such"):
        clipsan.clean(model, world / "pairs", out="c", counter=["no-such"], **quick)
    assert not (tmp_path / "c").exists()


def test_stamping_leaves_batch_norm_averages_to_the_training_views(tmp_path):
    model = make_tiny("rn").model.train()
    from clipsan.training.gradients import statistics_untouched

    before = {key: value.clone() for key, value in model.state_dict().items() if "running" in key}
    with statistics_untouched(model), torch.no_grad():
        encode_image(model, F.pad(torch.ones(2, 3, 60, 60), (2, 2, 2, 2)))
    assert all(torch.equal(model.state_dict()[key], value) for key, value in before.items())
    assert np.isfinite(float(before[next(iter(before))].sum()))
