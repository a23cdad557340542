"""report.html: the report as one page that needs no network and runs no script.

Made from the `Report` alone, with jinja2; the page, its style and its charts lie in `page/`. Every text goes
through `wording.printable` and is escaped by jinja2 wherever it stands; the page's Content-Security-Policy
allows its own style sheet, pictures that it holds itself, and nothing else.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from clipsan.report import page_rows as rows
from clipsan.report.charts import attack_chart, training_charts
from clipsan.report.durability_rows import variation_rows, variation_words
from clipsan.report.markdown import details, not_tested
from clipsan.report.meaning import headlines, plain_words
from clipsan.report.page_pictures import galleries, planes
from clipsan.report.pareto import pareto_picture
from clipsan.report.picture_files import Picture
from clipsan.report.reproduce import LONGEST_LINE, command_line
from clipsan.report.schema import Report
from clipsan.report.story import found_rows, loop_lines, round_rows, tuning_lines, tuning_rows
from clipsan.report.tables import accuracy_rows, model_rows, trigger_rows, verdict_lines
from clipsan.report.variation_charts import variation_charts
from clipsan.report.verdict import judged_role
from clipsan.report.wording import printable


def to_html(report: Report, pictures: Mapping[str, Picture] = MappingProxyType({})) -> str:
    """The whole report as one HTML page, ending in a newline; links only to files beside it.

    `pictures` are those of the report's examples, by name; of one that is missing the page says so.
    """
    heading, *reasons = verdict_lines(report)
    style = style_sheet("report.css")
    filtered = report.data.filter if report.data else None
    context: dict[str, Any] = {
        "report": report,
        "verdict": report.verdict.result,
        "heading": heading,
        "reasons": reasons,
        "model": report.model(judged_role(report)),
        "headlines": headlines(report),
        "meaning": list(plain_words(report)),
        "parts": _parts(report),
        "measured_on": rows.measured_on(report),
        "how_to_read": rows.how_to_read(report),
        "limits": rows.limits(report),
        "attack_chart": attack_chart(report),
        "attack_rows": trigger_rows(report),
        "accuracy_rows": accuracy_rows(report),
        "details": details(report),
        "variation_charts": variation_charts(report),
        "variation_rows": variation_rows(report),
        "variation_words": variation_words(report),
        "class_rows": rows.class_rows(report),
        "galleries": galleries(report, pictures),
        "planes": planes(report),
        "more_rows": rows.further_measures(report),
        "untested": [line.replace("`", "") for line in not_tested(report)],
        "training": list(rows.training_lines(report.training)) if report.training else [],
        "training_charts": training_charts(report.training) if report.training else [],
        "loop": list(loop_lines(report.loop)) if report.loop else [],
        "pareto": pareto_picture(report.loop) if report.loop else None,
        "round_rows": round_rows(report.loop) if report.loop else [],
        "found_rows": found_rows(report.loop) if report.loop else [],
        "tuning": list(tuning_lines(report.tuning)) if report.tuning else [],
        "tuning_rows": tuning_rows(report.tuning) if report.tuning else [],
        "filter": filtered,
        "filter_rows": rows.filter_rows(filtered) if filtered else [],
        "dropped_rows": rows.dropped_rows(filtered) if filtered else [],
        "skipped_count": rows.skipped_count(report),
        "data_lines": list(rows.data_lines(report)),
        "source_rows": rows.source_rows(report),
        "skipped_rows": rows.skipped_rows(report),
        "command": _whole(command_line(report)),
        "hash_rows": rows.hash_rows(report),
        "model_tables": [model_rows(model) for model in report.models],
        "setting_rows": rows.setting_rows(report),
        "version_rows": [["Package", "Version"], *([name, v] for name, v in report.versions.items())],
        "style": Markup(style),  # noqa: S704 a file of this package
        "style_hash": b64encode(hashlib.sha256(style.encode()).digest()).decode(),
    }
    return environment().get_template("report.html").render(context).strip() + "\n"


def _parts(report: Report) -> list[tuple[str, str]]:
    """Anchor and name of each part that this report has, in the order of the page."""
    triggers = report.evaluation.triggers if report.evaluation else ()
    parts = {
        "warnings": ("Warnings", bool(report.warnings)),
        "results": ("Results", True),
        "examples": ("Examples", any(trigger.examples.images for trigger in triggers)),
        "embeddings": ("Embeddings", bool(planes(report))),
        "variations": ("The triggers varied", _varied(report)),
        "untested": ("What was not tested", True),
        "loop": ("Closed loop", report.loop is not None),
        "training": ("Training", report.training is not None),
        "filter": ("Filter", report.data is not None and report.data.filter is not None),
        "data": ("Data", True),
        "reproduce": ("How to reproduce", True),
    }
    return [(anchor, name) for anchor, (name, there) in parts.items() if there]


def _varied(report: Report) -> bool:
    return any(trigger.varied for trigger in (report.evaluation.triggers if report.evaluation else ()))


@cache
def environment() -> Environment:
    """jinja2 over the files in `page/`: everything escaped, nothing undefined let through."""
    environment = Environment(
        loader=PackageLoader("clipsan.report", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["whole"] = _whole
    environment.filters["unbroken"] = lambda text: text.replace(" %", "\u00a0%")
    return environment


def _finalize(value: object) -> object:
    """What stands for a value in the page: one printable line, which jinja2 then escapes."""
    return value if isinstance(value, Markup) else printable(str(value), 2000)


def _whole(line: str | None) -> Markup | None:
    """A command line escaped at its full length: cut short it would be another command."""
    if line is None:
        return None
    return Markup.escape(printable(line, LONGEST_LINE))


@cache
def style_sheet(name: str) -> str:
    """A style sheet in `page/`."""
    return resources.files("clipsan.report").joinpath("page", name).read_text(encoding="utf-8")
