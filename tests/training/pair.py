"""What one process or two make of the same trainings; `work` runs in each of them, and writes what it saw."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest import mock

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file

import clipsan
import clipsan.hygiene.evidence as evidence_module
import clipsan.training.gradients as gradients_module
import clipsan.training.loop as loop_module
from clipsan.checkpoint import load
from clipsan.evaluation.encoder import Encoder
from clipsan.hygiene import CHECKS, filter_pairs
from clipsan.hygiene.evidence import Judge, gather
from clipsan.inversion import Effort, Patch, Screening, Strips, invert
from clipsan.inversion.ladder import EFFORTS, ScanEffort
from clipsan.pairs import ImageReader, open_pairs
from clipsan.runs.processes import HelpedError
from clipsan.runs.watch import Watcher
from clipsan.training.counter import Counter
from clipsan.training.processes import Processes
from clipsan.training.settings import TrainSettings
from clipsan.training.sharded import local
from clipsan.training.updates import Step
from clipsan.triggers import parse_triggers


@dataclass
class Case:
    """A training of 3 updates, and what goes wrong in its last process alone."""

    settings: dict = field(default_factory=dict)
    model: str = "model"
    counter: bool = False
    memory: int | None = None  # images that an encoder can take at once, no more
    not_finite: int | None = None  # the update, from 1
    fsdp: bool = False


CLASSES = ("ball", "boat", "fish", "cup", "car", "flower", "house", "hammer")
CASES = {
    "par": Case(),
    "cleanclip": Case({"method": "cleanclip", "augment": ("flip", "erase", "patterns")}),
    "roclip": Case({"method": "roclip", "pool": 0.5}),
    "finetune": Case({"method": "finetune", "micro_batch": 100}, counter=True),
    "statistics": Case({"batch_norm": "train"}, model="rn"),
    "memory": Case({"micro_batch": 100, "lock": "text"}, memory=2),
    "not finite": Case(not_finite=2),
    "parted": Case({"batch_size": 12, "lock": "text"}, fsdp=True),
    "parted, whole batch": Case({"method": "cleanclip", "batch_size": 12, "micro_batch": 12}, fsdp=True),
    "parted, stamped": Case({"batch_size": 12}, model="rn", counter=True, fsdp=True, not_finite=2),
}


def work(rank: int, size: int, folder: Path) -> None:
    """All cases, and a whole run of `clean`; into `SIZE-RANK.pt` goes what came of them."""
    torch.set_num_threads(1)
    if size > 1:
        dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=size)
    processes = Processes(rank, size)
    seen = {name: _trained(case, folder, processes) for name, case in CASES.items()}
    with mock.patch.object(evidence_module, "BATCH", 8):
        seen["filter"] = _filtered(folder, processes)
        seen["clean"] = _cleaned(folder, processes)
    seen["audit"] = _audited(folder, processes)
    seen["file"] = _resumed(folder, processes)
    seen["screened"] = _screened(folder, processes)
    with mock.patch.dict(EFFORTS, quick=ScanEffort(24, Effort(1, 3, at_once=9), Effort(1, 3), 40)):
        seen["scan"] = _scanned(folder, processes)
        seen["until"] = _cleaned_until(folder, processes)
    seen["first"] = processes.of_first(f"rank {rank}")
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
            processes=processes, fsdp=case.fsdp and processes.size > 1,
        )  # fmt: skip
    state = [value for value in suspect.model.state_dict().values() if value.is_floating_point()]
    weights = torch.cat([value.double().flatten() for value in state])
    return {
        "weights": weights, "losses": [step.loss for step in run.curve], "notes": run.notes,
        "left out": run.left_out, "broken": sorted(run.broken),
    }  # fmt: skip


def _filtered(folder: Path, processes: Processes) -> str:
    """Of pairs with a bad caption, a duplicate and, in a second batch and a last, images that are broken."""
    suspect = load(folder / "model")
    pairs = open_pairs(folder / "pairs").subset([*range(40), 12]).recaptioned({1: "untitled"})
    reader = ImageReader(pairs, suspect.preprocess_cfg, suspect.image_size, threads=1)
    encoder = Encoder(suspect, torch.device("cpu"), processes=processes)
    filtered = filter_pairs(pairs, reader, encoder, processes=processes)
    judge, needs = Judge("suspect", encoder, reader), frozenset().union(*(c.needs for c in CHECKS.values()))
    found = gather(pairs, [judge], needs, 0, torch.device("cpu"), processes)
    measured = [found.images["suspect"], found.texts["suspect"], found.spread, found.hashes, found.views]
    digests = [hashlib.sha256(each.numpy().tobytes()).digest() for each in (*measured, *found.windows)]
    left = filtered.pairs.names, filtered.dropped, filtered.results
    return repr((left, found.index, found.digests, found.short_side, found.searched, digests))


def _audited(folder: Path, processes: Processes) -> str | None:
    out = folder / f"audited-{processes.size}"
    try:
        report = clipsan.audit(
            folder / "model", eval=folder / "eval", data=folder / "pairs", trigger=["stripes"], batch_size=8,
            persist=True, persist_steps=1, device="cpu", out=out, no_gallery=True,
            processes=processes,
        ).report  # fmt: skip
    except HelpedError:
        return None
    assert (out / "report.json").is_file()
    (found,) = report.evaluation.triggers
    return repr((report.evaluation.clean_accuracy, found.asr, report.evaluation.persistence))


def _resumed(folder: Path, processes: Processes) -> dict[str, torch.Tensor] | None:
    """What one process writes, or two with parts of the model that were stopped and went on."""
    out, parted = folder / f"file-{processes.size}", processes.size > 1
    settings = {
        "steps": 3,
        "batch_size": 8,
        "held_out": 0.0,
        "device": "cpu",
        "save_every": 1,
        "lr_start": 1e-4,
    }

    def cleaned(watcher: Watcher) -> None:
        clipsan.clean(
            folder / "model", folder / "pairs", out=out, watcher=watcher, processes=processes, fsdp=parted,
            **settings,
        )  # fmt: skip

    if parted:
        with pytest.raises(OSError, match="cut short"):
            cleaned(CutShort())
    heard = Heard()
    try:
        cleaned(heard)
    except HelpedError:
        return None
    assert not parted or "Going on after update 1, from" in heard.said
    return load_file(out / "open_clip_model.safetensors")


class CutShort(Watcher):
    """Ends a run in its second update."""

    def step(self, step: Step) -> None:
        if step.step == 2:
            raise OSError("cut short")


class Heard(Watcher):
    """What was said."""

    def __init__(self) -> None:
        self.said = ""

    def stage(self, text: str) -> None:
        self.said += text


def _screened(folder: Path, processes: Processes) -> str:
    suspect = load(folder / "model")
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (18, 3, 48, 48), dtype=torch.uint8, generator=generator)
    classes = torch.nn.functional.normalize(
        torch.randn(9, suspect.model.visual.output_dim, generator=generator), dim=1
    )
    found = invert(
        suspect, images, [f"c{n}" for n in range(9)], classes, [Patch(8), Strips(24)],
        effort=Effort(1, 2, at_once=8), screening=Screening(1, 2, keep=2, baseline=1), processes=processes,
    )  # fmt: skip
    return repr(
        [
            (each.target, each.asr, each.score, each.base, each.trigger.apply(images, range(18)).sum())
            for each in found
        ]
    )


def _scanned(folder: Path, processes: Processes) -> str | None:
    names = folder / f"names-{processes.rank}.txt"
    names.write_text("\n".join(CLASSES))
    try:
        report = clipsan.scan(
            folder / "model", data=folder / "pairs", classes=names, effort="quick", device="cpu",
            out=folder / f"scan-{processes.size}", processes=processes,
        ).report  # fmt: skip
    except HelpedError:
        return None
    return repr(replace(report, seconds=0.0, settings={}))


def _cleaned_until(folder: Path, processes: Processes) -> dict | None:
    try:
        report = clipsan.clean(
            folder / "model", folder / "pairs", out=folder / f"until-{processes.size}",
            until="asr<=0%,drop<=0", effort=1, classes=folder / f"names-{processes.rank}.txt", held_out=0.3,
            steps=1, batch_size=8, device="cpu", no_gallery=True, processes=processes,
        ).report  # fmt: skip
    except HelpedError:
        return None
    first, *rest = report.loop.rounds
    return {"suspect": repr(replace(first, seconds=0.0)), "accuracies": [each.accuracy for each in rest]}


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
            local(model.text_projection.grad)[0, 0] = float("inf")
        return loss

    return broken


def _cleaned(folder: Path, processes: Processes) -> dict:
    out = folder / f"cleaned-{processes.size}"
    try:
        result = clipsan.clean(
            folder / "model", folder / "pairs", out=out, eval=folder / "eval", trigger=["stripes"], steps=2,
            batch_size=9, micro_batch=8, device="cpu", save_every=1, no_gallery=True, processes=processes,
            filter="images",
        )  # fmt: skip
    except HelpedError:
        return {}
    found = result.report.evaluation
    return {
        "measured": repr((found.clean_accuracy, found.triggers[0].asr, found.skipped)),
        "filter": repr(result.report.data.filter),
    }
