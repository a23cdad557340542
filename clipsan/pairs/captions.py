"""Captions and names from untrusted files, made safe to keep and to print."""

from __future__ import annotations

import codecs

from clipsan.errors import DataError

MAX_CHARACTERS = 4096
"""Longer captions are cut: no text tower reads more than a few hundred characters."""

MAX_BYTES = 64 << 10
"""How much of a caption file is read: enough for MAX_CHARACTERS of any script, and some white space."""

_CONTROL = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)], " ")


def caption_from_bytes(data: bytes) -> str:
    """The caption in the first MAX_BYTES of a caption file; DataError where there is none in UTF-8."""
    cut = len(data) >= MAX_BYTES
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        # A cut may fall inside a character, which is then left out; anywhere else it is an error.
        text = decoder.decode(data[:MAX_BYTES], final=not cut)
    except UnicodeDecodeError as error:
        raise DataError("its caption is not UTF-8") from error
    return caption_from_text(text)


def caption_from_text(text: str) -> str:
    """`text` on one line with single spaces, at most MAX_CHARACTERS; DataError where nothing is left.

    Surrogates stand for bytes that were not UTF-8 (or for a broken JSON escape).
    """
    if not is_utf8(text):
        raise DataError("its caption is not UTF-8")
    caption = " ".join(text.removeprefix("\ufeff").translate(_CONTROL).split())[:MAX_CHARACTERS].rstrip()
    if not caption:
        raise DataError("its caption is empty")
    return caption


def is_utf8(text: str) -> bool:
    """Whether `text` has no surrogates, that is, can be written as UTF-8."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def storable(text: str) -> str:
    """`text` with bytes that are not UTF-8 written as escapes, so that it can be hashed and written."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def printable(text: str, limit: int = 120) -> str:
    """`text` without characters that could steer a terminal, cut in the middle to `limit` characters."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    if len(shown) <= limit:
        return shown
    half = (limit - 1) // 2
    return f"{shown[:half]}…{shown[-half:]}"
