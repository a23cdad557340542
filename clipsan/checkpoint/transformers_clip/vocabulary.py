"""CLIP's tokenizer as transformers writes it, made from open_clip's, and the check of a folder's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from open_clip.tokenizer import SimpleTokenizer

from clipsan.checkpoint.transformers_clip.fields import read_object
from clipsan.errors import CheckpointError

CLIP_TOKENS = 49408
BEGIN, END = (
    49406,
    49407,
)  # ids; the names below are transformers', open_clip's are <start_of_text>, <end_of_text>
BEGIN_NAME, END_NAME = "<|startoftext|>", "<|endoftext|>"
VOCABULARY_NAME, TOKENIZER_NAME = "vocab.json", "tokenizer.json"
LARGEST = {VOCABULARY_NAME: 4 << 20, TOKENIZER_NAME: 8 << 20}  # bytes; CLIP's own have 0.9 and 2.2 to 3.7 MB


def check_vocabulary(folder: Path) -> tuple[str, ...]:
    """Require that the vocabulary in a folder, where there is one, is that of CLIP's tokenizer.

    Returns:
        Lines of evidence.

    Raises:
        CheckpointError: it is another one, so that open_clip's tokenizer would feed the model wrong tokens.
    """
    lines = []
    for name, largest in LARGEST.items():
        if not (folder / name).is_file():
            continue
        found = read_object(folder / name, largest)
        if _without_ends(_vocabulary(found, name)) != _without_ends(clip_vocabulary()):
            raise CheckpointError(
                f"{name} holds another vocabulary than CLIP's tokenizer, which clipsan reads texts with;"
                " models with a tokenizer of their own are read in open_clip's form only."
            )
        lines.append(f"vocabulary: CLIP's own, as {name} has it")
    return tuple(lines)


def tokenizer_files(context_length: int) -> dict[str, bytes]:
    """CLIP's tokenizer for transformers: file name -> content, equal in every run.

    Args:
        context_length: tokens of a text, beginning and end included; longer texts are cut there.
    """
    merges = "".join(f"{' '.join(pair)}\n" for pair in _tokenizer().bpe_ranks)
    ends = {"bos_token": BEGIN_NAME, "eos_token": END_NAME, "pad_token": END_NAME, "unk_token": END_NAME}
    config = {"tokenizer_class": "CLIPTokenizer", "processor_class": "CLIPProcessor", "errors": "replace"}
    return {
        VOCABULARY_NAME: to_json(clip_vocabulary()),
        "merges.txt": f"#version: 0.2\n{merges}".encode(),
        "special_tokens_map.json": to_json(ends),
        "tokenizer_config.json": to_json(
            config | ends | {"do_lower_case": True, "model_max_length": context_length}
        ),
    }


@lru_cache(maxsize=1)
def clip_vocabulary() -> dict[str, int]:
    """The 49408 tokens and their ids, the two ends of a text under transformers' names."""
    inner = {token: number for token, number in _tokenizer().encoder.items() if number < BEGIN}
    return inner | {BEGIN_NAME: BEGIN, END_NAME: END}


def to_json(value: Any) -> bytes:
    """JSON with sorted keys and a newline at the end; equal values give equal bytes."""
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


@lru_cache(maxsize=1)
def _tokenizer() -> Any:
    return SimpleTokenizer()


def _vocabulary(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """token -> id in a `vocab.json`, or in the model of a `tokenizer.json`; empty where it has none."""
    if name == VOCABULARY_NAME:
        return found
    model = found.get("model")
    inner = model.get("vocab") if isinstance(model, dict) else None
    return inner if isinstance(inner, dict) else {}


def _without_ends(vocabulary: Mapping[str, Any]) -> dict[str, Any]:
    """Files differ in whether they list the two ends of a text; these are fixed by the model anyway."""
    ends = {BEGIN_NAME: BEGIN, END_NAME: END}
    return {token: number for token, number in vocabulary.items() if ends.get(token) != number}
