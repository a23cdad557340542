"""What stands behind the rates: the target's margin and rank, paired tests, classes, retrieval, repeats.

Rows of plain strings like those of tables.py, the first row being the header.
"""

from __future__ import annotations

from collections.abc import Sequence

from clipsan.report.measures import ClassResult, Paired, Rates, Recalls, Role, TextTriggerResult
from clipsan.report.schema import Report, TriggerResult
from clipsan.report.suppression import suppressed
from clipsan.report.verdict import judged_role
from clipsan.report.wording import NOT_MEASURED, percent, printable, with_interval

WORST_SHOWN = 5


def pull_rows(report: Report) -> list[list[str]]:
    """Margin and rank of the target without and with each trigger; [] if no trigger was measured."""
    rows = [["Trigger", "Model", "Target's margin", "Target's rank", "Gap closed", "Other classes", ""]]
    for trigger in report.evaluation.triggers if report.evaluation else ():
        for role in report.roles:
            pull = trigger.pull.of(role)
            if pull is None:
                continue
            before, after = pull.untriggered, pull.triggered
            rows.append(
                [
                    _name(trigger),
                    role,
                    f"{before.mean_margin:.2f} to {after.mean_margin:.2f}",
                    f"{before.mean_rank:.1f} to {after.mean_rank:.1f}",
                    _closed(pull.closed),
                    _closed(pull.closed_elsewhere),
                    "suppressed" if suppressed(trigger, role, report.thresholds) else "",
                ]
            )
    return rows if len(rows) > 1 else []


def paired_rows(report: Report) -> list[list[str]]:
    """McNemar's test of each measurement on two models; [] for one model."""
    if report.evaluation is None:
        return []
    tested: list[tuple[str, Paired | None]] = [("Clean accuracy", report.evaluation.paired)]
    tested += [(f"ASR {_name(trigger)}", trigger.paired) for trigger in report.evaluation.attacks]
    rows = [["Same images, before and after", "n", "suspect only", f"{report.roles[-1]} only", "p"]]
    rows += [
        [name, str(test.n), str(test.lost), str(test.gained), _p(test.p)] for name, test in tested if test
    ]
    return rows if len(rows) > 1 else []


def repeat_rows(report: Report) -> list[list[str]]:
    """The spread of the ASR over draws of random places; [] if there was one draw."""
    rows = [["Trigger, random places", "Draws", "Model", "mean ASR", "lowest", "highest"]]
    for trigger in report.evaluation.triggers if report.evaluation else ():
        for role in report.roles:
            spread = trigger.repeats.of(role) if trigger.repeats else None
            if trigger.repeats and spread:
                shares = (percent(share) for share in (spread.mean, spread.lowest, spread.highest))
                rows.append([_name(trigger), str(trigger.repeats.draws), role, *shares])
    return rows if len(rows) > 1 else []


def class_rows(report: Report) -> list[list[str]]:
    """The classes with the lowest recall on the judged model, and the mean; [] without labels."""
    evaluation = report.evaluation
    if evaluation is None or not evaluation.per_class:
        return []
    judged = judged_role(report)
    worst = sorted(evaluation.per_class, key=lambda each: _share(each.recall, judged))[:WORST_SHOWN]
    rows = [["Recall", "n", *report.roles]]
    means = [evaluation.mean_recall.of(role) for role in report.roles]
    rows.append(["Mean over classes", "", *(NOT_MEASURED if m is None else percent(m) for m in means)])
    for each in worst:
        rows.append([printable(each.name, 80), *recall_cells(each, report.roles)])
    return rows


def recall_cells(result: ClassResult, roles: Sequence[Role]) -> list[str]:
    """The images of one class, and its recall on each model."""
    recalls = [result.recall.of(role) for role in roles]
    counted = next((str(recall.n) for recall in recalls if recall), "")
    return [counted, *(with_interval(recall) for recall in recalls)]


def retrieval_rows(report: Report) -> list[list[str]]:
    """R@1, R@5 and R@10 in both directions; [] for labelled images."""
    found = report.evaluation.retrieval if report.evaluation else None
    if found is None:
        return []
    rows = [["Retrieval", "n", *report.roles]]
    for name, recalls in (
        ("Image to text", found.image_to_text),
        ("Text to image", found.text_to_image),
    ):
        for k, rates in _each(recalls):
            measured = [rates.of(role) for role in report.roles]
            counted = next((str(rate.n) for rate in measured if rate), None)
            if counted is not None:
                rows.append([f"{name} R@{k}", counted, *(with_interval(rate) for rate in measured)])
    return rows


def _each(recalls: Recalls) -> tuple[tuple[int, Rates], ...]:
    return ((1, recalls.at1), (5, recalls.at5), (10, recalls.at10))


def _share(recall: Rates, role: Role) -> float:
    rate = recall.of(role)
    return 1.0 if rate is None or rate.rate is None else rate.rate


def _closed(share: float | None) -> str:
    return NOT_MEASURED if share is None else f"{100 * share:.0f} %"


def _p(p: float) -> str:
    return "< 0.0001" if p < 1e-4 else f"{p:.4f}"


def _name(trigger: TriggerResult | TextTriggerResult) -> str:
    return printable(trigger.name, 80)
