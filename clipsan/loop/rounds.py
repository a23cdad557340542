"""The rounds of the closed loop, over any models: what is done, judged and kept. No torch here.

    outcome = close(workshop, budget, effort=3, method="par", tell=print)

A `Workshop` does the work. A model is judged by what is known of triggers so far and by a scan of itself: its
attack success is the highest that any trigger with evidence, inverted in this or an earlier round, reaches
on held-out images. What stands out in a trained model, but moves no more of the suspect's images and not most
of them, was not planted: it would have stood out there. The best model is that with the least over the
budget, then the highest accuracy.

The best of each round then serves as a reference for the suspect. Classes that stand out beside it, and of
which no trigger was known, are fought next: what a scan names stands for what was planted, which may be
stronger, so that a training must have met it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic

from clipsan.evaluation.statistics import Rate
from clipsan.loop.budget import Budget
from clipsan.loop.plan import Left, Plan, again, first_plan, stronger
from clipsan.loop.workshop import Finding, M, Workshop
from clipsan.report.found import MAJORITY
from clipsan.report.rounds import Attack, InvertedTrigger, LinePoint, Round, Step, Weakened
from clipsan.triggers import Trigger

LINE = (0.0, 0.1, 0.2, 0.3, 0.4)
"""Shares of the suspect at which the line is measured. At 0 only BatchNorm's averages are taken anew."""
MOST_REVIVED = 0.05
"""The line ends where a trigger that is no evidence succeeds by so much more than on the cleaned model."""
LEAST_WEAKENED = 0.05
"""What a later scan finds was planted where the suspect follows it by so much more, or in most images."""
UNFOUGHT = 5.0
"""Points over the budget for each class that looking back names, by what can be stamped at little cost or
survives, and of which the training knew no trigger."""
MOST_LEFT = 1 / 3
"""Of a trigger's attack success on the suspect, where looking back takes it for planted."""


@dataclass(frozen=True)
class Judged(Generic[M]):
    """A model, the round that made it, and how it was trained.

    Attributes:
        plan: None: the suspect.
        knew: the classes of which a trigger was known when it was trained.
    """

    model: M
    round: Round
    plan: Plan | None
    knew: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Outcome(Generic[M]):
    """How a loop ended.

    Attributes:
        best: the model to keep.
        known: the triggers with evidence, of all scans, and those of classes that only looking back named.
        looked_back: what stands out beside the best, and is not among the known.
        rounds: in the order they were had.
        met: whether the best is within the budget.
        words: the outcome in a sentence.
    """

    best: Judged[M]
    known: tuple[Trigger, ...]
    looked_back: tuple[Trigger, ...]
    rounds: tuple[Round, ...]
    met: bool
    words: str


def close(
    workshop: Workshop[M],
    budget: Budget,
    *,
    effort: int,
    method: str,
    may_lock: bool = True,
    tell: Callable[[str], None] = lambda text: None,
) -> Outcome[M]:
    """Go through rounds until the budget is met, or `effort` of fine-tuning are used up (at least 1).

    Args:
        workshop: does the work.
        budget: when a model is good enough.
        effort: rounds of fine-tuning at most.
        method: that the rounds fine-tune with.
        may_lock: whether the first rounds leave the text tower as it is where it is found to be clean.
        tell: hears of each round in a sentence.
    """
    loop = _Loop(workshop, budget, tell)
    loop.look_at_suspect()
    lock = may_lock and loop.texts_are_clean()
    best: Judged[M] | None = None
    plan = first_plan(method, evidence=bool(loop.known), lock=lock)
    attacked = averaged = 0
    for _ in range(effort):
        if best is not None:
            left = loop.left(best.round)
            if left.asr > 0 or left.unfought:
                plan, attacked = stronger(method, left, attacked, lock=lock), attacked + 1
            else:
                plan, averaged = again(best.plan or plan, left, averaged), averaged + 1
        made = loop.fine_tuned(plan, best)
        best = loop.better(best, made)
        if best is made and (made.round.over > 0 or made.round.drop > 0):
            best = loop.better(best, loop.interpolated(best))
        best = loop.looked_back(best)
        if best.round.over == 0:
            break
    if best is None:
        raise ValueError("a loop needs at least one round")
    return loop.outcome(best, effort)


class _Loop(Generic[M]):
    """What is known so far, and how a model is judged by it."""

    def __init__(self, workshop: Workshop[M], budget: Budget, tell: Callable[[str], None]) -> None:
        self.known: list[Trigger] = []
        self._watched: list[Trigger] = []  # of the suspect's scan, without being evidence
        self._strong: Sequence[Trigger] | None = None  # those of the kinds that are looked for last
        self._costly: set[str] = set()  # names of those that are not stamped unless they survive
        self._named_back: list[str] = []  # classes that only looking back told of, and that can be fought
        self._back: dict[int, list[Trigger]] = {}  # what stands out beside the model of a round
        self._workshop = workshop
        self._budget = budget
        self._tell = tell
        self._rounds: list[Round] = []

    def look_at_suspect(self) -> None:
        """Scan and measure the suspect: round 0."""
        start, suspect = time.perf_counter(), self._workshop.suspect()
        self._judged(suspect, None, "suspect", "as it came", "what all others are compared with", start)

    def texts_are_clean(self) -> bool:
        """Whether only images need to be cleaned, which is told."""
        clean = self._workshop.texts_are_clean()
        self._tell(
            "No token stands out on the text side: the first trainings lock the text tower"
            if clean
            else "The text side is not known to be clean: both towers are trained"
        )
        return clean

    def left(self, judged: Round) -> Left:
        """What a model is over the budget by."""
        asr, drop = self._budget.excess(judged.asr, self._budget.drop), self._budget.excess(0.0, judged.drop)
        return Left(asr, drop, judged.unfought)

    def better(self, best: Judged[M] | None, other: Judged[M] | None) -> Judged[M]:
        """The one to keep of two; a tie keeps what is there."""
        kept = other if best is None else best if other is None else min(best, other, key=_rank)
        if kept is None:
            raise ValueError("there is no model to keep")
        return kept

    def fine_tuned(self, plan: Plan, best: Judged[M] | None) -> Judged[M]:
        """One round of fine-tuning, judged."""
        began = time.perf_counter()
        against, knew = self._against(best), self._targets()
        model, settings = self._workshop.fine_tune(plan, against)
        done = f"{plan.method} from the suspect"
        if against:
            many = "1 inverted trigger" if len(against) == 1 else f"{len(against)} inverted triggers"
            done += f", {many} on {100 * plan.share:g} % of the images"
        if plan.lock:
            done += ", the text tower locked"
        if plan.averaged and best is not None:
            model = self._workshop.average(best.model, model)
            done += f", averaged with round {best.round.number}"
        return self._judged(
            model, best, "fine-tuning", done, plan.why, began, plan, knew, settings=settings, against=against
        )

    def looked_back(self, best: Judged[M]) -> Judged[M]:
        """A model, judged anew by what stands out in the suspect beside it; once for each model."""
        made = best.round
        if made.looked_back is not None:
            return best
        self._tell(f"Looking back at the suspect, beside round {made.number}")
        back = [each for each in self._workshop.look_back(best.model, self.known) if faded(each[1])]
        told = self._targets()
        new = [
            (trigger, w) for trigger, w in back
            if w.target not in told
            or (self._survives(w.cleaned) and all(trigger is not known for known in self.known))
        ]  # fmt: skip
        self._costly |= {trigger.name for trigger, weakened in new if weakened.costly}
        alive = {w.target for _, w in new if not w.costly or self._survives(w.cleaned)} - told
        attacks = tuple(Attack(trigger.name, weakened.cleaned) for trigger, weakened in new)
        self.known += [trigger for trigger, _ in new]
        self._named_back += sorted(alive)
        self._back[made.number] = [trigger for trigger, _ in back]
        asr = max(made.asr, _highest([attack.asr for attack in attacks]))
        unfought = self._unfought(best.knew)
        made = replace(
            made, attacks=(*made.attacks, *attacks), asr=asr, unfought=unfought,
            over=self._over(asr, made.drop, unfought), looked_back=tuple(weakened for _, weakened in back),
        )  # fmt: skip
        self._rounds[made.number] = made
        if unfought:
            self._tell(f"Only looking back named {', '.join(unfought)}: no training has fought that yet")
        return replace(best, round=made)

    def _survives(self, asr: Rate) -> bool:
        """Whether a trigger that succeeds so often is over the budget."""
        return (asr.rate or 0.0) > self._budget.asr

    def _targets(self) -> frozenset[str]:
        """The classes of which a trigger is known."""
        return frozenset(trigger.target for trigger in self.known if trigger.target is not None)

    def _unfought(self, knew: frozenset[str]) -> tuple[str, ...]:
        """The classes that looking back named, and of which a training knew no trigger."""
        return tuple(target for target in self._named_back if target not in knew)

    def _over(self, asr: float, drop: float, unfought: Sequence[str]) -> float:
        """By how many points a model is over the budget."""
        return self._budget.excess(asr, drop) + UNFOUGHT * len(unfought)

    def _against(self, best: Judged[M] | None) -> tuple[Trigger, ...]:
        """What is stamped: all that is known, but costly ones only where the best so far still answers."""
        alive = set()
        if best is not None:
            alive = {attack.trigger for attack in best.round.attacks if self._survives(attack.asr)}
            alive |= {found.name for found in best.round.found if found.evidence}
        return tuple(t for t in self.known if t.name not in self._costly or t.name in alive)

    def interpolated(self, best: Judged[M]) -> Judged[M] | None:
        """The best point of the line from a model to the suspect, judged; None: no point seems better.

        None as well where no trigger is known: nothing would tell how much of a backdoor a point brings back.
        """
        if not self.known:
            return None
        began = time.perf_counter()
        whose = f"round {best.round.number}"
        line = self._line(best.model)
        fit = [point for point in line if point.revived <= MOST_REVIVED]
        if not fit:
            self._tell(
                f"The line from {whose} to the suspect is not used: a trigger of its scan comes back there"
            )
            return None
        unfought = self._unfought(best.knew)
        point = min(fit, key=lambda p: (self._over(p.asr, p.drop, unfought), -p.accuracy))
        done = (
            f"{100 * point.share:g} % of the suspect's weights mixed into {whose}"
            if point.share
            else f"{whose} with BatchNorm's averages taken anew"
        )
        gain = 100 * (point.accuracy - best.round.accuracy)
        over = self._over(point.asr, point.drop, unfought)
        if (over, -gain) >= (best.round.over, 0.0):
            self._tell(f"No point of the line to the suspect is better than round {best.round.number}")
            return None
        return self._judged(
            self._workshop.between(best.model, point.share), best, "interpolation", done,
            f"to buy back accuracy: {gain:+.1f} points on the line", began, best.plan, best.knew,
            settings={"share": point.share}, line=tuple(line),
        )  # fmt: skip

    def outcome(self, best: Judged[M], effort: int) -> Outcome[M]:
        """The end, in words."""
        found = (
            f"the triggers that were found succeed on {100 * best.round.asr:.1f} % of the images at most"
            if self.known
            else "no trigger was found"
        )
        drop, went = best.round.drop, "lost" if best.round.drop >= 0 else "gained"
        at = f"on held-out data {found}, and {abs(drop):.1f} points of accuracy are {went}"
        met = best.round.over == 0
        asked = f"The budget ({self._budget.words})"
        number = best.round.number
        unfought = ", ".join(best.round.unfought)
        words = (
            f"{asked} was met by round {number}: {at}. What was planted may be stronger than what was found."
            if met
            else f"{asked} was not met within {effort} rounds of fine-tuning. Of round {number}, the best: "
            f"{at}."
        )
        if unfought:
            words += f" Looking back named {unfought}, which that model was not trained against."
        self._tell(words)
        back = [each for each in self._back[number] if all(each is not known for known in self.known)]
        return Outcome(best, tuple(self.known), tuple(back), tuple(self._rounds), met, words)

    def _judged(
        self,
        model: M,
        best: Judged[M] | None,
        step: Step,
        done: str,
        why: str,
        began: float,
        plan: Plan | None = None,
        knew: frozenset[str] = frozenset(),
        *,
        settings: dict[str, object] | None = None,
        against: Sequence[Trigger] = (),
        line: tuple[LinePoint, ...] = (),
    ) -> Judged[M]:
        """Scan and measure a model, and write its round down."""
        number = len(self._rounds)
        found = self._named(self._workshop.scan(model), number)
        if step != "suspect":
            found = self._weighed(found)
        evident = [finding for finding in found if finding.evidence]
        measures = self._workshop.measure(model, self.known)
        attacks = tuple(
            Attack(trigger.name, asr) for trigger, asr in zip(self.known, measures.asr, strict=True)
        )
        asr = _highest([attack.asr for attack in attacks] + [finding.asr for finding in evident])
        unfought = self._unfought(knew)
        over = self._over(asr, measures.drop, unfought)
        rank = (over, -measures.accuracy)
        made = Round(
            number=number, step=step, done=done, why=why, settings=dict(settings or {}),
            against=tuple(trigger.name for trigger in against),
            found=tuple(
                InvertedTrigger(
                    f.trigger.name, f.kind, f.target, f.asr, f.on_suspect, f.gain, f.z, f.evidence
                )
                for f in found
            ),
            attacks=attacks, asr=asr, accuracy=measures.accuracy, drop=measures.drop,
            drop_error=measures.error, unfought=unfought, over=over, line=line, looked_back=None,
            kept=step != "suspect" and (best is None or rank < _rank(best)),
            seconds=round(time.perf_counter() - began, 1),
        )  # fmt: skip
        self._rounds.append(made)
        self.known += [finding.trigger for finding in evident]
        if step == "suspect":
            self._watched = [finding.trigger for finding in found if not finding.evidence]
        self._costly |= {finding.trigger.name for finding in evident if finding.costly}
        self._tell(_told(made))
        return Judged(model, made, plan, knew)

    def _weighed(self, found: Sequence[Finding]) -> list[Finding]:
        """Findings of a later scan, of which only those that the suspect follows as well stay evidence."""
        evident = [finding for finding in found if finding.evidence]
        if not evident:
            return list(found)
        rates = self._workshop.measure(self._workshop.suspect(), [f.trigger for f in evident]).asr
        theirs = {finding.trigger.name: rate for finding, rate in zip(evident, rates, strict=True)}
        weighed = []
        for finding in found:
            rate = theirs.get(finding.trigger.name)
            planted = rate is not None and _planted(finding.asr, rate)
            weighed.append(replace(finding, on_suspect=rate, evidence=planted))
        return weighed

    def _named(self, found: Sequence[Finding], number: int) -> list[Finding]:
        """Findings under names that no known trigger has."""
        taken = {trigger.name for trigger in self.known}
        for finding in found:
            if finding.trigger.name in taken:
                finding.trigger.name = f"{finding.trigger.name} (round {number})"
        return list(found)

    def _line(self, cleaned: M) -> list[LinePoint]:
        """The points of the line as far as nothing comes back, and the first at which something does."""
        if self._strong is None:
            self._strong = self._workshop.strong()
        watched = [*self._watched, *self._strong]
        before = [rate.rate or 0.0 for rate in self._workshop.measure(cleaned, watched).asr]
        line: list[LinePoint] = []
        for share in LINE:
            model = self._workshop.between(cleaned, share)
            measures = self._workshop.measure(model, [*self.known, *watched])
            known, others = measures.asr[: len(self.known)], measures.asr[len(self.known) :]
            revived = max(
                ((rate.rate or 0.0) - was for rate, was in zip(others, before, strict=True)), default=0.0
            )
            made = LinePoint(share, _highest(known), max(0.0, revived), measures.accuracy, measures.drop)
            line.append(made)
            if made.revived > MOST_REVIVED:
                break
        return line


def _rank(judged: Judged[M]) -> tuple[float, float]:
    """The smaller the better."""
    return judged.round.over, -judged.round.accuracy


def _planted(now: Rate, on_suspect: Rate) -> bool:
    """Whether a trigger from the scan of a trained model looks planted, by what it does to the suspect."""
    before = on_suspect.rate or 0.0
    return before >= MAJORITY or before >= (now.rate or 0.0) + LEAST_WEAKENED


def faded(back: Weakened) -> bool:
    """Whether a cleaned model follows a trigger so much less that it looks planted; others fade less."""
    return (back.cleaned.rate or 0.0) <= MOST_LEFT * (back.suspect.rate or 0.0)


def _highest(rates: Sequence[Rate]) -> float:
    return max((rate.rate or 0.0 for rate in rates), default=0.0)


def _told(made: Round) -> str:
    evidence = [found for found in made.found if found.evidence]
    names = ", ".join(f"{found.name} ({100 * (found.asr.rate or 0):.0f} %)" for found in evidence)
    saw = f"the scan found {names}" if evidence else "the scan found no evidence"
    if made.step == "suspect":
        return f"Round 0, the suspect: {saw}"
    return (
        f"Round {made.number}, {made.done}: {saw}; attack success {100 * made.asr:.1f} %, "
        f"{made.drop:+.1f} points of accuracy lost{', kept' if made.kept else ''}"
    )
