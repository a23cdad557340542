"""Find the last output folder, so that `audit` and `push` need not be told."""

from __future__ import annotations

from pathlib import Path

from clipsan.errors import UsageError
from clipsan.report import Report, ReportError, read_report


def last_output(where: Path, name: str = "a MODEL") -> tuple[Path, Report]:
    """The newest folder directly in `where` that `clean` wrote, with its report.

    Args:
        where: usually the working directory.
        name: what the command calls a folder named on its command line, for the error sentence.

    Raises:
        UsageError: there is none.
    """
    found = [path for path in where.glob("*/report.json") if any(path.parent.glob("*.safetensors"))]
    for path in sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True):
        try:
            report = read_report(path)
        except ReportError:
            continue
        if report.model("cleaned") is not None:
            return path.parent, report
    raise UsageError(
        f"no output folder of clipsan clean lies in {where.resolve()}: name {name}, or go to where you "
        "cleaned one"
    )
