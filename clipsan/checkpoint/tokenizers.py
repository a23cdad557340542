"""From a model configuration to its tokenizer: CLIP's own, or one that comes as `tokenizer.json`.

A `tokenizer.json` is a description that the `tokenizers` library interprets; it holds no code. What the
classes of `transformers` add around it (padding, cutting, cleaning) is done here, as open_clip does it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from open_clip.tokenizer import SimpleTokenizer, get_clean_fn
from torch import Tensor

from clipsan import hub
from clipsan.checkpoint.header import parse_json
from clipsan.errors import CheckpointError

VOCABULARY = 49408  # of open_clip's SimpleTokenizer
TOKENIZER_NAME = "tokenizer.json"
FILES = (TOKENIZER_NAME, "tokenizer_config.json", "special_tokens_map.json")
LARGEST_TOKENIZER = 64 << 20  # bytes; the 256 000 tokens of SigLIP 2 take 34 MB
MOST_GROWTH = 1000.0  # characters for one, over all replacements
_REPEATED_GROUP = re.compile(r"\)[*+{]")
_PADS = ("[PAD]", "<pad>", "</s>")  # where the settings name none, as those of BERT
_SEPARATORS = ("[SEP]", "</s>")

Tokenizer = Callable[[list[str]], Tensor]


class JsonTokenizer:
    """A tokenizer from `tokenizer.json`: texts -> int64 [b, context_length].

    Args:
        files: content by name; `tokenizer.json` and, where there are any, the settings beside it.
        text_cfg: open_clip's text configuration.
        where: the source's name, for error sentences.

    Raises:
        CheckpointError: it is broken, or gives tokens that the model has no embedding for.
    """

    def __init__(self, files: Mapping[str, bytes], text_cfg: Mapping[str, Any], where: str) -> None:
        self._inner = _parse(files[TOKENIZER_NAME], where)
        settings: dict[str, Any] = {}
        for name in reversed(FILES[1:]):  # the later one wins
            found = parse_json(files[name], f"{where}: {name}") if name in files else {}
            settings |= found if isinstance(found, dict) else {}
        asked = text_cfg.get("tokenizer_kwargs") or {}
        self.context_length = int(text_cfg.get("context_length", 77))
        self._clean: Callable[[str], str] = get_clean_fn(asked.get("clean", "whitespace"))
        pad = self._known(settings.get("pad_token"), _PADS)
        if pad is None:
            raise CheckpointError(f"{where}: its {TOKENIZER_NAME} has no token to pad with.")
        self._separator = self._known(settings.get("sep_token"), _SEPARATORS)
        self._strip_separator = bool(asked.get("strip_sep_token"))
        largest = max(self._inner.get_vocab(with_added_tokens=True).values(), default=-1)
        vocabulary = int(text_cfg.get("vocab_size", VOCABULARY))
        if largest >= vocabulary:
            raise CheckpointError(
                f"{where}: its {TOKENIZER_NAME} has the token {largest}, but the model only {vocabulary}"
                " embeddings; this tokenizer is of another model."
            )
        self._inner.no_padding()
        self._inner.enable_truncation(self.context_length)
        self._inner.enable_padding(
            length=self.context_length, pad_id=pad, pad_token=str(self._inner.id_to_token(pad))
        )

    def __call__(self, texts: str | list[str]) -> Tensor:
        listed = [texts] if isinstance(texts, str) else texts
        encoded = self._inner.encode_batch([self._clean(text) for text in listed])
        tokens = torch.tensor([item.ids for item in encoded], dtype=torch.int64).reshape(len(listed), -1)
        if self._strip_separator and self._separator is not None:
            tokens[tokens == self._separator] = 0
        return tokens

    def _known(self, named: object, usual: tuple[str, ...]) -> int | None:
        """The id of a special token: as the settings name it, else the first usual one there is."""
        if isinstance(named, dict):
            named = named.get("content")
        names = (named, *usual) if isinstance(named, str) else usual
        ids = (self._inner.token_to_id(name) for name in names)
        return next((number for number in ids if number is not None), None)


def make_tokenizer(
    model_cfg: Mapping[str, Any], where: str, files: Mapping[str, bytes] | None = None
) -> Tokenizer:
    """The tokenizer of a model: texts -> int64 [b, context_length].

    Args:
        model_cfg: checked open_clip model configuration.
        where: the source's name, for error sentences.
        files: what `tokenizer_files` found; not needed for CLIP's own tokenizer.

    Raises:
        CheckpointError: the model has another vocabulary than CLIP's and no `tokenizer.json` came with it.
    """
    text = model_cfg["text_cfg"]
    if files:
        return JsonTokenizer(files, text, where)
    check_vocabulary(model_cfg, where)
    clean = (text.get("tokenizer_kwargs") or {}).get("clean", "lower")
    return _clip_tokenizer(text.get("context_length", 77), clean)


@lru_cache(maxsize=8)  # its vocabulary takes a third of a second to read
def _clip_tokenizer(context_length: int, clean: str) -> Tokenizer:
    tokenizer: Tokenizer = SimpleTokenizer(context_length=context_length, clean=clean)
    return tokenizer


def check_vocabulary(model_cfg: Mapping[str, Any], where: str) -> None:
    """Require the vocabulary of CLIP's own tokenizer, or the name of another one.

    Raises:
        CheckpointError: neither.
    """
    vocabulary = model_cfg["text_cfg"].get("vocab_size", VOCABULARY)
    if vocabulary != VOCABULARY and not model_cfg["text_cfg"].get("hf_tokenizer_name"):
        raise CheckpointError(
            f"{where} has a vocabulary of {vocabulary} tokens, not the {VOCABULARY} of CLIP's tokenizer, and"
            f" names no other; put its {TOKENIZER_NAME} and {'open_clip_config.json'} with hf_tokenizer_name"
            " beside it."
        )


def tokenizer_files(model_cfg: Mapping[str, Any], folder: Path, where: str) -> tuple[dict[str, bytes], str]:
    """The files of a tokenizer that is not CLIP's own, and one line on where they are from.

    They are taken from beside the weights, else from the repository that the configuration names.

    Raises:
        CheckpointError: they are in neither place, or the hub cannot be asked.
    """
    name = model_cfg["text_cfg"].get("hf_tokenizer_name")
    if not name:
        return {}, ""
    if (folder / TOKENIZER_NAME).is_file():
        return _read(folder, where), f"tokenizer: {TOKENIZER_NAME} beside the weights"
    try:
        fetched = hub.tokenizer_files(name)
    except CheckpointError as error:
        raise CheckpointError(
            f"{where} needs the tokenizer {name}, and there is no {TOKENIZER_NAME} beside it; asking the hub:"
            f" {error}"
        ) from None
    return _read(fetched, where), f"tokenizer: {TOKENIZER_NAME} of {name} at {fetched.name}"


def _read(folder: Path, where: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for name in FILES:
        path = folder / name
        if not path.is_file():
            continue
        with path.open("rb") as file:
            found[name] = file.read(LARGEST_TOKENIZER + 1)
        if len(found[name]) > LARGEST_TOKENIZER:
            raise CheckpointError(f"{where}: {name} is above 64 MB, too large for a tokenizer.")
    return found


def _check_bounded(described: Any, where: str) -> None:
    """Refuse what would let a short text take for ever, or all memory.

    A pattern with a repeated group can make the search in it exponential, and replacements one after another
    multiply: six of 40 characters for one make 4 GB of each.

    Raises:
        CheckpointError: such a pattern, replacements that multiply too much, or no description at all.
    """
    if not isinstance(described, dict):
        raise CheckpointError(f"{where}: its {TOKENIZER_NAME} is not a JSON object.")
    growth = 1.0
    waiting: list[Any] = [
        described.get(part) for part in ("normalizer", "pre_tokenizer", "post_processor", "decoder")
    ]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part
        elif isinstance(part, dict):
            waiting += part.values()
            pattern = part.get("pattern")
            text = next(iter(pattern.values()), "") if isinstance(pattern, dict) else pattern
            if isinstance(text, str) and _REPEATED_GROUP.search(text):
                raise CheckpointError(
                    f"{where}: its {TOKENIZER_NAME} has the pattern {text!r:.80}, which repeats a group and"
                    " could take for ever."
                )
            if isinstance(text, str) and isinstance(part.get("content"), str):
                literal = isinstance(pattern, dict) and "String" in pattern
                growth *= max(1.0, len(part["content"]) / (max(1, len(text)) if literal else 1))
    if growth > MOST_GROWTH:
        raise CheckpointError(
            f"{where}: its {TOKENIZER_NAME} replaces texts by ones {growth:.3g} times as long, which could"
            " take all memory."
        )


def _parse(content: bytes, where: str) -> Any:
    from tokenizers import Tokenizer as Inner

    _check_bounded(parse_json(content, f"{where}: its {TOKENIZER_NAME}"), where)
    try:
        return Inner.from_str(content.decode("utf-8"))
    except BaseException as error:  # the library panics with an exception that is no Exception
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise CheckpointError(f"{where}: its {TOKENIZER_NAME} cannot be read ({reason:.120}).") from None
