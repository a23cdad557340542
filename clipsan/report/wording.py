"""Numbers and names as people read them, and names from files made harmless.

Class names, trigger names, paths and captions come from files that nobody checked: they may hold control
characters (which can rewrite a terminal), Markdown or HTML.
"""

from __future__ import annotations

import re
import unicodedata

from clipsan.evaluation.statistics import Rate

NOT_MEASURED = "not measured"

_LONGEST = 300
_JOINERS = "\u200c\u200d"  # needed to write Persian, Hindi and emoji, and harmless
_BACKSLASHED = re.compile(r"([\\`*_{}\[\]#~$!^])")


def printable(text: str, longest: int = _LONGEST) -> str:
    r"""One line without control, direction or surrogate characters, which become `\x1b`, `\u202e`.

    Longer texts are cut to `longest` characters, the last being an ellipsis.
    """
    if len(text) > longest:
        text = text[: longest - 1] + "…"
    return "".join(char if _is_plain(char) else _escape_of(char) for char in text)


def _is_plain(char: str) -> bool:
    return char in _JOINERS or unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def _escape_of(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def markdown(text: str, longest: int = _LONGEST) -> str:
    """Text that Markdown (also in a table cell) and HTML show as it is, nothing in it taken as markup."""
    text = _BACKSLASHED.sub(r"\\\1", printable(text, longest).strip())
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("|", "&#124;")
    # Addresses that GitHub would turn into links on its own, and names it would notify.
    text = text.replace("@", "&#64;").replace("://", "&#58;//")
    text = re.sub(r"(?i)\b(www)\.", r"\1&#46;", text)
    # At the start of a line: list items, numbered items, underlined headings.
    text = re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", text)
    return re.sub(r"^([-+=])(?![\w.])", r"\\\1", text)


def percent(share: float) -> str:
    """0.993 -> "99.3 %"."""
    return f"{100 * share:.1f} %"


def points(share: float) -> str:
    """A difference of two shares, with its sign: -0.035 -> "-3.5 points"."""
    rounded = round(100 * share, 1)
    return f"{rounded + 0.0:+.1f} points" if rounded else "0.0 points"


def with_interval(rate: Rate | None) -> str:
    """Rate(943, 950) -> "99.3 % [98.5, 99.6]"."""
    if rate is None or rate.rate is None:
        return NOT_MEASURED
    return f"{percent(rate.rate)} [{100 * rate.low:.1f}, {100 * rate.high:.1f}]"
