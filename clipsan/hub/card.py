"""What a model card (README.md) states in its front matter, read as if a stranger had written it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clipsan.hub.wanted import CARD

KEYS = ("license", "license_name", "license_link", "base_model")
LARGEST_CARD = 1 << 20  # bytes
LARGEST_FRONT_MATTER = 1 << 17  # characters; YAML's slower reader takes two seconds for them
DEEPEST = 20
LONGEST_VALUE = 200
MOST_VALUES = 5
_NOTHING = ("", "~", "null", "Null", "NULL")
_FRONT_MATTER = re.compile(r"\s*---\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|$)", re.DOTALL)


def read_card(path: Path) -> dict[str, str]:
    """Licence and base model as a model card states them; nothing is guessed.

    Args:
        path: a README.md, or the folder that may hold one.

    Returns:
        Those of `KEYS` that are short plain values; several values of one key are joined by ", ". Empty
        where there is no card, no front matter, or one that is broken, too large or uses aliases.
    """
    file = path / CARD if path.is_dir() else path
    try:
        if not file.is_file() or file.stat().st_size > LARGEST_CARD:
            return {}
        text = file.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return {}
    found = parse_front_matter(text)
    stated = {key: _plain(found.get(key)) for key in KEYS}
    return {key: value for key, value in stated.items() if value is not None}


def parse_front_matter(text: str) -> dict[str, Any]:
    """The front matter of a card: text, lists and dicts only. Empty where there is none that can be read.

    Every scalar stays text, so that nothing is converted: `license: no` is not false here.
    """
    import yaml

    match = _FRONT_MATTER.match(text)
    if match is None or len(match.group(1)) > LARGEST_FRONT_MATTER:
        return {}
    try:
        events = iter(yaml.parse(match.group(1), getattr(yaml, "CBaseLoader", yaml.BaseLoader)))
        first = next((e for e in events if isinstance(e, yaml.NodeEvent)), None)
        found = None if first is None else _value(first, events, 0)
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _value(event: Any, events: Iterator[Any], depth: int) -> Any:
    """The value that begins with an event of YAML's parser."""
    import yaml

    # A few hundred bytes of aliases can stand for more values than any memory holds.
    if depth > DEEPEST or isinstance(event, yaml.AliasEvent):
        raise yaml.YAMLError("nested too deeply, or an alias")
    if isinstance(event, yaml.ScalarEvent):
        return event.value
    items = []
    for inner in events:
        if isinstance(inner, yaml.CollectionEndEvent):
            break
        items.append(_value(inner, events, depth + 1))
    if isinstance(event, yaml.SequenceStartEvent):
        return items
    return {key: value for key, value in zip(items[::2], items[1::2], strict=False) if isinstance(key, str)}


def _plain(value: object) -> str | None:
    """A short line of text, or a few of them joined; None for anything else."""
    if isinstance(value, list) and 1 <= len(value) <= MOST_VALUES:
        parts = [_plain(item) if isinstance(item, str) else None for item in value]
        return None if None in parts else ", ".join(part for part in parts if part)
    if not isinstance(value, str) or value.strip() in _NOTHING:
        return None
    return value.strip() if value.isprintable() and len(value) <= LONGEST_VALUE else None
