"""The command line that repeats a run, from the settings in its report.

Left out: what the run was given in a file's content; the hashes in the report say which files those were.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

from clipsan.report.schema import Report
from clipsan.report.wording import printable

_NO_OPTION = frozenset({"model", "out", "seed", "weight_decay", "beta1", "beta2", "eps"})
_NOT_OF_POISON = frozenset({"method", "tau", "lock", "lr_start", "captions", "poisoned_pairs"})
_JOINED = frozenset({"augment", "filter"})
LONGEST_LINE = 20_000
"""Characters; a longer line is no line to copy."""


def command_line(report: Report) -> str | None:
    """One line for a POSIX shell with every setting spelled out, also those that were not given.

    None where a setting holds characters that a line of text cannot show, or is no setting of a command.
    """
    model = report.settings.get("model")
    named = [] if model is None else [str(model)]
    made = [model.source for model in report.models if model.role != "suspect"]
    out = [("out", source) for source in made if report.command != "audit"]
    options: list[str] = []
    for name, value in (*out, *_given(report)):
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or not _is_plain(value):
            return None
        options += _option(name, value)
    if named and named[0].startswith("-"):
        words = ["clipsan", report.command, *options, "--", *named]
    else:
        words = ["clipsan", report.command, *named, *options]
    line = shlex.join(words)
    return line if printable(line, LONGEST_LINE) == line else None


def _given(report: Report) -> Iterator[tuple[str, Any]]:
    """The settings that are options of the command, and what the report keeps elsewhere."""
    settings = report.settings
    left_out = set(_NO_OPTION)
    if settings.get("steps") is not None:
        left_out.add("epochs")  # steps stand instead of them
    if report.command == "poison":
        left_out |= _NOT_OF_POISON
    if report.command == "audit":
        left_out.add("held_out")
        if settings.get("model") is None and settings.get("held_out") is not None:
            left_out.add("data")  # of the output that is audited, and found there again
    yield from ((name, value) for name, value in settings.items() if name not in left_out)
    if report.command != "poison":
        yield "max_asr", 100 * report.thresholds.max_asr
        yield "max_drop", report.thresholds.max_drop
    yield "seed", report.seed


def _is_plain(value: Any) -> bool:
    """Whether an option can hold it: one value, or a list of them."""
    each = value if isinstance(value, list | tuple) else [value]
    return not any(isinstance(item, dict | list | tuple) for item in each)


def _option(name: str, value: Any) -> list[str]:
    """`--name VALUE` for a value, once for each of a list, `--name` for true, nothing for none."""
    if value is None or value is False:
        return []
    option = "--" + name.replace("_", "-")
    if value is True:
        return [option]
    if name in _JOINED and isinstance(value, list | tuple):
        return [option, ",".join(map(str, value)) or "none"]
    words = []
    for each in value if isinstance(value, list | tuple) else [value]:
        text = f"{each:g}" if isinstance(each, float) else str(each)
        words += [f"{option}={text}"] if text.startswith("-") else [option, text]
    return words
