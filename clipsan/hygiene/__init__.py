"""Hygiene: which pairs should not clean a model, and why.

Default use:

    pairs = open_pairs("pairs/")
    reader = ImageReader(pairs, suspect.preprocess_cfg, suspect.image_size)
    filtered = filter_pairs(pairs, reader, Encoder(suspect, device))
    filtered.pairs                       # what is left: train on it
    filtered.dropped[0].reasons          # why the first pair was dropped

One file per check, one row each in `table.CHECKS`. This room knows nothing of files other than the pairs'
and of models only that they embed images and texts. docs/hygiene.md says what each check does.
"""

from __future__ import annotations

from clipsan.hygiene.evidence import Embedder
from clipsan.hygiene.finding import CheckResult, Dropped, Filtered, Reason
from clipsan.hygiene.run import filter_pairs
from clipsan.hygiene.table import CHECKS, parse_checks

__all__ = [
    "CHECKS",
    "CheckResult",
    "Dropped",
    "Embedder",
    "Filtered",
    "Reason",
    "filter_pairs",
    "parse_checks",
]
