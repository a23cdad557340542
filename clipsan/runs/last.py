"""Find the last output folder, so that `audit` and `push` need not be told."""

from __future__ import annotations

from pathlib import Path

from clipsan.checkpoint.write import WEIGHTS_NAME
from clipsan.errors import UsageError
from clipsan.report import Report, ReportError, read_report


def last_output(where: Path) -> tuple[Path, Report]:
    """The newest folder directly in `where` that `clean` wrote, with its report.

    Raises:
        UsageError: there is none.
    """
    found = [path for path in where.glob("*/report.json") if (path.parent / WEIGHTS_NAME).is_file()]
    for path in sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True):
        try:
            report = read_report(path)
        except ReportError:
            continue
        if report.model("cleaned") is not None:
            return path.parent, report
    raise UsageError(
        f"no output folder of clipsan clean lies in {where.resolve()}: name a MODEL, or go to where you "
        "cleaned one"
    )
