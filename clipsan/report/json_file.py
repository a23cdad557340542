"""report.json: written whole or not at all, read as if a stranger had written it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from clipsan.report.record import Record, ReportError
from clipsan.report.schema import SCHEMA_VERSION, Report
from clipsan.report.whole_file import write_whole
from clipsan.report.wording import printable

_LARGEST_FILE = 64 << 20
_R = TypeVar("_R", bound=Record)


def report_text(report: Record) -> str:
    r"""The JSON text, keys in the order of the schema, two spaces of indent, a newline at the end.

    File names that are no Unicode (lone surrogates) are written as JSON escapes and read back the same.
    Raises ReportError for what the schema does not allow, such as a number that is not finite.
    """
    text = json.dumps(report.to_dict(), ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def write_report(report: Record, path: str | Path) -> Path:
    """Write report.json or scan.json under a temporary name beside `path`; rename it, with the user's umask.

    Raises ReportError before anything is written, OutputError if the file cannot be written.
    """
    path = Path(path)
    write_whole(path, report_text(report).encode("utf-8"))
    return path


def read_report(path: str | Path) -> Report:
    """Read and check a report.json from anywhere. Raises ReportError with one sentence."""
    return read_record(Path(path), parse_report)


def read_record(path: Path, parse: Callable[[object], _R]) -> _R:
    """Read a JSON file from anywhere and check it with `parse`. Raises ReportError with one sentence."""
    shown = printable(str(path))
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise ReportError(f"{shown} is larger than {_LARGEST_FILE >> 20} MiB, so it is no clipsan report")
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise ReportError(f"cannot read the report {shown}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ReportError(f"{shown} is no clipsan report: it is not UTF-8 text") from error
    try:
        data = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_no_constant)
        return parse(data)
    except (ValueError, RecursionError) as error:  # JSONDecodeError, or a number of too many digits
        reason = "nested too deep" if isinstance(error, RecursionError) else printable(str(error))
        raise ReportError(f"{shown} is no JSON that clipsan can read: {reason}") from error
    except ReportError as error:
        raise ReportError(f"{shown} is no valid clipsan report: {error}") from error


def parse_report(data: object) -> Report:
    """A report from the JSON value of report.json. Raises ReportError naming the first wrong place."""
    version = data.get("schema_version") if isinstance(data, dict) else None
    if isinstance(version, str) and version != SCHEMA_VERSION:
        stated = printable(version, 20)
        raise ReportError(f"its schema_version is {stated}, and this clipsan reads {SCHEMA_VERSION}")
    return Report.from_dict(data)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Readers differ in which of two equal keys wins, so a file with both could show two faces.
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice in one object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
