"""What people read of a report, as files beside report.json."""

from __future__ import annotations

from pathlib import Path

from clipsan.report.html import to_html
from clipsan.report.markdown import to_markdown
from clipsan.report.picture_files import read_pictures
from clipsan.report.schema import Report
from clipsan.report.whole_file import write_whole


def write_pages(report: Report, folder: Path) -> tuple[Path, Path]:
    """Write report.md and report.html, with the pictures beside them; both are made before either is written.

    Raises OutputError if one cannot be written.
    """
    texts = {"report.md": to_markdown(report), "report.html": to_html(report, read_pictures(report, folder))}
    for name, text in texts.items():
        write_whole(folder / name, text.encode("utf-8"))
    return folder / "report.md", folder / "report.html"
