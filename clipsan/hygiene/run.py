"""The filter: gather the evidence in one pass, let each check judge it, and leave the rest."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence

import torch

from clipsan.errors import DataError
from clipsan.hygiene.evidence import Embedder, Evidence, Judge, gather
from clipsan.hygiene.finding import CheckResult, Dropped, Filtered, Finding, Reason
from clipsan.hygiene.table import CHECKS, parse_checks
from clipsan.pairs import ImageReader, PairSet
from clipsan.training.processes import ALONE, Processes

FEWEST_LEFT = 2


def filter_pairs(
    pairs: PairSet,
    reader: ImageReader,
    suspect: Embedder,
    *,
    checks: str | Sequence[str] = "all",
    reference: tuple[Embedder, ImageReader] | None = None,
    seed: int = 0,
    device: torch.device | None = None,
    processes: Processes = ALONE,
) -> Filtered:
    """Drop pairs that should not clean a model.

    Args:
        pairs: what to filter; it stays as it is.
        reader: of `pairs`, at the suspect's resolution.
        suspect: the model to be cleaned, for the checks that look at embeddings.
        checks: "all", or names of the table `CHECKS`.
        reference: a model that is trusted more, and a reader of `pairs` at its resolution; `match` asks
            it too.
        seed: of the choice of images in which patterns are searched, where there are more than 8192.
        device: where embeddings are compared; the CPU where not said.
        processes: that share the work, each calling this with equal arguments but for the device; all get
            the result of one process.

    Raises:
        UsageError: an unknown check.
        DataError: fewer than two pairs would be left.
    """
    names = parse_checks(checks)
    judges = [Judge("suspect", suspect, reader)]
    if reference is not None:
        judges.append(Judge("reference", *reference))
    needs = frozenset[str]().union(*(CHECKS[name].needs for name in names))
    evidence = gather(pairs, judges, needs, seed, device or torch.device("cpu"), processes)
    reasons: dict[int, list[Reason]] = defaultdict(list)
    results = []
    rows = list(range(len(evidence.index)))
    for first in (True, False):
        dropped: set[int] = set()
        asked = [name for name in names if CHECKS[name].first is first]
        for name, finding in _findings(asked, evidence, rows, processes).items():
            for row, (text, score) in finding.drops.items():
                reasons[evidence.index[row]].append(Reason(name, text, score))
                dropped.add(row)
            broken = _broken(evidence, reasons) if name == "images" else []
            results.append(_result(name, finding, broken))
        rows = [row for row in rows if row not in dropped]
    left = [index for index in range(len(pairs)) if index not in reasons]
    if len(left) < FEWEST_LEFT:
        most = max(results, key=lambda result: result.dropped)
        raise DataError(
            f"The filter leaves {len(left)} of {len(pairs)} pairs of {pairs.source}, too few to train on"
            f" (the check {most.name!r} drops {most.dropped}): give other pairs, or name fewer checks."
        )
    dropped_pairs = [Dropped(index, tuple(reasons[index])) for index in sorted(reasons)]
    return Filtered(pairs.subset(left), len(pairs), dropped_pairs, results)


def _findings(
    names: Sequence[str], evidence: Evidence, rows: list[int], processes: Processes
) -> dict[str, Finding]:
    """What each check finds; of several processes each makes some of the checks, and tells the others."""
    own = {name: CHECKS[name].run(evidence, rows) for name in names[processes.rank :: processes.size]}
    told = processes.texts(json.dumps({name: finding.to_json() for name, finding in own.items()}))
    every = {name: finding for text in told for name, finding in json.loads(text).items()}
    return {name: Finding.from_json(every[name]) for name in names}


def _broken(evidence: Evidence, reasons: dict[int, list[Reason]]) -> list[str]:
    """Note every image that could not be decoded; returns the phrases."""
    phrases = []
    for index, skipped in sorted(evidence.reader.skipped.items()):
        reasons[index].append(Reason("images", skipped.reason))
        phrases.append(skipped.reason)
    return phrases


def _result(name: str, finding: Finding, broken: list[str]) -> CheckResult:
    counted = Counter([text for text, _ in finding.drops.values()] + broken)
    return CheckResult(
        name,
        len(finding.drops) + len(broken),
        dict(counted.most_common()),
        finding.settings,
        tuple(finding.notes),
    )
