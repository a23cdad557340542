"""Does a backdoor come back? The attack success rate again after a short benign fine-tuning of a copy.

The fine-tuning is the contrastive loss alone on clean pairs, without augmentation. The audited model stays as
it is, and nothing of the copy is kept.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from clipsan.checkpoint import Suspect
from clipsan.errors import UsageError
from clipsan.evaluation.probe import Measured, Probe, class_index
from clipsan.evaluation.zero_shot import attack_success
from clipsan.pairs import ImageReader, PairSet, Reading, Sources, open_pairs, pinned, split
from clipsan.report import Evaluation, Persistence, Report, Return, Role
from clipsan.runs.last import last_output
from clipsan.runs.probes import measure_model
from clipsan.runs.processes import check_share
from clipsan.runs.tuning import fine_tune, fitting_batch_size
from clipsan.runs.watch import Watcher
from clipsan.training.processes import ALONE, Processes
from clipsan.training.settings import TrainSettings

LARGEST_BATCH = 256


@dataclass(frozen=True)
class Persisting:
    """What `--persist` is asked.

    Attributes:
        steps: updates, at least 1.
        lr: learning rate up to half of them; a cosine to 1e-9 follows.
    """

    steps: int
    lr: float

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise UsageError(f"--persist-steps is {self.steps}, but must be at least 1")
        if not 0 < self.lr < float("inf"):
            raise UsageError(f"--persist-lr is {self.lr:g}, but must be a finite number above 0")


def benign_pairs(
    data: Sources | None, model: object | None, eval: object | None, reading: Reading
) -> PairSet:
    """The pairs to fine-tune on: `data`, or those that the last output was trained on.

    Args:
        data: as typed.
        model: as typed; None: the last output is audited.
        eval: the labelled set as typed.
        reading: how `data` is to be read.

    Raises:
        UsageError: there are none, they would be measured on as well, or they may not be clean.
    """
    if model is not None:
        if data is None or eval is None:
            raise UsageError(
                "--persist fine-tunes a copy of the model on clean pairs and measures it on other images: "
                "give --data pairs and --eval a labelled set"
            )
        return open_pairs(data, reading)
    _, report = last_output(Path())
    if data is not None:
        if eval is None and report.settings.get("eval") is None:
            raise UsageError(
                "--persist fine-tunes on --data, so it has to measure on other images: give --eval a "
                "labelled set"
            )
        return open_pairs(data, reading)
    return _pairs_of(report)


def _pairs_of(report: Report) -> PairSet:
    """The pairs that a run of `clean` trained on."""
    if report.data is None:
        raise UsageError("the last output does not say what it was trained on: give --data clean pairs")
    if report.data.filter is not None and report.data.filter.dropped:
        raise UsageError(
            "the last output left some of its pairs out of training (--filter), as they may not be clean: "
            "give --data clean pairs"
        )
    if any(source.captions == "proposed" for source in report.data.sources):
        raise UsageError(
            "the suspect proposed captions of the last output's pairs, so they are no benign ones: give "
            "--data clean pairs"
        )
    settings: Mapping[str, Any] = report.settings
    sources = [pinned(source.source, source.revision) for source in report.data.sources]
    pairs = open_pairs(sources, Reading.from_dict(settings, report.seed))
    share = settings.get("held_out") or 0.0
    return split(pairs, share, report.seed)[0] if share else pairs


def persist(
    evaluation: Evaluation,
    probe: Probe,
    measured: Measured,
    suspect: Suspect,
    role: Role,
    pairs: PairSet,
    asked: Persisting,
    seed: int,
    device: torch.device,
    batch_size: int,
    watcher: Watcher,
    processes: Processes = ALONE,
) -> Evaluation:
    """The evaluation with what comes back after the fine-tuning of a copy of one model.

    Args:
        evaluation: of the probe; its targets are asked for again.
        probe: laid on the copy.
        measured: what it saw of the model before.
        suspect: the model; it is not changed.
        role: its role.
        pairs: clean ones.
        asked: steps and learning rate.
        seed: of the order of the pairs.
        device: where to compute.
        batch_size: images embedded at once.
        watcher: hears of progress.
        processes: that share all of it.

    Raises:
        UsageError: they cannot share so small a batch.
    """
    size = fitting_batch_size(None, LARGEST_BATCH, pairs)
    check_share(processes, size)
    settings = TrainSettings(
        method="finetune", steps=asked.steps, lr=asked.lr, lr_start=asked.lr, batch_size=size,
        micro_batch=min(batch_size, LARGEST_BATCH), augment=(), seed=seed,
    )  # fmt: skip
    # float32: in half precision so small a learning rate would be rounded away
    single = {key: torch.float32 for key, dtype in suspect.dtypes.items() if dtype.is_floating_point}
    tuned = replace(suspect, model=copy.deepcopy(suspect.model), dtypes={**suspect.dtypes, **single})
    reader = ImageReader(pairs, suspect.preprocess_cfg, suspect.image_size, exact=False)
    fine_tune(tuned, pairs, reader, settings, device, watcher, processes=processes)
    again = measure_model(probe, tuned, device, batch_size, watcher, role, processes=processes)
    returns = []
    for number, trigger in enumerate(evaluation.triggers):
        before = trigger.asr.of(role)
        if trigger.target is None or before is None or again.predictions is None:
            continue
        target = class_index(trigger.target, probe.classnames)
        after, base = attack_success(again.predictions, number, target, probe.labels)
        returns.append(Return(trigger.name, trigger.target, before, after, base))
    kept = Persistence(
        role=role, source=pairs.source, pairs=len(pairs), digest=pairs.digest(), steps=asked.steps,
        batch_size=size, lr=asked.lr, accuracy_before=measured.clean_accuracy,
        accuracy_after=again.clean_accuracy, triggers=tuple(returns),
    )  # fmt: skip
    return replace(evaluation, persistence=kept)
