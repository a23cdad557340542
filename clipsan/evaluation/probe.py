"""The yardstick of a run: one set of images and triggers, laid on the suspect and on the cleaned model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from clipsan.errors import UsageError
from clipsan.evaluation.encoder import Encoder
from clipsan.evaluation.retrieval import retrieval
from clipsan.evaluation.statistics import Rate
from clipsan.evaluation.zero_shot import TOP_K, Predictions, accuracy, attack_success, found_target, predict
from clipsan.pairs import ImageReader, Skipped
from clipsan.report.schema import Evaluation, Rates, Role, SkippedItems, TriggerResult
from clipsan.triggers import Trigger


@dataclass
class Probe:
    """Images to measure on, with the triggers to put on them.

    Attributes:
        source: as the user typed it.
        digest: SHA-256 of the set.
        reader: decodes the images.
        count: how many there are.
        labels: the class of each image; None: held-out pairs, whose accuracy is retrieval.
        captions: of held-out pairs; empty for a labelled set.
        classnames: the classes that predictions are made over.
        templates: prompts with `{c}`.
        triggers: what is put on the images.
        targets: per trigger, the class it should pull images to; None: to be found.
        skipped: what was left out when the set was opened.
    """

    source: str
    digest: str
    reader: ImageReader
    count: int
    labels: list[int] | None
    captions: list[str]
    classnames: list[str]
    templates: list[str]
    triggers: list[Trigger] = field(default_factory=list)
    targets: list[str | None] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def __post_init__(self) -> None:
        for target in self.targets:
            if target is not None:
                class_index(target, self.classnames)


@dataclass(frozen=True)
class Measured:
    """What the probe saw of one model."""

    clean_accuracy: Rate
    top5: Rate | None
    predictions: Predictions | None


def measure(probe: Probe, encoder: Encoder, on_batch: Callable[[int], None] = lambda done: None) -> Measured:
    """Lay the probe on one model; `on_batch` is told how many images are done."""
    predictions = None
    if probe.labels is not None or probe.triggers:
        predictions = predict(
            encoder, probe.reader, probe.count, probe.classnames, probe.templates, probe.triggers, on_batch
        )
    if probe.labels is None or predictions is None:
        r1, r5 = retrieval(encoder, probe.reader, probe.captions, (1, TOP_K))
        return Measured(r1, r5, predictions)
    top5 = accuracy(predictions, probe.labels, TOP_K) if len(probe.classnames) > TOP_K else None
    return Measured(accuracy(predictions, probe.labels), top5, predictions)


def evaluation_of(probe: Probe, measured: Mapping[Role, Measured]) -> Evaluation:
    """The report's table of one probe on one or two models.

    A target that was not given is the one found on the suspect (on the cleaned model when that is all
    there is), and is then the same for both.
    """
    labelled = probe.labels is not None
    chance = 1 / (len(probe.classnames) if labelled else len(set(probe.captions)))
    results = [_trigger_result(probe, number, measured) for number in range(len(probe.triggers))]
    return Evaluation(
        kind="zero-shot" if labelled else "retrieval",
        source=probe.source,
        images=next(iter(measured.values())).clean_accuracy.n,
        classes=len(probe.classnames),
        templates=len(probe.templates),
        chance=chance,
        digest=probe.digest,
        skipped=SkippedItems.of([*probe.skipped, *probe.reader.skipped.values()]),
        clean_accuracy=_rates({role: m.clean_accuracy for role, m in measured.items()}),
        top5=_rates({role: m.top5 for role, m in measured.items()}),
        triggers=tuple(results),
    )


def class_index(target: str, classnames: Sequence[str]) -> int:
    """Position of a class by its name, whatever its case. UsageError with a suggestion when unknown."""
    lowered = [name.casefold() for name in classnames]
    if target.casefold() in lowered:
        return lowered.index(target.casefold())
    near = get_close_matches(target.casefold(), lowered, n=1)
    hint = (
        f"did you mean {classnames[lowered.index(near[0])]!r}?"
        if near
        else (f"they are {', '.join(classnames[:10])}{', …' if len(classnames) > 10 else ''}")
    )
    raise UsageError(f"the target {target!r} is not among the {len(classnames)} classes measured: {hint}")


def _trigger_result(probe: Probe, number: int, measured: Mapping[Role, Measured]) -> TriggerResult:
    trigger, given = probe.triggers[number], probe.targets[number]
    seen = {role: m.predictions for role, m in measured.items() if m.predictions is not None}
    if given is not None:
        target = class_index(given, probe.classnames)
    else:
        target = found_target(seen["suspect"] if "suspect" in seen else seen["cleaned"], number)
    rates = {role: attack_success(p, number, target, probe.labels) for role, p in seen.items()}
    return TriggerResult(
        name=trigger.name,
        settings=trigger.settings(),
        target=probe.classnames[target],
        target_given=given is not None,
        asr=_rates({role: pair[0] for role, pair in rates.items()}),
        base_rate=_rates({role: pair[1] for role, pair in rates.items()}),
    )


def _rates(values: Mapping[Role, Rate | None]) -> Rates:
    return Rates(values.get("suspect"), values.get("cleaned"), values.get("poisoned"))
