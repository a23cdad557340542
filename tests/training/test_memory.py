"""A micro-batch is chosen by what a forward pass keeps and what is free, and changes no result."""

from __future__ import annotations

import pytest
import torch
from tiny_models import make_tiny

import clipsan.training.memory as memory_module
from clipsan.checkpoint import load
from clipsan.pairs import ImageReader, open_pairs
from clipsan.training.loop import train
from clipsan.training.memory import MORE, fitting, kept_bytes, wanted_at_once
from clipsan.training.processes import Processes
from clipsan.training.settings import TrainSettings

CPU = torch.device("cpu")


def test_what_is_kept_is_counted_by_hand():
    first, second = torch.nn.Linear(5, 7), torch.nn.Linear(7, 3)
    kept = kept_bytes(lambda rows: second(torch.tanh(first(rows))), torch.zeros(MORE, 5))
    # the first layer keeps a view of the whole input, tanh its result, which the second layer keeps too
    assert kept == 4 * 7


@pytest.mark.parametrize(
    ("room", "size"),
    [(4096, 12), (12 * 30, 12), (12 * 30 - 1, 8), (8 * 20, 8), (159, 4), (39, 1), (0, 1), (-9, 1)],
)
def test_a_whole_batch_or_the_largest_power_of_two_that_fits(room, size):
    assert fitting(12, [20, 10], room) == size


def test_a_gpu_is_given_its_part_of_a_batch_and_a_cpu_256_pairs():
    settings = TrainSettings(batch_size=2047)
    assert [wanted_at_once(settings, torch.device(name), Processes(0, 2)) for name in ("cuda", "cpu")] == [
        1024, 256,
    ]  # fmt: skip


def trained(world, free=None, monkeypatch=None, model="model", **settings):
    if free is not None:
        monkeypatch.setattr(memory_module, "free_memory", lambda: free)
    suspect = load(world / model)
    pairs = open_pairs(world / "pairs")
    reader = ImageReader(pairs, suspect.preprocess_cfg, suspect.image_size, exact=False, threads=1)
    settings = TrainSettings(batch_size=12, steps=2, lr_start=1e-4, **settings)
    said = []
    run = train(suspect, pairs, reader, settings, CPU, on_note=said.append)
    weights = [value.double().flatten() for value in suspect.model.state_dict().values()]
    return run, torch.cat(weights), said


def test_little_memory_makes_parts_of_the_same_batch(world, monkeypatch):
    model = load(world / "model").model
    ours = sum(p.nbytes for p in model.parameters() if p is not model.logit_scale)
    whole, expected, silent = trained(world, 1 << 40, monkeypatch)
    parts, found, said = trained(world, 3 * ours + (3 << 20), monkeypatch)
    least, _, _ = trained(world, 0, monkeypatch)
    assert (whole.micro_batch, silent) == (12, [])
    assert 1 < parts.micro_batch < 12 and least.micro_batch == 1
    (sentence,) = said
    assert sentence.startswith(f"The free memory holds {parts.micro_batch} pairs at a time, so")
    assert not parts.notes
    assert (found - expected).norm() <= 1e-5 * expected.norm()


def test_who_says_a_number_gets_it_and_statistics_of_batches_do_not_depend_on_memory(
    world, monkeypatch, tmp_path
):
    assert trained(world, 0, monkeypatch, micro_batch=5)[0].micro_batch == 5
    make_tiny("rn").write_folder(tmp_path / "rn")
    run, _, said = trained(world, 0, monkeypatch, tmp_path / "rn", batch_norm="train")
    assert (run.micro_batch, said) == (256, [])


def test_nothing_is_chosen_where_nobody_knows_what_is_free(world, monkeypatch):
    monkeypatch.setattr(memory_module, "free_memory", lambda: None)
    assert trained(world)[0].micro_batch == 256
