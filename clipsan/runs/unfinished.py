"""Runs that can be resumed: one at a time writes an output folder, and an equal one goes on from there."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import torch

from clipsan.checkpoint import Suspect
from clipsan.pairs import PairSet, order_of
from clipsan.resume import FolderKeeper, Unfinished, claimed
from clipsan.resume.folder import telling_what_is_kept
from clipsan.resume.identity import identity_of
from clipsan.runs.describe import versions
from clipsan.runs.processes import check_alike
from clipsan.runs.watch import Watcher
from clipsan.training.devices import choose_precision
from clipsan.training.processes import ALONE, Processes
from clipsan.training.settings import TrainSettings

_P = ParamSpec("_P")
_R = TypeVar("_R")


def resumable(run: Callable[_P, _R]) -> Callable[_P, _R]:
    """A run with `out`, `overwrite` and `watcher`, which holds `out` and whose states outlive its failure."""
    signature = inspect.signature(run)

    @wraps(run)
    def held(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        given = bound.arguments
        watcher: Watcher = given["watcher"] or Watcher()
        together: Processes = given.get("processes") or ALONE
        if together.rank:  # the first process holds it
            with telling_what_is_kept(Unfinished(Path(given["out"])), watcher.warn):
                return run(*args, **kwargs)
        with claimed(Path(given["out"]), overwrite=given["overwrite"], say=watcher.warn):
            return run(*args, **kwargs)

    return held


def open_keeper(
    out: str | Path,
    suspect: Suspect,
    pairs: PairSet,
    settings: TrainSettings,
    device: torch.device,
    *,
    save_every: int | None,
    overwrite: bool,
    watcher: Watcher,
    run: Mapping[str, Any],
    processes: Processes = ALONE,
    fsdp: bool = False,
) -> FolderKeeper:
    """The keeper of a `resumable` run's training; what it goes on from, if anything, is checked at once.

    Args:
        out: the output folder.
        suspect: as it is before the training.
        pairs: to train on, with their final captions.
        settings: of the training.
        device: where it runs.
        save_every: updates between states; None: by time; 0: never.
        overwrite: another run's states are removed instead of refused.
        watcher: hears of what is saved.
        run: what else decides the training, by what a sentence calls it.
        processes: that train together.
        fsdp: the model lies in parts in them.

    Raises:
        ResumeError: the folder holds another run's state.
        UsageError: another process was given something else than the first one.
    """
    unfinished = Unfinished(Path(out))
    known = suspect.provenance
    identity = identity_of(
        versions=versions(),
        model={
            "SHA-256": known.sha256, "SHA-256 of --text-from": known.text_sha256,
            "architecture": known.architecture, "activation": suspect.activation,
        },
        pairs={
            "number": len(pairs), "digest": pairs.digest(), "order": order_of(pairs, settings.seed).identity,
        },
        settings={**settings.to_dict(), "precision": choose_precision(settings.precision, device)},
        run={
            **run,
            **({"processes": processes.size} if processes.size > 1 else {}),
            **({"--fsdp": True} if fsdp else {}),
        },
        device=device.type,
    )  # fmt: skip
    check_alike(processes, identity)
    if processes.rank:
        processes.numbers(0)  # until the first process has looked and tidied up
    keeper = FolderKeeper(
        unfinished, identity, save_every, watcher, replace=overwrite, processes=processes, sharded=fsdp
    )
    if processes.rank == 0:
        processes.numbers(0)
    return keeper
