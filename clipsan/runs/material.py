"""What a run of `clean` trains on and holds out: captioned where that is asked, settled with, filtered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from clipsan.checkpoint import Suspect
from clipsan.evaluation.labelled import LabelledSet
from clipsan.pairs import ImageReader, PairSet, check_kind, split
from clipsan.runs.captions import captioned
from clipsan.runs.describe import versions
from clipsan.runs.filtering import Filtering, Outcome, run_filter
from clipsan.runs.processes import check_alike
from clipsan.runs.settle import settle
from clipsan.runs.watch import Watcher
from clipsan.training.processes import ALONE, Processes


@dataclass(frozen=True)
class Material:
    """The pairs of a run.

    Attributes:
        pairs: all of them, before the filter.
        train: those to train on.
        held_out: those to measure on, if any.
        reader: of the training images.
        filtered: what the filter did, if it was asked.
        warnings: for the report.
    """

    pairs: PairSet
    train: PairSet
    held_out: PairSet | None
    reader: ImageReader
    filtered: Outcome | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Wanted:
    """How a run wants its pairs.

    Attributes:
        share: to hold out, 0 for none.
        seed: of the split and the filter.
        captionless: images without captions get them from the suspect.
        classes: file of class names for that; None: those of the labelled set.
        filtering: what the filter is asked.
        batch_size: images to embed at once.
        cache_images: where decoded training images are kept, of `clipsan.pairs.kept_images.KINDS`.
    """

    share: float
    seed: int
    captionless: bool
    classes: str | Path | None
    filtering: Filtering
    batch_size: int
    cache_images: str = "auto"

    def __post_init__(self) -> None:
        check_kind(self.cache_images)


def parts(pairs: PairSet, wanted: Wanted) -> tuple[PairSet, PairSet | None]:
    """(to train on, to hold out)."""
    return split(pairs, wanted.share, wanted.seed) if wanted.share else (pairs, None)


def spread(count: int, wanted: int) -> list[int]:
    """At most `wanted` of `count` indices, evenly apart: a set that is sorted shows all of its kinds."""
    many = min(count, wanted)
    return [number * count // many for number in range(many)]


def prepare(
    pairs: PairSet,
    divided: tuple[PairSet, PairSet | None],
    suspect: Suspect,
    wanted: Wanted,
    labelled: LabelledSet | None,
    device: torch.device,
    watcher: Watcher,
    processes: Processes = ALONE,
) -> tuple[Suspect, Material]:
    """Make the pairs ready; the suspect comes back settled with them.

    Args:
        pairs: all that were read.
        divided: their `parts`, which take a look at every image.
        suspect: the model to fine-tune.
        wanted: what to do with the pairs.
        labelled: gives class names for captions where `wanted` names none.
        device: where the suspect is asked.
        watcher: hears of progress.
        processes: that share the captioning and the filter.

    Raises:
        UsageError: another process was given another model, other pairs or another filter than the first.
        ClipsanError: captions cannot be proposed, too few pairs are left, or there is no room to keep images.
    """
    warnings: tuple[str, ...] = ()
    train, held_out = divided
    if processes.size > 1 and (wanted.captionless or wanted.filtering.checks):
        check_alike(processes, {
            "versions": versions(),
            "model": {"SHA-256": suspect.provenance.sha256},
            "pairs": {"number": len(pairs), "digest": pairs.digest()},
            "settings": {
                "filter": ",".join(wanted.filtering.checks),
                "filter-reference": wanted.filtering.reference is not None,
                "seed": wanted.seed,
            },
        })  # fmt: skip
    if wanted.captionless:
        pairs, warnings = captioned(
            pairs, suspect, wanted.classes, labelled, device, wanted.batch_size, watcher, processes
        )
        train, held_out = parts(pairs, wanted)
    exact = ImageReader(train, suspect.preprocess_cfg, suspect.image_size, keep="none")
    suspect = settle(suspect, train.captions, exact, device)
    for line in suspect.provenance.evidence:
        watcher.note(line)
    filtered = None
    if wanted.filtering.checks:
        reader = ImageReader(pairs, suspect.preprocess_cfg, suspect.image_size)
        filtered = run_filter(
            wanted.filtering, pairs, suspect, reader, wanted.seed, device, watcher, processes
        )
        train, held_out = parts(filtered.left, wanted)
    reader = ImageReader(
        train, suspect.preprocess_cfg, suspect.image_size, exact=False, keep=wanted.cache_images
    )
    return suspect, Material(pairs, train, held_out, reader, filtered, warnings)
