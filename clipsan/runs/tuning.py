"""What the runs that fine-tune a model and write it share: the training, the batch that fits, the records."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clipsan import __version__
from clipsan.checkpoint import Family, Suspect, Written, as_in_file
from clipsan.errors import DataError, UsageError
from clipsan.pairs import ImageReader, PairSet
from clipsan.report import Model, Role
from clipsan.resume import FolderKeeper
from clipsan.runs.watch import Watcher
from clipsan.training.counter import Counter
from clipsan.training.loop import train
from clipsan.training.processes import ALONE, Processes
from clipsan.training.profile import Profile
from clipsan.training.settings import TrainSettings
from clipsan.training.state import seeded
from clipsan.training.updates import Training


def fine_tune(
    suspect: Suspect,
    pairs: PairSet,
    reader: ImageReader,
    settings: TrainSettings,
    device: torch.device,
    watcher: Watcher,
    counter: Counter | None = None,
    keeper: FolderKeeper | None = None,
    profile: Profile | None = None,
    processes: Processes = ALONE,
    fsdp: bool = False,
) -> Training:
    """Fine-tune the suspect in place, and round its weights to what its file will hold.

    With a keeper the run is saved, and goes on where a saved one stopped; a profile is filled in.
    """
    against = (
        f", {len(counter.triggers)} triggers on {100 * counter.share:g} % of the images" if counter else ""
    )
    watcher.stage(f"Fine-tuning with {settings.method} on {len(pairs)} pairs{against}")
    watcher.training(settings.updates(len(pairs)), settings.tau if settings.method == "par" else None)
    try:
        with kept(keeper, settings, device):
            run = train(
                suspect, pairs, reader, settings, device, watcher.step, counter,
                on_fault=watcher.warn, on_note=watcher.note, keeper=keeper, profile=profile,
                processes=processes, fsdp=fsdp,
            )  # fmt: skip
    finally:
        watcher.finished()
    round_to_file(suspect)
    return run


@contextmanager
def kept(keeper: FolderKeeper | None, settings: TrainSettings, device: torch.device) -> Iterator[None]:
    """A training runs in the block: torch's generators start from the seed, and a signal saves it."""
    with seeded(settings.seed, device), keeper.listening() if keeper else nullcontext():
        yield


def round_to_file(suspect: Suspect) -> None:
    """Round the model's weights to what its file will hold, so that what is measured is what is written."""
    suspect.model.load_state_dict(as_in_file(suspect.model.state_dict(), suspect.dtypes))


def fitting_batch_size(asked: int | None, most: int, pairs: PairSet) -> int:
    """As asked; else `most`, or the largest power of two up to a quarter of few pairs.

    Raises:
        DataError: there are fewer than two pairs.
        UsageError: there are fewer pairs than the batch that was asked for.
    """
    if asked is None:
        if len(pairs) < 2:
            raise DataError(f"{pairs.source} leaves {len(pairs)} pairs to train on: at least 2 are needed")
        return max(2, min(most, 1 << ((len(pairs) // 4) or 1).bit_length() - 1))
    if asked > len(pairs):
        raise UsageError(
            f"--batch-size is {asked}, but {pairs.source} leaves {len(pairs)} pairs to train on: "
            "choose a smaller batch or give more pairs"
        )
    return asked


def bytes_needed(suspect: Suspect, families: Sequence[Family]) -> int:
    """What the output folder will take, at most."""
    state: Mapping[str, Tensor] = suspect.model.state_dict()
    weights = sum(value.numel() * suspect.dtypes[key].itemsize for key, value in state.items())
    return weights * len(families) + (16 << 20)


def metadata_of(settings: TrainSettings, source_sha256: str) -> dict[str, str]:
    """The metadata of the weights that a run writes; no dates, so equal runs give equal bytes."""
    stored: dict[str, Any] = settings.to_dict()
    return {
        "format": "pt",
        "clipsan_version": __version__,
        "method": settings.method,
        "settings": json.dumps(stored, sort_keys=True),
        "source_sha256": source_sha256,
    }


def written_model(
    before: Model,
    role: Role,
    out: Path,
    families: Sequence[Family],
    written: Written,
    dtype: str,
    metadata: dict[str, str],
) -> Model:
    """A report's record of the model that a run has written to `out`; `before`: that of its source."""
    return replace(
        before, role=role, source=str(out), format=" and ".join(f"{f} folder" for f in families),
        repository=None, revision=None, path=str(out / written.weights.name),
        sha256=written.sha256, dtype=before.dtype if dtype == "keep" else dtype, metadata=metadata,
        evidence=("written by this run, read back and compared",),
    )  # fmt: skip
