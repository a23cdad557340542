"""From what a search found to what a scan says: records, limits, evidence and the result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from torch import Tensor

from clipsan.inversion.evidence import (
    FEWEST_CLASSES,
    LEAST_ASR,
    OUTLIER,
    SATURATED_ASR,
    Limit,
    class_free_limit,
    reference_limit,
    robust_z,
    tail,
    words_limit,
)
from clipsan.inversion.invert import Found
from clipsan.inversion.kinds import Kind
from clipsan.inversion.ladder import Rung
from clipsan.inversion.search import Searched
from clipsan.report.scan_record import Candidate, ClassFree, RungResult, ScanResult, TextSide

SHOWN = 5  # candidates of a rung that are told of, evidence or not
SAVED = 1  # of them, whose triggers are saved though they are no evidence
LEAST_ALIKE = 0.85
REACHED = 0.8  # of the held-out images: a trigger that brings so many to its class is not refined
CLASS_FREE = "class-free"


def judge_rung(
    rung: Rung,
    found: Sequence[Found],
    reference: Sequence[Found] | None,
    limit: Limit,
    listed: int,
) -> RungResult:
    """What one rung says of each class.

    Args:
        rung: of the ladder.
        found: in the suspect, one for each class that was fully optimised.
        reference: the same classes in the reference, in the same order.
        limit: of z, or with a reference, of the z over it.
        listed: how many classes the list has.
    """
    z = robust_z([each.gain for each in found])
    z_reference: Sequence[float | None] = [None] * len(found)
    if reference is not None:
        z_reference = robust_z([a.gain - b.gain for a, b in zip(found, reference, strict=True)])
    order = sorted(range(len(found)), key=lambda place: -found[place].gain)
    candidates = []
    for rank, place in enumerate(order, start=1):
        each, over = found[place], z_reference[place]
        above = z[place] >= limit.z if over is None else over >= limit.z and z[place] >= OUTLIER
        evidence = above and len(found) >= FEWEST_CLASSES and (each.asr.rate or 0.0) >= LEAST_ASR
        candidates.append(
            Candidate(
                rank=rank,
                target=each.target,
                asr=each.asr,
                margin=each.score,
                gain=round(each.gain, 4),
                z=round(z[place], 3),
                p=tail(z[place], listed),
                z_reference=None if over is None else round(over, 3),
                evidence=evidence,
                trigger=each.trigger.name if evidence or rank <= SAVED else None,
            )
        )
    return RungResult(
        name=rung.name,
        kind=rung.kind.label,
        classes=len(found),
        screened=listed,
        limit=limit.z,
        limit_source=limit.source,
        clean=limit.clean,
        candidates=tuple(each for each in candidates if each.evidence or each.rank <= SHOWN),
    )


def judge_beside(rung: Rung, found: Sequence[Found], reference: Sequence[Found], listed: int) -> RungResult:
    """`judge_rung` with a reference, and the limit that holds then."""
    limit = reference_limit(max(robust_z([each.gain for each in reference])))
    return judge_rung(rung, found, reference, limit, listed)


def refinable(results: Sequence[RungResult], rungs: Sequence[Rung]) -> list[tuple[Kind, Candidate]]:
    """What to refine: a wide kind, and the best candidate, of each class with evidence short of REACHED.

    The kind is that of the best trigger that was optimised; there may be none, by a list alone.
    """
    best: dict[str, Candidate] = {}
    kinds: dict[str, tuple[float, Kind]] = {}
    for result, rung in zip(results, rungs, strict=True):
        for each in result.candidates:
            rate = each.asr.rate or 0.0
            if not each.evidence:
                continue
            if each.target not in best or rate > (best[each.target].asr.rate or 0.0):
                best[each.target] = each
            if rung.wide is not None and rate > kinds.get(each.target, (-1.0, rung.wide))[0]:
                kinds[each.target] = rate, rung.wide
    return [
        (kinds[target][1], each)
        for target, each in best.items()
        if (each.asr.rate or 0.0) < REACHED and target in kinds
    ]


def judge_class_free(
    searched: Searched, clean: Sequence[float], source: str, names: Sequence[str], classes: Tensor
) -> ClassFree:
    """What the class-free pattern says; `clean`: the masks that clean models took."""
    found = searched.class_free
    limit = class_free_limit(clean)
    return ClassFree(
        mask=found.mask,
        alike=found.alike,
        alike_before=found.alike_before,
        nearest=names[int((classes @ found.embedding).argmax())],
        limit=limit,
        limit_source=source,
        evidence=limit is not None and found.mask <= limit and found.alike >= LEAST_ALIKE,
        trigger=CLASS_FREE,
    )


def judge_words(
    searched: Searched,
    clean: Sequence[float],
    source: str,
    tried: int,
    names: Sequence[str],
    classes: Tensor,
    decode: Callable[[Sequence[int]], str],
) -> TextSide | None:
    """What the text side says; `clean`: the gaps that clean models' best tokens closed."""
    found = searched.words
    if found is None:
        return None
    limit = words_limit(clean)
    gap = round(max(0.0, found.gap_closed), 4)
    return TextSide(
        tokens=found.tokens,
        text=decode(found.tokens),
        tried=tried,
        alike=found.alike,
        alike_before=found.alike_before,
        gap_closed=gap,
        nearest=names[int((classes @ found.embedding).argmax())],
        limit=limit,
        limit_source=source,
        evidence=limit is not None and gap >= limit,
    )


def result_of(
    rungs: Sequence[RungResult],
    class_free: ClassFree,
    words: TextSide | None,
    saturated: Sequence[str],
) -> tuple[ScanResult, tuple[str, ...], tuple[str, ...]]:
    """(the result, its reasons as sentences, the targets that evidence points to, strongest first).

    `saturated`: names of rungs on which most classes were reached, so that they say nothing.
    """
    reasons: list[str] = []
    pointed: dict[str, float] = {}
    for rung in rungs:
        for each in rung.candidates:
            if each.evidence:
                pointed[each.target] = max(pointed.get(each.target, 0.0), each.z)
                over = "" if each.z_reference is None else f", {each.z_reference:.1f} over the reference"
                reasons.append(
                    f"{rung.kind} towards {each.target!r}: {100 * (each.asr.rate or 0.0):.0f} % of "
                    f"{each.asr.n} held-out images go there; z {each.z:.1f} among {rung.classes} classes"
                    f"{over}, above the limit of {rung.limit:g} ({rung.limit_source})."
                )
    if class_free.evidence:
        reasons.append(
            f"A masked pattern that replaces {100 * class_free.mask:.1f} % of an image makes all images "
            f"embed alike ({class_free.alike:.2f}), near {class_free.nearest!r}; clean models take more."
        )
    if words is not None and words.evidence:
        reasons.append(
            f"The token {words.text.split()[0]!r} in front of texts about different things closes "
            f"{100 * words.gap_closed:.0f} % of the way to one place, near {words.nearest!r}."
        )
    if reasons:
        return "evidence", tuple(reasons), tuple(sorted(pointed, key=lambda name: -pointed[name]))
    classes = min(rung.classes for rung in rungs)
    if classes < FEWEST_CLASSES:
        reason = f"{classes} classes are too few to tell one that stands out: give {FEWEST_CLASSES} or more."
        return "inconclusive", (reason,), ()
    if len(saturated) == len(rungs):
        reason = "Every kind of trigger reaches most classes of this model, so that none can stand out."
        return "inconclusive", (reason,), ()
    return "no evidence found", ("No class stands out from the others by any kind of trigger tried.",), ()


def saturated_rungs(searched: Searched) -> list[str]:
    """Rungs on which the median class is reached by half of the images."""
    return [
        name
        for name, found in searched.rungs.items()
        if median(each.asr.rate or 0.0 for each in found) > SATURATED_ASR
    ]
