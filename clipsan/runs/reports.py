"""Reports that are there already: made readable again, and compared. Nothing here imports torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from clipsan.errors import UsageError
from clipsan.report import Comparison, Report, compare, read_report, write_pages
from clipsan.report.wording import printable
from clipsan.runs.last import last_output

REPORT_NAME = "report.json"


@dataclass(frozen=True)
class Rebuilt:
    """What `rebuild_report` gives back: the report as read, and the files written from it."""

    report: Report
    folder: Path
    files: tuple[Path, ...]


def rebuild_report(folder: str | Path | None = None) -> Rebuilt:
    """Write report.md and report.html again from the report.json beside them.

    Args:
        folder: of a run, or its report.json. None: the newest output folder of `clean` in the current
            folder.

    Raises:
        UsageError: there is no such folder, or it holds no report.json.
        ReportError: the report cannot be read, or is not valid; nothing was written.
        OutputError: a file cannot be written.
    """
    if folder is None:
        place, report = last_output(Path(), "a DIR")
        return Rebuilt(report, place, write_pages(report, place))
    file = report_file(folder)
    report = read_report(file)
    return Rebuilt(report, file.parent, write_pages(report, file.parent))


def diff(a: str | Path, b: str | Path) -> Comparison:
    """Compare two reports, each a folder that a run wrote, or a report.json.

    Raises:
        UsageError: one of them is not there.
        ReportError: one of them cannot be read, or is not valid.
    """
    return compare(read_report(report_file(a)), read_report(report_file(b)))


def report_file(place: str | Path) -> Path:
    """The report.json of a folder, or the file itself. Raises UsageError where there is none."""
    path = Path(place)
    if path.is_file():
        return path
    shown = printable(str(place))
    if not path.is_dir():
        raise UsageError(f"there is no folder or report.json at {shown}")
    if not (path / REPORT_NAME).is_file():
        raise UsageError(f"{shown} holds no {REPORT_NAME}: name a folder that clipsan wrote")
    return path / REPORT_NAME
