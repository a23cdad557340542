"""Triggers varied along their axes, measured on a sample of the images; each image is decoded once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from clipsan.evaluation.compared import rates
from clipsan.evaluation.encoder import Encoder
from clipsan.evaluation.probe import Probe, class_index
from clipsan.evaluation.statistics import Rate
from clipsan.evaluation.zero_shot import attack_success, predict
from clipsan.pairs import ImageReader
from clipsan.report.durability import Variation, Varied
from clipsan.report.measures import Role
from clipsan.report.schema import Evaluation
from clipsan.triggers import variations_of
from clipsan.triggers.altered import Altered
from clipsan.triggers.variations import Variation as Plan

VARIED_IMAGES = 500
"""The most images that every variation is measured on."""

AT_ONCE = 8
"""Triggers varied in one pass: their patterns take up to 100 MB each at 224 px."""

Pair = tuple[Rate, Rate]


@dataclass(frozen=True)
class Sample:
    """So many images of a reader, evenly from the whole set, under the indices that they have there."""

    reader: ImageReader
    chosen: Sequence[int]

    def batch(self, indices: Sequence[int]) -> tuple[Tensor, list[int]]:
        return self.reader.batch([self.chosen[index] for index in indices])


def sample_of(probe: Probe) -> Sample:
    """At most VARIED_IMAGES images, evenly spaced: a set in the order of its classes stays balanced."""
    n = min(probe.count, VARIED_IMAGES)
    return Sample(probe.reader, [number * probe.count // n for number in range(n)])


def vary(
    probe: Probe,
    encoder: Encoder,
    targets: Sequence[str],
    on_batch: Callable[[int], None] = lambda done: None,
) -> list[list[Pair]]:
    """Per trigger and variation, in the order of `variations_of`: ASR, and base rate after the same steps.

    Args:
        probe: its triggers are varied.
        encoder: one model.
        targets: of each trigger.
        on_batch: told how many images are done.
    """
    sample = sample_of(probe)
    results: list[list[Pair]] = []
    for start in range(0, len(targets), AT_ONCE):
        plans = [variations_of(trigger)[0] for trigger in probe.triggers[start : start + AT_ONCE]]
        results += _vary(probe, encoder, sample, plans, targets[start : start + AT_ONCE], on_batch)
    return results


def _vary(
    probe: Probe,
    encoder: Encoder,
    sample: Sample,
    plans: Sequence[Sequence[Plan]],
    targets: Sequence[str],
    on_batch: Callable[[int], None],
) -> list[list[Pair]]:
    """One pass over the sample for the plans of some triggers, and for each re-encoding without a trigger."""
    steps = list(dict.fromkeys(each.steps for plan in plans for each in plan if each.steps))
    size = encoder.suspect.image_size
    laid = [each.whole() for plan in plans for each in plan]
    laid += [Altered("none", size, None, each) for each in steps]
    n = len(sample.chosen)
    seen = predict(encoder, sample, n, probe.classnames, probe.templates, laid, on_batch)
    first_bare = len(laid) - len(steps)
    results: list[list[Pair]] = []
    number = 0
    for plan, name in zip(plans, targets, strict=True):
        target = class_index(name, probe.classnames)
        pairs = []
        for each in plan:
            asr, base = attack_success(seen, number, target, probe.labels)
            if each.steps:
                bare = first_bare + steps.index(each.steps)
                base, _ = attack_success(seen, bare, target, probe.labels)
            pairs.append((asr, base))
            number += 1
        results.append(pairs)
    return results


def with_variations(
    evaluation: Evaluation, probe: Probe, measured: Mapping[Role, Sequence[Sequence[Pair]]]
) -> Evaluation:
    """The evaluation with what `vary` gave for each model put to its triggers."""
    triggers = []
    for number, result in enumerate(evaluation.triggers):
        plan, left_out = variations_of(probe.triggers[number])
        found = tuple(
            Variation(
                each.axis,
                each.value,
                each.at,
                rates({role: pairs[number][place][0] for role, pairs in measured.items()}),
                rates({role: pairs[number][place][1] for role, pairs in measured.items()}),
            )
            for place, each in enumerate(plan)
        )
        varied = Varied(len(sample_of(probe).chosen), found, tuple(left_out))
        triggers.append(replace(result, varied=varied))
    return replace(evaluation, triggers=tuple(triggers))
