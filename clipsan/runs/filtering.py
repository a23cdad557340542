"""The filter in a run of `clean`: models in, pairs and the report's record out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from clipsan.checkpoint import Suspect, load
from clipsan.errors import UsageError
from clipsan.evaluation.encoder import Encoder
from clipsan.hygiene import Filtered, filter_pairs, parse_checks
from clipsan.hygiene.sheet import SHEET_NAME, dropped_sheet
from clipsan.pairs import ImageReader, PairSet
from clipsan.report import DroppedPair, DropReason, Filter, FilterCheck
from clipsan.report.schema import DROPPED_KEPT
from clipsan.runs.processes import check_alike
from clipsan.runs.settle import settle
from clipsan.runs.watch import Watcher
from clipsan.training.processes import ALONE, Processes


@dataclass(frozen=True)
class Filtering:
    """What a run asks of the filter.

    Attributes:
        checks: names of its table; empty: no filter.
        reference: a model to ask besides the suspect.
    """

    checks: tuple[str, ...]
    reference: str | None

    @classmethod
    def of(cls, asked: str | Sequence[str], reference: str | Path | None) -> Filtering:
        """From what the user typed; UsageError where it cannot be."""
        checks = parse_checks(asked)
        if reference is not None and "match" not in checks:
            raise UsageError(
                "--filter-reference is asked by the check 'match' only: add --filter all or --filter match"
            )
        return cls(checks, None if reference is None else str(reference))


@dataclass(frozen=True)
class Outcome:
    """What the filter left, what the report says of it, and the picture for dropped.png."""

    left: PairSet
    record: Filter
    sheet: Image.Image | None

    def write(self, folder: Path) -> None:
        """dropped.png, where there is one."""
        if self.sheet is not None:
            self.sheet.save(folder / SHEET_NAME, format="PNG")


def run_filter(
    filtering: Filtering,
    pairs: PairSet,
    suspect: Suspect,
    reader: ImageReader,
    seed: int,
    device: torch.device,
    watcher: Watcher,
    processes: Processes = ALONE,
) -> Outcome:
    """Filter `pairs`, which `reader` reads at the suspect's resolution.

    Several `processes` share the work, all with the same pairs and suspect; the first draws the picture.

    Raises:
        CheckpointError: the reference cannot be read.
        UsageError: the processes have different references.
        DataError: too few pairs would be left.
    """
    reference = None
    if filtering.reference is not None:
        watcher.stage(f"Reading {filtering.reference}")
        other = load(filtering.reference)
        own = ImageReader(pairs, other.preprocess_cfg, other.image_size, keep="none")
        check_alike(processes, {"model": {"SHA-256 of --filter-reference": other.provenance.sha256}})
        other = settle(other, pairs.captions, own, device)
        reference = (Encoder(other, device, processes=processes), own)
    watcher.stage(f"Filtering {len(pairs)} pairs ({', '.join(filtering.checks)})")
    filtered = filter_pairs(
        pairs, reader, Encoder(suspect, device, processes=processes), checks=filtering.checks,
        reference=reference, seed=seed, device=device, processes=processes,
    )  # fmt: skip
    for result in filtered.results:
        watcher.note(f"{result.name} drops {result.dropped}")
        for note in result.notes:
            watcher.note(f"{result.name}: {note}")
    watcher.stage(f"The filter leaves {len(filtered.pairs)} of {len(pairs)} pairs")
    sheet = None if processes.rank else dropped_sheet(filtered, pairs, reader)
    record = filter_of(filtered, pairs, filtering.reference, None if sheet is None else SHEET_NAME)
    return Outcome(filtered.pairs, record, sheet)


def filter_of(filtered: Filtered, pairs: PairSet, reference: str | None, sheet: str | None) -> Filter:
    """A report's record of what was dropped from `pairs`."""
    checks = (
        FilterCheck(result.name, result.dropped, result.reasons, result.settings, result.notes)
        for result in filtered.results
    )
    items = (
        DroppedPair(
            pairs.names[dropped.index],
            tuple(DropReason(reason.check, reason.text, reason.score) for reason in dropped.reasons),
        )
        for dropped in filtered.dropped[:DROPPED_KEPT]
    )
    return Filter(filtered.found, len(filtered.dropped), reference, tuple(checks), tuple(items), sheet)
