"""open_clip folders with a tokenizer of their own, whose description a library interprets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hostile.entry import Entry, Maker
from hostile.harmless import MAKERS, TOKENIZER, TOKENIZER_NAME

KIND = "tokenizer folder"


def _file(content: str | bytes) -> Maker:
    def make(folder: Path, canary: Path) -> Path:
        path = MAKERS[KIND](folder)
        (path / TOKENIZER_NAME).write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


def _changed(**changes: Any) -> Maker:
    return _file(json.dumps(TOKENIZER | changes))


def _replace(pattern: dict[str, str], content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}


def _words(words: dict[str, int]) -> dict[str, Any]:
    return TOKENIZER["model"] | {"vocab": words}


SWELLS = {"type": "Sequence", "normalizers": [_replace({"String": "a"}, "a" * 40)] * 6}  # 4 GB for each "a"
NESTED = {"type": "Sequence", "normalizers": [SWELLS, {"type": "Sequence", "normalizers": [SWELLS]}]}
SPECIAL = {"[SEP]": {"id": "[SEP]", "ids": [1] * 1_000_000, "tokens": ["[SEP]"] * 1_000_000}}
TEMPLATE = {
    "type": "TemplateProcessing", "special_tokens": SPECIAL,
    "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
    "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
}  # fmt: skip


def _split(pattern: str) -> Maker:
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    return _changed(pre_tokenizer=split)


CASES: dict[str, Maker] = {
    "half a file": _file(json.dumps(TOKENIZER)[:100]),
    "not UTF-8": _file(b"\xff\xfe"),
    "deep JSON": _file('{"a":' * 200_000),
    "pickle": _file(b"\x80\x02cos\nsystem\n."),
    "model of no known type": _changed(model={"type": "Evil"}),
    "words by number 2^32": _changed(model=_words(TOKENIZER["model"]["vocab"] | {"a": 2**32 - 1})),
    "words that are negative": _changed(model=_words({"[PAD]": -1})),
    "no words": _changed(model=_words({})),
    "replacement that swells to gigabytes": _changed(normalizer=SWELLS),
    "replacements in sequences of sequences": _changed(normalizer=NESTED),
    "20 MB put before every text": _changed(normalizer={"type": "Prepend", "prepend": "a" * (20 << 20)}),
    "million tokens behind every text": _changed(post_processor=TEMPLATE),
    "map of characters that is none": _changed(
        normalizer={"type": "Precompiled", "precompiled_charsmap": "/////////w=="}
    ),
    "unknown words without a token": _changed(model=TOKENIZER["model"] | {"unk_token": "[NONE]"}),
    "pattern that takes for ever": _split(r"^(([a-z]|[a-c]| )+)+#"),
    "pattern with spaces in it": _split(r"(?x)^(([a-z\ ]) + .) +[0-9]$"),
    "pattern that calls a group": _split(r"(?<a>[a-z ]+)?^\g<a>+[0-9]$"),
    "pattern that calls itself": _split(r"^(?<a>(?:[a-z ]|[a-c ]\g<a>?)\g<a>?)[0-9]$"),
    "pattern that is none": _split("(((("),
}

ENTRIES = tuple(Entry(f"{KIND}: {name}", make, "tokenizer", KIND) for name, make in CASES.items())
