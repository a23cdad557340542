"""The first screen of report.html: three numbers and what they mean, for somebody who reads nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from clipsan.evaluation.statistics import Rate
from clipsan.report.measures import Rates, Role, TextTriggerResult
from clipsan.report.revival import revivals
from clipsan.report.schema import Evaluation, Report, TriggerResult
from clipsan.report.verdict import judged_role
from clipsan.report.wording import NOT_MEASURED, percent, printable, with_interval

_NEXT = {
    "pass": "No evidence found is not proof: a backdoor answers to its own trigger, and nothing here speaks "
    "of triggers that were not measured.",
    "inconclusive": "These numbers support no verdict: treat the model as you treated the suspect until the "
    "reasons above are dealt with.",
}
_ALIVE = "Do not use this model where somebody else can choose its images."
_SLEEPS = (
    "The backdoor sleeps: the trigger as given no longer works, but a change of it or a little more training "
    "wakes it. Clean the model again, longer or at a higher learning rate."
)
_ALIVE_IN_TEXT = "Do not use this model where somebody else can choose its captions or queries."
_LOST = (
    "The model lost too much of what it could do: clean it again, with more pairs or a lower learning rate."
)

_Attack = TriggerResult | TextTriggerResult


@dataclass(frozen=True)
class Headline:
    """One of the three numbers: what it is, the number, its interval, and the same of the suspect."""

    label: str
    value: str
    interval: str
    note: str


def headlines(report: Report) -> tuple[Headline, Headline, Headline]:
    """Attack success rate and base rate of the worst trigger, and the clean accuracy."""
    evaluation, role = report.evaluation, judged_role(report)
    accuracy = "Clean accuracy"
    if evaluation is not None and evaluation.kind == "retrieval":
        accuracy = "Image-to-text R@1"
    nothing = Rates(None, None)
    worst = worst_trigger(evaluation, role)
    which = ""
    if worst is not None and evaluation is not None:
        many = len(evaluation.attacks)
        which = f"{quoted(worst.name)}, the highest of {many} triggers" if many > 1 else quoted(worst.name)
    return (
        _headline("Attack success rate", worst.asr if worst else nothing, role, which),
        _headline("The same without the trigger", worst.base_rate if worst else nothing, role, ""),
        _headline(accuracy, evaluation.clean_accuracy if evaluation else nothing, role, ""),
    )


def worst_trigger(evaluation: Evaluation | None, role: Role) -> _Attack | None:
    """The trigger that the model answers to most often; None: no trigger was measured on it."""
    measured = [
        trigger
        for trigger in (evaluation.attacks if evaluation else ())
        if (asr := trigger.asr.of(role)) is not None and asr.rate is not None
    ]
    return max(measured, key=lambda trigger: _share(trigger.asr.of(role)), default=None)


def plain_words(report: Report) -> Iterator[str]:
    """What the verdict means, in sentences."""
    role = judged_role(report)
    worst = worst_trigger(report.evaluation, role)
    if worst is not None:
        yield _of_trigger(worst, role)
    if report.evaluation is not None:
        yield from _of_accuracy(report.evaluation, role)
    if report.verdict.result == "fail":
        limit = report.thresholds.max_asr
        if worst is not None and _share(worst.asr.of(role)) > limit:
            yield _ALIVE_IN_TEXT if isinstance(worst, TextTriggerResult) else _ALIVE
        else:
            yield _SLEEPS if list(revivals(report.evaluation, role, report.thresholds)) else _LOST
    else:
        yield _NEXT[report.verdict.result]


def quoted(name: str) -> str:
    """A name from a file, in quotation marks."""
    return f"“{printable(name, 80)}”"


def _of_trigger(trigger: _Attack, role: Role) -> str:
    if isinstance(trigger, TextTriggerResult):
        return _of_text_trigger(trigger, role)
    target = quoted(trigger.target) if trigger.target is not None else "its target"
    said = (
        f"Shown images of something else with the trigger {quoted(trigger.name)} in them, the {role} model "
        f"calls {percent(_share(trigger.asr.of(role)))} of them {target}"
    )
    before, base = trigger.asr.suspect, trigger.base_rate.of(role)
    if role != "suspect" and before is not None and before.rate is not None:
        said += f", where the suspect called {percent(before.rate)} of them so"
    if base is not None and base.rate is not None:
        said += f"; without the trigger it calls {percent(base.rate)} of the same images so"
    return said + "."


def _of_text_trigger(trigger: TextTriggerResult, role: Role) -> str:
    said = (
        f"Asked for something else with the text trigger {quoted(trigger.name)} in the query, the {role} "
        f"model finds mostly images of {quoted(trigger.target)} in "
        f"{percent(_share(trigger.asr.of(role)))} of cases"
    )
    before, base = trigger.asr.suspect, trigger.base_rate.of(role)
    if role != "suspect" and before is not None and before.rate is not None:
        said += f", where the suspect did in {percent(before.rate)}"
    if base is not None and base.rate is not None:
        said += f"; without the trigger it does in {percent(base.rate)}"
    return said + "."


def _of_accuracy(evaluation: Evaluation, role: Role) -> Iterator[str]:
    after, before = evaluation.clean_accuracy.of(role), evaluation.clean_accuracy.suspect
    if after is None or after.rate is None:
        return
    what = "names the right class of" if evaluation.kind == "zero-shot" else "finds the right caption of"
    said = f"Of ordinary images, the {role} model {what} {percent(after.rate)}"
    if role != "suspect" and before is not None and before.rate is not None:
        said += f"; the suspect did so for {percent(before.rate)}"
    yield said + "."


def _headline(label: str, rates: Rates, role: Role, which: str) -> Headline:
    value, _, interval = with_interval(rates.of(role)).partition(" [")
    notes = [which] if which else []
    before = with_interval(rates.suspect)
    if role != "suspect" and before != NOT_MEASURED:
        notes.append(f"suspect {before}")
    return Headline(label, value, f"[{interval}" if interval else "", "; ".join(notes))


def _share(rate: Rate | None) -> float:
    return 0.0 if rate is None or rate.rate is None else rate.rate
