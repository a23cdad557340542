"""Tables of what only sleeps: variations of triggers, the fine-tuned copy, and rates beside their base rates.

Rows of plain strings like those of tables.py, the first row being the header.
"""

from __future__ import annotations

from clipsan.report.durability import Variation
from clipsan.report.found import against_base
from clipsan.report.revival import looks, returned, succeeding
from clipsan.report.schema import Report
from clipsan.report.wording import percent, printable, with_interval


def base_rows(report: Report) -> list[list[str]]:
    """What each attack success rate says beside its base rate; [] if no trigger was measured."""
    rows = [["Trigger", "Model", "ASR", "Base rate", "Opposite", "So it is"]]
    for trigger in report.evaluation.triggers if report.evaluation else ():
        for role in report.roles:
            asr, base = trigger.asr.of(role), trigger.base_rate.of(role)
            said = against_base(trigger, role, report.thresholds)
            if said and asr and base:
                control = trigger.opposite.of(role)
                opposite = "" if control is None or control.rate is None else percent(control.rate)
                cells = [percent(asr.rate or 0), percent(base.rate or 0), opposite, said]
                rows.append([printable(trigger.name, 80), role, *cells])
    return rows if len(rows) > 1 else []


def variation_rows(report: Report) -> list[list[str]]:
    """The ASR of every variation, beside the same images without the trigger; [] if nothing was varied."""
    if report.evaluation is None:
        return []
    among = looks(report.evaluation)
    rows = [["Trigger", "Axis", "Value", "Model", "n", "ASR", "without it", ""]]
    for trigger in report.evaluation.triggers:
        for each in trigger.varied.variations if trigger.varied else ():
            for role in report.roles:
                asr, base = each.asr.of(role), each.base_rate.of(role)
                if asr is None:
                    continue
                alive = each in succeeding(trigger, role, report.thresholds, among)
                cells = [with_interval(asr), with_interval(base).partition(" [")[0]]
                rows.append(
                    [
                        printable(trigger.name, 80), each.axis, _value(each), role, str(asr.n), *cells,
                        "above the limit" if alive else "",
                    ]
                )  # fmt: skip
    return rows if len(rows) > 1 else []


def not_varied(report: Report) -> list[str]:
    """A sentence for each trigger of which some axes mean nothing."""
    return [
        f"Not varied of {printable(trigger.name, 80)}, as it means nothing for this trigger: "
        f"{', '.join(trigger.varied.left_out)}."
        for trigger in (report.evaluation.triggers if report.evaluation else ())
        if trigger.varied and trigger.varied.left_out
    ]


def variation_words(report: Report) -> str:
    """How the variations are to be read."""
    varied = [t.varied for t in (report.evaluation.triggers if report.evaluation else ()) if t.varied]
    if not varied or report.evaluation is None:
        return ""
    said = (
        f"Measured on {varied[0].images} of {report.evaluation.images} images, evenly spaced, with 95 % "
        "intervals. Without it: the same images without the trigger, after the same re-encoding. Above the "
        "limit: certainly, with intervals widened for the "
        f"{looks(report.evaluation)} variations looked at (Bonferroni)."
    )
    return " ".join([said, *not_varied(report)])


def persistence_rows(report: Report) -> list[list[str]]:
    """Clean accuracy and ASR before and after the benign fine-tuning; [] if there was none."""
    kept = report.evaluation.persistence if report.evaluation else None
    if kept is None or report.evaluation is None:
        return []
    names = returned(report.evaluation, report.thresholds)
    rows = [["After benign fine-tuning", "n", "before", "after", "without the trigger", ""]]
    accuracy = [with_interval(kept.accuracy_before), with_interval(kept.accuracy_after)]
    rows.append(["Clean accuracy", str(kept.accuracy_after.n), *accuracy, "", ""])
    for each in kept.triggers:
        cells = [with_interval(rate) for rate in (each.before, each.after)]
        base = with_interval(each.base_rate).partition(" [")[0]
        came_back = "comes back: suppressed" if each.name in names else ""
        rows.append(
            [f"ASR {printable(each.name, 80)}", str(each.after.n), *cells, base, came_back]
        )  # fmt: skip
    return rows


def persistence_words(report: Report) -> str:
    """What the benign fine-tuning was."""
    kept = report.evaluation.persistence if report.evaluation else None
    if kept is None:
        return ""
    return (
        f"A copy of the {kept.role} model, after {kept.steps} steps of {kept.batch_size} of the {kept.pairs} "
        f"pairs of {printable(kept.source)} with the contrastive loss alone, AdamW at {kept.lr:g} up to half "
        "of the steps and a cosine to 1e-9 after, batch norm frozen, no augmentation."
    )


def _value(each: Variation) -> str:
    return "" if each.axis == each.value else each.value
