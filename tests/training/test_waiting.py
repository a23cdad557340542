"""Nothing in an update waits for the device: it runs on one that has no numbers to give."""

from __future__ import annotations

import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import clipsan.training.loop as loop_module
import clipsan.training.updates as updates_module
from clipsan.checkpoint import load
from clipsan.errors import TrainingError
from clipsan.pairs import ImageReader, open_pairs
from clipsan.training.faults import Before
from clipsan.training.settings import TrainSettings
from clipsan.training.state import KeepNothing
from clipsan.training.transfer import Numbers

META = torch.device("meta")
"""Tensors without data: whatever needs a value (`.item()`, `bool()`, `.cpu()`, `nonzero`) raises."""


class Sending(TorchDispatchMode):
    """Remembers copies to the device, and whether they were asked not to be waited for."""

    def __init__(self):
        super().__init__()
        self.copies = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is torch.ops.aten._to_copy.default and kwargs.get("device") == META:
            self.copies.append((args[0].dtype, kwargs.get("non_blocking", False)))
        return func(*args, **kwargs)


class Later:
    """Numbers of which nothing is known but when they are read, and which updates they say were left out."""

    left_out = frozenset()

    def __init__(self, scalars):
        assert all(scalar.is_meta for scalar in scalars.values())
        self.names = list(scalars)
        self.update = len(log(self).started)
        log(self).started.append(self.update)

    def read(self):
        log(self).append(("read", self.update, len(log(self).started)))
        found = dict.fromkeys(self.names, 0.0)
        return {**found, "left out": 1.0} if self.update in self.left_out else found


class Resting(torch.optim.Optimizer):
    """Stands for the fused AdamW, which torch makes for devices with data only."""

    def __init__(self, model, settings):
        super().__init__([p for p in model.parameters() if p.requires_grad], {"lr": settings.lr})

    def step(self):
        assert self.found_inf.is_meta


class Log(list):
    """What was read: its update, and how many had been started by then."""

    def __init__(self):
        super().__init__()
        self.started = []


def log(numbers):
    return type(numbers).log


@pytest.fixture
def on_meta(world, monkeypatch):
    """A function that trains there; it gives what was read, the copies, and what `train` gave."""
    suspect = load(world / "model.safetensors")
    pairs = open_pairs(world / "pairs")
    numbers = type("Numbers", (Later,), {"log": Log()})
    generator, sending = torch.Generator, Sending()

    class Marked(KeepNothing):
        def batches(self, stream):
            for batch in stream:
                sending.copies.clear()  # of the last update alone
                yield batch

        def restore(self, parts):
            self.parts = parts
            return 0

        def update_done(self, done, steps):
            if done == self.save_at:
                numbers.log.append("save")
                self.parts["curve"].state()

    def train(method, save_at=None, left_out=(), **options):
        numbers.left_out = frozenset(left_out)
        settings = TrainSettings(
            method=method, steps=4, batch_size=8, augment=("flip", "brightening-noise", "erase"), **options
        )
        reader = ImageReader(pairs, suspect.preprocess_cfg, suspect.image_size)
        keeper = Marked()
        keeper.save_at = save_at
        with sending:
            done = loop_module.train(suspect, pairs, reader, settings, META, keeper=keeper)
        return numbers.log, sending.copies, done

    monkeypatch.setattr(updates_module, "Numbers", numbers)
    monkeypatch.setattr(loop_module, "make_optimizer", Resting)
    monkeypatch.setattr(torch, "Generator", lambda device=None: generator())
    return train


@pytest.mark.parametrize(
    ("method", "options"),
    [("par", {}), ("par", {"micro_batch": 3}), ("finetune", {})],
    ids=["par", "cached gradients", "finetune"],
)
def test_an_update_is_read_when_the_next_one_is_started(on_meta, method, options):
    read, copies, done = on_meta(method, **options)
    assert read == [("read", 0, 2), ("read", 1, 3), ("read", 2, 4), ("read", 3, 4)]
    assert [step.step for step in done.curve] == [1, 2, 3, 4]
    assert {dtype for dtype, _ in copies} >= {torch.uint8, torch.int64}
    assert all(unwaited for _, unwaited in copies)


def test_all_is_read_before_it_is_saved(on_meta):
    read, _, _ = on_meta("finetune", save_at=2)
    assert read == [("read", 0, 2), "save", ("read", 1, 2), ("read", 2, 4), ("read", 3, 4)]


def test_what_was_left_out_is_known_late(on_meta):
    assert on_meta("finetune", left_out=[1])[2].left_out == 1
    with pytest.raises(TrainingError, match="update 4 of 4"):
        on_meta("finetune", left_out=[5, 6, 7])


def test_numbers_come_as_they_are():
    values = {"clip": torch.tensor(0.1), "s": torch.tensor(float("nan")), "n": torch.tensor(2.0)}
    read = Numbers(values).read()
    assert list(read) == ["clip", "s", "n"]
    assert read["clip"] == float(values["clip"]) and math.isnan(read["s"]) and read["n"] == 2.0


def test_statistics_of_an_update_that_is_left_out_are_put_back():
    layer = torch.nn.BatchNorm1d(3).train()
    optimizer = torch.optim.SGD(layer.parameters(), 0.1)
    for left_out in (1.0, 0.0):
        before = Before(layer, optimizer, None)
        layer(torch.randn(5, 3))
        before.undo_statistics_where(torch.tensor(left_out))
        moved = bool(layer.running_mean.abs().sum())
        assert moved is (left_out == 0) and layer.num_batches_tracked == 1 - left_out
