"""The rows that terminal, Markdown and page share: lists of plain strings, the first row being the header.

Names in them are printable but not escaped for any markup; rich must get them as `Text`, not as markup.
"""

from __future__ import annotations

from clipsan.evaluation.statistics import Rate
from clipsan.report.measures import Rates, TextTriggerResult
from clipsan.report.schema import Model, Report, TriggerResult
from clipsan.report.verdict import judged_role
from clipsan.report.wording import NOT_MEASURED, points, printable, with_interval

_HEADINGS = {
    "pass": "PASS: no evidence found of a backdoor with the measured triggers",
    "fail": "FAIL",
    "inconclusive": "INCONCLUSIVE",
}
_POISONED = "FAIL: poisoned on purpose"


def verdict_lines(report: Report) -> list[str]:
    """The verdict, then a line for each reason."""
    heading = _POISONED if judged_role(report) == "poisoned" else _HEADINGS[report.verdict.result]
    return [heading, *(printable(r, 2000) for r in report.verdict.reasons)]


def model_rows(model: Model) -> list[list[str]]:
    """Everything known of a model; the header names its role."""
    facts = {
        "Source": model.source,
        "Format": model.format,
        "Weights": model.path,
        "SHA-256": model.sha256,
        "Repository": model.repository or "none",
        "Revision": model.revision or "none",
        "Architecture": model.architecture,
        "Activation": model.activation,
        "Stored as": model.dtype,
    }
    rows = [["", model.role], *([name, value] for name, value in facts.items())]
    rows += [["Inferred", item] for item in model.evidence]
    rows += [["Metadata", f"{key} = {value}"] for key, value in model.metadata.items()]
    return rows + [["Its card says", f"{key}: {value}"] for key, value in model.card.items()]


def accuracy_rows(report: Report) -> list[list[str]]:
    """Clean accuracy per model, with the change in points if there are two; [] if nothing was evaluated."""
    if report.evaluation is None:
        return []
    zero_shot = report.evaluation.kind == "zero-shot"
    names = ("Clean accuracy", "Top-5") if zero_shot else ("Image-to-text R@1", "R@5")
    both = len(report.roles) == 2
    rows = [["", "n", *report.roles, *(["change"] if both else [])]]
    measured = zip(names, (report.evaluation.clean_accuracy, report.evaluation.top5), strict=True)
    for name, rates in measured:
        if all(rates.of(role) is None for role in report.roles) and name != names[0]:
            continue
        row = [name, _images(report, rates), *(with_interval(rates.of(role)) for role in report.roles)]
        rows.append([*row, _change(rates)] if both else row)
    return rows


def trigger_rows(report: Report) -> list[list[str]]:
    """Attack success rate per trigger and model; [] if no trigger was measured.

    The last column is the judged model's base rate: the target's share on the same, untriggered.
    """
    if report.evaluation is None or not report.evaluation.attacks:
        return []
    judged = judged_role(report)
    rows = [["Trigger", "Target", "n", *(f"ASR {role}" for role in report.roles), "base rate"]]
    for trigger in report.evaluation.attacks:
        rates = [with_interval(trigger.asr.of(role)) for role in report.roles]
        base = _share_only(trigger.base_rate.of(judged))
        counted = _images(report, trigger.asr)
        if isinstance(trigger, TextTriggerResult) and counted:
            counted += " queries"
        rows.append([printable(trigger.name, 80), _target(trigger), counted, *rates, base])
    return rows


def _images(report: Report, rates: Rates) -> str:
    """How many images were counted: one number where it is the same for both models."""
    counts = [rate.n for role in report.roles if (rate := rates.of(role)) is not None]
    return " / ".join(str(count) for count in dict.fromkeys(counts))


def _target(trigger: TriggerResult | TextTriggerResult) -> str:
    if trigger.target is None:
        return "none found"
    return printable(trigger.target, 80) + ("" if trigger.target_given else " (found)")


def _change(rates: Rates) -> str:
    before, after = rates.suspect, rates.after
    if before is None or after is None or before.rate is None or after.rate is None:
        return NOT_MEASURED
    return points(after.rate - before.rate)


def _share_only(rate: Rate | None) -> str:
    return with_interval(rate).partition(" [")[0]
