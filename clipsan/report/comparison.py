"""Two reports side by side: what was measured in both, and which settings differ.

Not compared: curves and single images. Where two reports measured on different images, it says so, and no
difference is tested for significance: the intervals of both are shown.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from clipsan.evaluation.statistics import Rate
from clipsan.report.measures import Rates, Role
from clipsan.report.schema import Report
from clipsan.report.wording import NOT_MEASURED, points, printable, with_interval


@dataclass(frozen=True)
class Measure:
    """One rate in both reports; None: not measured there."""

    name: str
    role: Role
    a: Rate | None
    b: Rate | None

    @property
    def change(self) -> float | None:
        """B's share less A's, in -1..1; None unless both were measured."""
        if self.a is None or self.b is None or self.a.rate is None or self.b.rate is None:
            return None
        return self.b.rate - self.a.rate

    @property
    def overlap(self) -> bool | None:
        """Whether the 95 % intervals share a value; None unless both were measured."""
        if self.change is None or self.a is None or self.b is None:
            return None
        return self.a.low <= self.b.high and self.b.low <= self.a.high

    def to_dict(self) -> dict[str, Any]:
        """As `clipsan diff --json` shows it."""
        return {
            "name": self.name,
            "role": self.role,
            "a": None if self.a is None else self.a.to_dict(),
            "b": None if self.b is None else self.b.to_dict(),
            "change": self.change,
            "intervals_overlap": self.overlap,
        }


@dataclass(frozen=True)
class Difference:
    """A setting with a value in each report; `missing` where a report lacks it."""

    name: str
    a: Any
    b: Any


@dataclass(frozen=True)
class Comparison:
    """Attributes:
    verdicts: of A and B.
    measures: clean accuracy, top-5 and each trigger's attack success and base rate, model by model.
    settings: those that differ, with what else decides a number (hashes, versions, thresholds).
    notes: what a reader must know before comparing, each one sentence.
    """

    verdicts: tuple[str, str]
    measures: tuple[Measure, ...]
    settings: tuple[Difference, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "verdicts": list(self.verdicts),
            "measures": [measure.to_dict() for measure in self.measures],
            "settings": [asdict(difference) for difference in self.settings],
            "notes": list(self.notes),
        }


def compare(a: Report, b: Report) -> Comparison:
    """Put B beside A. Triggers are matched by name, and by their order where a name comes twice."""
    rates_a, rates_b = dict(_rates(a)), dict(_rates(b))
    roles = dict.fromkeys((*a.roles, *b.roles))
    measures = [
        Measure(name, role, mine, theirs)
        for name in dict.fromkeys((*rates_a, *rates_b))
        for role in roles
        for mine, theirs in [(_of(rates_a, name, role), _of(rates_b, name, role))]
        if mine is not None or theirs is not None
    ]
    shared = set(_trigger_names(a)) & set(_trigger_names(b))
    facts_a, facts_b = dict(_facts(a, shared)), dict(_facts(b, shared))
    settings = [
        Difference(name, facts_a.get(name), facts_b.get(name))
        for name in dict.fromkeys((*facts_a, *facts_b))
        if (name in facts_a) != (name in facts_b) or facts_a.get(name) != facts_b.get(name)
    ]
    verdicts = (a.verdict.result, b.verdict.result)
    return Comparison(verdicts, tuple(measures), tuple(settings), tuple(_notes(a, b)))


def measure_rows(compared: Comparison) -> list[list[str]]:
    """The measures as rows of text, the first being the header; [] if there are none."""
    if not compared.measures:
        return []
    rows = [["", "model", "A", "B", "change", "95 % intervals"]]
    for measure in compared.measures:
        change = NOT_MEASURED if measure.change is None else points(measure.change)
        apart = {None: "", True: "overlap", False: "apart"}[measure.overlap]
        a, b = with_interval(measure.a), with_interval(measure.b)
        rows.append([printable(measure.name), measure.role, a, b, change, apart])
    return rows


def difference_rows(compared: Comparison) -> list[list[str]]:
    """The settings that differ, as JSON, so that text and numbers stay apart; [] if none do."""
    body = [[printable(d.name, 80), _shown(d.a), _shown(d.b)] for d in compared.settings]
    return [["What differs", "A", "B"], *body] if body else []


def _shown(value: Any) -> str:
    return "none" if value is None else printable(json.dumps(value, ensure_ascii=False), 120)


def _rates(report: Report) -> Iterator[tuple[str, Rates]]:
    evaluation = report.evaluation
    if evaluation is None:
        return
    zero_shot = evaluation.kind == "zero-shot"
    yield "clean accuracy" if zero_shot else "image-to-text R@1", evaluation.clean_accuracy
    yield "top-5" if zero_shot else "image-to-text R@5", evaluation.top5
    for key, trigger in zip(_trigger_names(report), evaluation.attacks, strict=True):
        yield f"{key}: ASR", trigger.asr
        yield f"{key}: base rate", trigger.base_rate


def _trigger_names(report: Report) -> Iterator[str]:
    seen: Counter[str] = Counter()
    for trigger in report.evaluation.attacks if report.evaluation else ():
        seen[trigger.name] += 1
        many = seen[trigger.name]
        yield f"trigger {trigger.name}" + (f" ({many})" if many > 1 else "")


def _of(rates: Mapping[str, Rates], name: str, role: Role) -> Rate | None:
    return rates[name].of(role) if name in rates else None


def _facts(report: Report, triggers: Collection[str]) -> Iterator[tuple[str, Any]]:
    """Everything that was given to a run, and what tells whether it read the same files.

    Of triggers, only the settings of those named: a trigger of one report alone is a measure the other lacks.
    """
    yield "command", report.command
    yield "seed", report.seed
    yield from report.settings.items()
    yield "max_asr", report.thresholds.max_asr
    yield "max_drop", report.thresholds.max_drop
    for model in report.models:
        yield f"{model.role} model", model.source
        yield f"{model.role} SHA-256", model.sha256
        yield f"{model.role} architecture", model.architecture
    if report.data is not None:
        yield "pairs digest", report.data.digest
    if report.evaluation is not None:
        yield "evaluation digest", report.evaluation.digest
        for key, trigger in zip(_trigger_names(report), report.evaluation.attacks, strict=True):
            if key in triggers:
                yield f"{key}: target", trigger.target
                yield from ((f"{key}: {name}", value) for name, value in trigger.settings.items())
    if report.training is not None:
        yield "device", report.training.device
        yield "precision", report.training.precision
    yield from ((f"version of {name}", version) for name, version in report.versions.items())


def _notes(a: Report, b: Report) -> Iterator[str]:
    if a.evaluation is None or b.evaluation is None:
        which = " and ".join(n for n, r in (("A", a), ("B", b)) if r.evaluation is None)
        yield f"Nothing was evaluated in {which}."
        return
    if a.evaluation.kind != b.evaluation.kind:
        yield "A and B measured clean accuracy in different ways, so these numbers cannot be compared."
    elif a.evaluation.digest != b.evaluation.digest:
        yield "A and B were measured on different images, so a difference may be that of the images."
    names_a, names_b = set(_trigger_names(a)), set(_trigger_names(b))
    for name in sorted(names_a & names_b):
        mine, theirs = _trigger(a, name), _trigger(b, name)
        if mine != theirs:
            yield f"{printable(name, 80)} has other settings or another target in B than in A."


def _trigger(report: Report, name: str) -> tuple[Any, ...]:
    triggers = report.evaluation.attacks if report.evaluation else ()
    found = dict(zip(_trigger_names(report), triggers, strict=True))[name]
    return found.settings, found.target
