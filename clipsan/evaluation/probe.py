"""The yardstick of a run: one set of images and triggers, laid on the suspect and on the cleaned model."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from torch import Tensor

from clipsan.errors import UsageError
from clipsan.evaluation.compared import (
    class_results,
    draws_of,
    mean_recall,
    paired,
    rates,
    recall_of_classes,
    repeats,
    retrieval_attack,
    retrieval_of,
)
from clipsan.evaluation.embed import embed
from clipsan.evaluation.encoder import Encoder
from clipsan.evaluation.examples import examples_of
from clipsan.evaluation.projection import projections_of
from clipsan.evaluation.pull import target_pull
from clipsan.evaluation.queried import Queried, Queries, prompts, query, text_result
from clipsan.evaluation.retrieval import Retrieved, retrieve
from clipsan.evaluation.shown import Shown
from clipsan.evaluation.statistics import Rate
from clipsan.evaluation.zero_shot import (
    TOP_K,
    Predictions,
    accuracy,
    attack_success,
    correct,
    found_target,
    own_classes,
    predict,
)
from clipsan.pairs import ImageReader, Skipped
from clipsan.report.examples import NO_EXAMPLES
from clipsan.report.found import MAJORITY
from clipsan.report.measures import Pulls, Role
from clipsan.report.schema import Evaluation, SkippedItems, TriggerResult
from clipsan.triggers import TextTrigger, Trigger, opposite


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
        texts: what is put into queries.
        text_targets: per text trigger, the class whose images it should find; None: to be found.
        images_of: for held-out pairs, equal for the pairs of one image.
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
    texts: list[TextTrigger] = field(default_factory=list)
    text_targets: list[str | None] = field(default_factory=list)
    images_of: Sequence[Hashable] = ()
    skipped: list[Skipped] = field(default_factory=list)

    def __post_init__(self) -> None:
        for target in self.targets:
            if target is not None:
                class_index(target, self.classnames)
        if self.labels is not None:
            self.text_targets = [
                target if target is None else self.classnames[class_index(target, self.classnames)]
                for target in self.text_targets
            ]

    def shown(self, indices: Sequence[int]) -> Shown:
        """What the images at these places of the set show."""
        if self.labels is not None:
            return Shown([self.labels[i] for i in indices], [], [])
        return Shown(None, [self.captions[i] for i in indices], [self.images_of[i] for i in indices])


@dataclass(frozen=True)
class Measured:
    """What the probe saw of one model.

    Attributes:
        clean_accuracy: top-1, or image-to-text R@1.
        top5: the same among the first five; None: there are no more than five classes.
        hits: of each image by its index, whether it counts in the clean accuracy.
        predictions: None where nothing was classified.
        retrieved: None for a labelled set.
        opposites: of each trigger without a target that draws a majority to one class, the answers to its
            opposite, int64 [n].
        queried: None without text triggers.
    """

    clean_accuracy: Rate
    top5: Rate | None
    hits: dict[int, bool]
    predictions: Predictions | None
    retrieved: Retrieved | None = None
    opposites: dict[int, Tensor] = field(default_factory=dict)
    queried: Queried | None = None


def measure(
    probe: Probe, encoder: Encoder, on_batch: Callable[[int], None] = lambda done: None, draws: int = 1
) -> Measured:
    """Lay the probe on one model: one pass over the images, and one per trigger and draw of its places.

    A trigger without a target that draws a majority to one class costs one more, of its opposite.

    `on_batch` is told how many images are done.
    """
    predictions = None
    if probe.labels is not None or probe.triggers or probe.texts:
        predictions = predict(
            encoder, probe.reader, probe.count, probe.classnames, probe.templates, probe.triggers, on_batch,
            draws=draws, keep=True,
        )  # fmt: skip
    opposites = {} if predictions is None else _opposites(probe, encoder, predictions)
    if probe.labels is not None and predictions is not None:
        top5 = accuracy(predictions, probe.labels, TOP_K) if len(probe.classnames) > TOP_K else None
        hits = _by_index(predictions.indices, correct(predictions, probe.labels))
        clean = accuracy(predictions, probe.labels)
        asked = prompts(encoder, probe.classnames, probe.templates) if probe.texts else None
        queried = _queried(probe, encoder, predictions, asked)
        return Measured(clean, top5, hits, predictions, opposites=opposites, queried=queried)
    if predictions is not None and predictions.embedded is not None:
        indices, images = predictions.indices, predictions.embedded.clean
    else:
        indices, images = embed(encoder, probe.reader, probe.count, on_batch)
    retrieved = retrieve(encoder, images, [probe.captions[i] for i in indices])
    hits = _by_index(indices, retrieved.images[:, 0])
    queried = _queried(probe, encoder, predictions, Queries(retrieved.captions, 0, retrieved.embedded))
    first, top5 = retrieved.image_to_text(1), retrieved.image_to_text(TOP_K)
    return Measured(first, top5, hits, predictions, retrieved, opposites, queried)


def _queried(
    probe: Probe, encoder: Encoder, predictions: Predictions | None, queries: Queries | None
) -> Queried | None:
    """The answers to queries with the probe's text triggers; None where there are none."""
    if not probe.texts or queries is None or predictions is None or predictions.embedded is None:
        return None
    shown, seen = probe.shown(predictions.indices), own_classes(predictions, probe.labels)
    return query(encoder, predictions.embedded.clean, shown, seen, queries, probe.texts)


def _opposites(probe: Probe, encoder: Encoder, predictions: Predictions) -> dict[int, Tensor]:
    """The answers to the opposite of each trigger whose found target may be a backdoor's."""
    wanted = [
        number
        for number, target in enumerate(probe.targets)
        if target is None
        and attack_success(predictions, number, found_target(predictions, number), probe.labels)[0].low
        > MAJORITY
    ]
    if not wanted:
        return {}
    reversed_ = [opposite(probe.triggers[number]) for number in wanted]
    seen = predict(encoder, probe.reader, probe.count, probe.classnames, probe.templates, reversed_)
    return dict(zip(wanted, seen.triggered, strict=True))


def evaluation_of(
    probe: Probe, measured: Mapping[Role, Measured], *, seed: int = 0, gallery: bool = True
) -> Evaluation:
    """The report's table of one probe on one or two models.

    A target that was not given is the one found on the suspect (on the cleaned model when that is all
    there is), and is then the same for both. `seed` draws the images of the report's examples and embedding
    pictures; without `gallery` there are no examples.
    """
    labelled = probe.labels is not None
    chance = 1 / (len(probe.classnames) if labelled else len(set(probe.captions)))
    results = [
        _trigger_result(probe, number, measured, seed, gallery) for number in range(len(probe.triggers))
    ]
    queried = {role: m.queried for role, m in measured.items() if m.queried is not None}
    recalls = {
        role: recall_of_classes(m.predictions, probe.labels, len(probe.classnames))
        for role, m in measured.items()
        if probe.labels is not None and m.predictions is not None
    }
    return Evaluation(
        kind="zero-shot" if labelled else "retrieval",
        source=probe.source,
        images=next(iter(measured.values())).clean_accuracy.n,
        classes=len(probe.classnames),
        templates=len(probe.templates),
        chance=chance,
        digest=probe.digest,
        skipped=SkippedItems.of([*probe.skipped, *probe.reader.skipped.values()]),
        clean_accuracy=rates({role: m.clean_accuracy for role, m in measured.items()}),
        top5=rates({role: m.top5 for role, m in measured.items()}),
        triggers=tuple(results),
        paired=paired({role: m.hits for role, m in measured.items()}),
        mean_recall=mean_recall(recalls),
        per_class=class_results(recalls, probe.classnames),
        retrieval=retrieval_of({r: m.retrieved for r, m in measured.items() if m.retrieved is not None}),
        text_triggers=tuple(
            text_result(trigger, number, probe.text_targets[number], probe.classnames, queried)
            for number, trigger in enumerate(probe.texts)
        ),
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


def _trigger_result(
    probe: Probe, number: int, measured: Mapping[Role, Measured], seed: int, gallery: bool
) -> TriggerResult:
    trigger, given = probe.triggers[number], probe.targets[number]
    seen = {role: m.predictions for role, m in measured.items() if m.predictions is not None}
    if given is not None:
        target = class_index(given, probe.classnames)
    else:
        target = found_target(seen["suspect"] if "suspect" in seen else next(iter(seen.values())), number)
    attacked = {role: attack_success(p, number, target, probe.labels) for role, p in seen.items()}
    pulls = {role: target_pull(p, number, target, probe.labels) for role, p in seen.items()}
    return TriggerResult(
        name=trigger.name,
        settings=trigger.settings(),
        target=probe.classnames[target],
        target_given=given is not None,
        asr=rates({role: pair[0] for role, pair in attacked.items()}),
        base_rate=rates({role: pair[1] for role, pair in attacked.items()}),
        pull=Pulls(pulls.get("suspect"), pulls.get("cleaned"), pulls.get("poisoned")),
        paired=paired({role: _pulled(p, number, target, probe.labels) for role, p in seen.items()}),
        opposite=rates({role: _of_opposite(m, number, target, probe.labels) for role, m in measured.items()}),
        repeats=repeats({role: draws_of(p, number, target, probe.labels) for role, p in seen.items()}),
        examples=examples_of(probe, number, target, seen, seed) if gallery else NO_EXAMPLES,
        projections=projections_of(seen, number, target, probe.labels, seed),
        retrieval=retrieval_attack(
            {role: probe.shown(p.indices) for role, p in seen.items()},
            seen,
            {role: m.retrieved for role, m in measured.items() if m.retrieved is not None},
            number,
            probe.classnames[target],
        ),
    )


def _of_opposite(m: Measured, number: int, target: int, labels: Sequence[int] | None) -> Rate | None:
    if m.predictions is None or number not in m.opposites:
        return None
    counted = own_classes(m.predictions, labels) != target
    return Rate(int((m.opposites[number][counted] == target).sum()), int(counted.sum()))


def _pulled(p: Predictions, number: int, target: int, labels: Sequence[int] | None) -> dict[int, bool]:
    """Of each image that the ASR counts, whether the trigger pulls it to the target."""
    counted = own_classes(p, labels) != target
    found = _by_index(p.indices, p.triggered[number] == target)
    return {index: found[index] for index, counts in zip(p.indices, counted.tolist(), strict=True) if counts}


def _by_index(indices: Sequence[int], values: Tensor) -> dict[int, bool]:
    return dict(zip(indices, values.tolist(), strict=True))
