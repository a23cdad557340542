"""The report of a run: its schema, its verdict, and its forms (JSON, Markdown, HTML, model card, tables).

Default use, in the code of a command:

    report = conclude(Report(command="clean", versions=..., models=..., settings=..., seed=0, ...))
    write_report(report, folder / "report.json")
    write_pages(report, folder)  # report.md and report.html
    return exit_code(report.verdict)

Nothing here imports torch.
"""

from __future__ import annotations

from clipsan.evaluation.statistics import Rate
from clipsan.report.comparison import Comparison, compare, difference_rows, measure_rows
from clipsan.report.details import class_rows, paired_rows, pull_rows, repeat_rows, retrieval_rows
from clipsan.report.durability import Persistence, Return, Variation, Varied
from clipsan.report.durability_rows import persistence_rows
from clipsan.report.html import to_html
from clipsan.report.json_file import parse_report, read_report, report_text, write_report
from clipsan.report.markdown import to_markdown
from clipsan.report.measures import (
    ClassResult,
    Paired,
    Pull,
    Pulls,
    Rates,
    Recalls,
    Repeats,
    Retrieval,
    Role,
    Shares,
    Spread,
    Standing,
)
from clipsan.report.model_card import to_model_card
from clipsan.report.pages import write_pages
from clipsan.report.profile_rows import profile_rows
from clipsan.report.record import ReportError
from clipsan.report.schema import (
    CurvePoint,
    Data,
    DroppedPair,
    DropReason,
    Evaluation,
    Filter,
    FilterCheck,
    Model,
    Profile,
    ProfilePart,
    ReachedTau,
    Report,
    SkippedItem,
    SkippedItems,
    Source,
    Thresholds,
    Training,
    TriggerResult,
    Verdict,
    json_schema,
)
from clipsan.report.suppression import stands_out, suppressed
from clipsan.report.tables import accuracy_rows, trigger_rows, verdict_lines
from clipsan.report.verdict import conclude, exit_code, judge, judged_role

__all__ = [
    "ClassResult",
    "Comparison",
    "CurvePoint",
    "Data",
    "DropReason",
    "DroppedPair",
    "Evaluation",
    "Filter",
    "FilterCheck",
    "Model",
    "Paired",
    "Persistence",
    "Profile",
    "ProfilePart",
    "Pull",
    "Pulls",
    "Rate",
    "Rates",
    "ReachedTau",
    "Recalls",
    "Repeats",
    "Report",
    "ReportError",
    "Retrieval",
    "Return",
    "Role",
    "Shares",
    "SkippedItem",
    "SkippedItems",
    "Source",
    "Spread",
    "Standing",
    "Thresholds",
    "Training",
    "TriggerResult",
    "Variation",
    "Varied",
    "Verdict",
    "accuracy_rows",
    "class_rows",
    "compare",
    "conclude",
    "difference_rows",
    "exit_code",
    "json_schema",
    "judge",
    "judged_role",
    "measure_rows",
    "paired_rows",
    "parse_report",
    "persistence_rows",
    "profile_rows",
    "pull_rows",
    "read_report",
    "repeat_rows",
    "report_text",
    "retrieval_rows",
    "stands_out",
    "suppressed",
    "to_html",
    "to_markdown",
    "to_model_card",
    "trigger_rows",
    "verdict_lines",
    "write_pages",
    "write_report",
]
