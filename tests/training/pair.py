"""What one process or two make of the same trainings; `work` runs in each of them, and writes what it saw."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import torch
import torch.distributed as dist

import clipsan
import clipsan.training.gradients as gradients_module
import clipsan.training.loop as loop_module
from clipsan.checkpoint import load
from clipsan.pairs import ImageReader, open_pairs
from clipsan.runs.processes import HelpedError
from clipsan.training.counter import Counter
from clipsan.training.processes import Processes
from clipsan.training.settings import TrainSettings
from clipsan.triggers import parse_triggers


@dataclass
class Case:
    """A training of 3 updates, and what goes wrong in its last process alone."""

    settings: dict = field(default_factory=dict)
    model: str = "model"
    counter: bool = False
    memory: int | None = None  # images that an encoder can take at once, no more
    not_finite: int | None = None  # the update, from 1


CASES = {
    "par": Case(),
    "cleanclip": Case({"method": "cleanclip", "augment": ("flip", "erase")}),
    "roclip": Case({"method": "roclip", "pool": 0.5}),
    "finetune": Case({"method": "finetune", "micro_batch": 100}, counter=True),
    "statistics": Case({"batch_norm": "train"}, model="rn"),
    "memory": Case({"micro_batch": 100}, memory=2),
    "not finite": Case(not_finite=2),
}


def work(rank: int, size: int, folder: Path) -> None:
    """All cases, and a whole run of `clean`; into `SIZE-RANK.pt` goes what came of them."""
    torch.set_num_threads(1)
    if size > 1:
        dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=size)
    processes = Processes(rank, size)
    seen = {name: _trained(case, folder, processes) for name, case in CASES.items()}
    seen["clean"] = _cleaned(folder, processes)
    torch.save(seen, folder / f"{size}-{rank}.pt")
    if size > 1:
        dist.destroy_process_group()


def _trained(case: Case, folder: Path, processes: Processes) -> dict:
    suspect = load(folder / case.model)
    pairs = open_pairs(folder / "pairs")
    reader = ImageReader(pairs, suspect.preprocess_cfg, suspect.image_size, exact=False, threads=1)
    wanted = {"batch_size": 13, "micro_batch": 3, "steps": 3, "lr_start": 1e-4, "precision": "fp32"}
    settings = TrainSettings(**{**wanted, **case.settings})
    counter = Counter(tuple(parse_triggers(["stripes"], suspect.image_size, 0)), 0.5, 1.0)
    last = processes.rank == processes.size - 1
    with torch.random.fork_rng(devices=[]), mock.patch.multiple(
        gradients_module, encode_image=_little_memory(case.memory if processes.size > 1 and last else None)
    ), mock.patch.multiple(loop_module, backward=_not_finite(case.not_finite if last else None)):  # fmt: skip
        torch.manual_seed(0)
        run = loop_module.train(
            suspect, pairs, reader, settings, torch.device("cpu"), counter=counter if case.counter else None,
            processes=processes,
        )  # fmt: skip
    state = [value for value in suspect.model.state_dict().values() if value.is_floating_point()]
    weights = torch.cat([value.double().flatten() for value in state])
    return {
        "weights": weights, "losses": [step.loss for step in run.curve], "notes": run.notes,
        "left out": run.left_out, "broken": sorted(run.broken),
    }  # fmt: skip


def _little_memory(most):
    encode = gradients_module.encode_image

    def encode_image(model, images, *rest):
        if most is not None and len(images) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return encode(model, images, *rest)

    return encode_image


def _not_finite(update):
    backward, done = loop_module.backward, []

    def broken(model, *rest, **named):
        loss = backward(model, *rest, **named)
        done.append(loss)
        if len(done) == update:
            model.visual.proj.grad[0, 0] = float("inf")
        return loss

    return broken


def _cleaned(folder: Path, processes: Processes) -> dict:
    out = folder / f"cleaned-{processes.size}"
    try:
        result = clipsan.clean(
            folder / "model", folder / "pairs", out=out, eval=folder / "eval", trigger=["stripes"], steps=2,
            batch_size=9, device="cpu", save_every=1, no_gallery=True, processes=processes,
        )  # fmt: skip
    except HelpedError:
        return {}
    found = result.report.evaluation
    return {"measured": repr((found.clean_accuracy, found.triggers[0].asr))}
