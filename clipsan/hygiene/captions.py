"""Captions that describe no image: without a word, a file name, an address, a notice, or in another language.

The language is the set's own: whichever most of its captions are in. A caption is dropped as foreign only on
evidence for another language and none for that one.
"""

from __future__ import annotations

import re
from collections import Counter

from clipsan.hygiene.evidence import Evidence
from clipsan.hygiene.finding import Finding
from clipsan.hygiene.languages import languages_in, script_of
from clipsan.hygiene.words import plain, words_of

MAJORITY = 0.8  # of the captions that say it: the set is of one script, or one language
FOREIGN_WORDS = 2  # of one other language, and none of the set's

_FILE_NAME = re.compile(r"\S+\.(?:jpe?g|png|gif|webp|bmp|tiff?|svg|heic)", re.IGNORECASE)
_CAMERA_NAME = re.compile(
    r"(?:img|dsc|dscn|dscf|pict?|p|photo|image|picture|screenshot|untitled|scan)[\W_]*\d[\d\W_]*",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_NOTICES = frozenset(
    {
        "image not available", "image unavailable", "no image available", "no image", "no photo",
        "photo not available", "photo unavailable", "picture not available", "no picture available",
        "not available", "content not available", "coming soon", "image coming soon", "404", "404 not found",
        "access denied", "page not found", "click to enlarge", "click for larger image", "view larger image",
        "image not found", "image", "photo",
        "picture", "img", "thumbnail", "placeholder", "untitled", "default", "logo", "icon",
        "null", "none", "undefined", "nan", "n a", "loading", "stock photo", "royalty free stock photo",
        "image 1 of 1", "alt text", "image may contain", "all rights reserved",
    }
)  # fmt: skip


def check_captions(evidence: Evidence, rows: list[int]) -> Finding:
    """Drops pairs by their captions alone."""
    captions = {row: evidence.caption(row) for row in rows}
    script = _majority(Counter(s for s in map(script_of, captions.values()) if s))
    hits = {row: languages_in(words_of(caption)) for row, caption in captions.items()}
    language = _majority(Counter(name for found in hits.values() for name in _leading(found)))
    finding = Finding(
        settings={
            "script": script,
            "language": language,
            "majority": MAJORITY,
            "foreign_words": FOREIGN_WORDS,
        }
    )
    for row, caption in captions.items():
        reason = useless(caption) or foreign(caption, hits[row], script, language)
        if reason:
            finding.drops[row] = (reason, None)
    return finding


def useless(caption: str) -> str | None:
    """Why a caption describes nothing, or None."""
    if not any(char.isalpha() for char in caption):
        return "its caption has no word"
    addresses = sum(len(found) for found in _ADDRESS.findall(caption))
    if 2 * addresses >= len(caption):
        return "its caption is an address"
    if _FILE_NAME.fullmatch(caption) or _CAMERA_NAME.fullmatch(caption):
        return "its caption is a file name"
    if plain(caption) in _NOTICES:
        return "its caption is a notice that describes nothing"
    return None


def foreign(caption: str, hits: Counter[str], script: str | None, language: str | None) -> str | None:
    """Why a caption is in another language than the set's, or None."""
    if script is not None and script_of(caption) != script:
        return "its caption is in another script than the set"
    if language is None or hits[language]:
        return None
    if any(count >= FOREIGN_WORDS for count in hits.values()):
        return "its caption is in another language than the set"
    return None


def _leading(hits: Counter[str]) -> list[str]:
    """The language that most words speak for, where it is one."""
    best = hits.most_common(2)
    return [best[0][0]] if best and (len(best) == 1 or best[0][1] > best[1][1]) else []


def _majority(counts: Counter[str]) -> str | None:
    total = sum(counts.values())
    name, count = counts.most_common(1)[0] if counts else ("", 0)
    return name if total and count >= MAJORITY * total else None
