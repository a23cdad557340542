"""What scan.json holds, as types; scan_schema.json is the same for programs in other languages.

A scan looks for a backdoor without knowing a trigger. Rates are shares in 0..1, margins are in logits.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from clipsan.evaluation.statistics import Rate
from clipsan.report.json_file import read_record
from clipsan.report.measures import Count, Share
from clipsan.report.record import Between, Record, ReportError
from clipsan.report.schema import Model, SkippedItems
from clipsan.report.wording import printable

SCAN_SCHEMA_VERSION: Literal["1.0"] = "1.0"

ScanResult = Literal["no evidence found", "evidence", "inconclusive"]
Similarity = Annotated[float, Between(-1.001, 1.001)]  # cosine, but for rounding


@dataclass(frozen=True)
class Candidate(Record):
    """A trigger that was optimised towards one class."""

    rank: Annotated[int, Between(1)]  # 1: the class of the rung that was reached furthest
    target: str
    asr: Rate  # on held-out images that the model does not take for the target untriggered
    margin: float  # mean logit of the target minus the best other class's, triggered
    gain: float  # by how much the trigger moved that mean
    z: float  # robust z of the gain among the classes
    p: Share  # nominal, for the largest of so many normal gains
    z_reference: float | None  # the same of the gain over the reference's, class by class
    evidence: bool
    trigger: str | None  # its name in triggers.json, where it was saved


@dataclass(frozen=True)
class RefinedTrigger(Record):
    """A trigger towards a class with evidence, optimised further within a wider bound; no evidence itself."""

    trigger: str  # its name in triggers.json
    kind: str
    target: str
    found: Rate  # attack success of the best trigger with evidence that it was refined from
    asr: Rate  # its own, on held-out images
    reference: Rate | None  # the same on the reference, which was not to follow it


@dataclass(frozen=True)
class RungResult(Record):
    """One kind of trigger, over all classes tried."""

    name: str
    kind: str
    classes: Count  # that were fully optimised
    screened: Count  # of which list they were
    limit: float  # of z
    limit_source: str
    clean: tuple[float, ...]  # the largest z of each clean model behind the limit
    candidates: tuple[Candidate, ...]  # the best, and all that are evidence


@dataclass(frozen=True)
class ClassFree(Record):
    """The smallest masked pattern under which all images embed alike."""

    mask: Share  # mean weight of the mask
    alike: Similarity  # mean cosine similarity of held-out images to their common direction, triggered
    alike_before: Similarity
    nearest: str  # the class nearest to that direction
    limit: Share | None  # of the mask; None: no clean model to compare with, so nothing is said
    limit_source: str
    evidence: bool
    trigger: str


@dataclass(frozen=True)
class TextSide(Record):
    """The tokens that make texts about different things most alike."""

    tokens: tuple[Count, ...]
    text: str  # what the tokenizer's vocabulary has for them
    tried: Count
    alike: Similarity  # under the whole sequence
    alike_before: Similarity
    gap_closed: float  # share of the way to wholly alike, by the best single token
    nearest: str  # the class nearest to the common direction
    limit: Share | None  # of gap_closed; None as above
    limit_source: str
    evidence: bool


@dataclass(frozen=True, kw_only=True)
class ScanReport(Record):
    """Everything of one scan. No dates: equal scans give equal reports but for `seconds`."""

    schema_version: Literal["1.0"] = SCAN_SCHEMA_VERSION
    command: Literal["scan"] = "scan"
    versions: dict[str, str]
    model: Model
    reference: Model | None
    settings: dict[str, Any]
    seed: int
    images: str  # where they come from
    images_used: Count
    images_held_out: Count
    skipped: SkippedItems
    classes: Count
    rungs: tuple[RungResult, ...]
    class_free: ClassFree
    text_side: TextSide | None
    refined: tuple[RefinedTrigger, ...]  # of targets that no trigger with evidence brings most images to
    result: ScanResult
    reasons: tuple[str, ...]
    targets: tuple[str, ...]  # that evidence points to, strongest first
    warnings: tuple[str, ...]
    seconds: Annotated[float, Between(0)]


EXIT_CODES: dict[ScanResult, int] = {"no evidence found": 0, "evidence": 1, "inconclusive": 3}


def read_scan(path: str | Path) -> ScanReport:
    """Read and check a scan.json from anywhere. Raises ReportError with one sentence."""
    return read_record(Path(path), parse_scan)


def parse_scan(data: object) -> ScanReport:
    """A scan from the JSON value of scan.json. Raises ReportError naming the first wrong place."""
    version = data.get("schema_version") if isinstance(data, dict) else None
    if isinstance(version, str) and version != SCAN_SCHEMA_VERSION:
        raise ReportError(
            f"its schema_version is {printable(version, 20)}, and this clipsan reads {SCAN_SCHEMA_VERSION}"
        )
    return ScanReport.from_dict(data)


def scan_schema() -> dict[str, Any]:
    """The published JSON Schema of scan.json (draft 2020-12)."""
    text = resources.files("clipsan.report").joinpath("scan_schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema
