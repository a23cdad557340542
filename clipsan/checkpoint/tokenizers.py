"""From a model configuration to its tokenizer: CLIP's own, or one that comes as `tokenizer.json`.

A `tokenizer.json` is a description that the `tokenizers` library interprets. It holds no code, but it can
make that library do anything else, so it runs in a process with bounds. What the classes of `transformers`
add to it (padding, cutting, cleaning) is done as open_clip does it.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import weakref
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
LARGEST_RULES = 4 << 20  # characters beside its words; SigLIP 2's take 0.1 MB
# bytes of address space: what the library takes by itself, and for each character of the words (measured for
# 250 000: 60 as probabilities in a trie, 12 as merges)
MEMORY, MEMORY_PER_CHARACTER, MOST_MEMORY = 256 << 20, 64, 3 << 30
SECONDS_TO_START, SECONDS_TO_PROBE, SECONDS_TO_ANSWER = 20.0, 3.0, 60.0
AT_ONCE = 256  # texts
LARGEST_ANSWER = 64 << 20  # bytes
# ordinary texts, tried before any other: what cannot take these within bounds is no tokenizer of a CLIP
PROBE = ("a photo of a cat and a dog in the old town " * 3, "Two RED apples, 3.50 each; don't touch!?")
_PADS = ("[PAD]", "<pad>", "</s>")  # where the settings name none, as those of BERT
_SEPARATORS = ("[SEP]", "</s>")

Tokenizer = Callable[[list[str]], Tensor]


class JsonTokenizer:
    """A tokenizer from `tokenizer.json`: texts -> int64 [b, context_length].

    The library runs in a process of its own, because a description can make it search for ever, take all
    memory or abort.

    Args:
        files: content by name; `tokenizer.json` and, where there are any, the settings beside it.
        text_cfg: open_clip's text configuration.
        where: the source's name, for error sentences.

    Raises:
        CheckpointError: it is broken, cannot be used within bounds, or gives tokens that the model has no
            embedding for.
    """

    def __init__(self, files: Mapping[str, bytes], text_cfg: Mapping[str, Any], where: str) -> None:
        settings: dict[str, Any] = {}
        for name in reversed(FILES[1:]):  # the later one wins
            found = parse_json(files[name], f"{where}: {name}") if name in files else {}
            settings |= found if isinstance(found, dict) else {}
        asked = text_cfg.get("tokenizer_kwargs") or {}
        self.context_length = int(text_cfg.get("context_length", 77))
        self._clean: Callable[[str], str] = get_clean_fn(asked.get("clean", "whitespace"))
        self._strip_separator = bool(asked.get("strip_sep_token"))
        self._where = where
        content = parse_json(files[TOKENIZER_NAME], f"{where}: its {TOKENIZER_NAME}")
        text = json.dumps(content)
        words = len(json.dumps(content.get("model"))) if isinstance(content, dict) else 0
        if len(text) - words > LARGEST_RULES:
            raise self._refusal(f"its rules take {(len(text) - words) / 1e6:.0f} MB beside its words")
        self._process = subprocess.Popen(
            [
                sys.executable, "-I", str(Path(__file__).with_name("tokenizer_process.py")),
                str(min(MOST_MEMORY, MEMORY + MEMORY_PER_CHARACTER * words)),
            ],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={key: value for key, value in os.environ.items() if key in ("PATH", "SYSTEMROOT")}
            | {"TOKENIZERS_PARALLELISM": "false"},
        )  # fmt: skip
        weakref.finalize(self, _stop, self._process)
        start = {
            "tokenizer": text,
            "length": self.context_length,
            "pads": [*_named(settings.get("pad_token")), *_PADS],
            "separators": [*_named(settings.get("sep_token")), *_SEPARATORS],
            "vocabulary": int(text_cfg.get("vocab_size", VOCABULARY)),
        }
        self._separator: int | None = self._ask(start, SECONDS_TO_START)["separator"]
        self._tokens(list(PROBE) * (AT_ONCE // len(PROBE)), SECONDS_TO_PROBE)

    def __call__(self, texts: str | list[str]) -> Tensor:
        listed = [self._clean(text) for text in ([texts] if isinstance(texts, str) else texts)]
        parts = [
            self._tokens(listed[at : at + AT_ONCE], SECONDS_TO_ANSWER)
            for at in range(0, len(listed), AT_ONCE)
        ]
        tokens = torch.cat(parts) if parts else torch.empty(0, self.context_length, dtype=torch.int64)
        if self._strip_separator and self._separator is not None:
            tokens[tokens == self._separator] = 0
        return tokens

    def _tokens(self, texts: list[str], seconds: float) -> Tensor:
        found = self._ask(texts, seconds)
        if any(len(ids) != self.context_length for ids in found):
            raise self._refusal(f"it gives other than {self.context_length} tokens for a text")
        return torch.tensor(found, dtype=torch.int64)

    def _ask(self, question: object, seconds: float) -> Any:
        """One line to the process and one from it, within a time."""
        waiter = threading.Timer(seconds, self._process.kill)
        waiter.start()
        try:
            stdin, stdout = self._process.stdin, self._process.stdout
            if stdin is None or stdout is None:
                raise self._refusal("its process has no pipes")
            stdin.write(json.dumps(question).encode() + b"\n")
            stdin.flush()
            line = stdout.readline(LARGEST_ANSWER)
        except (BrokenPipeError, ValueError):
            line = b""
        finally:
            waiter.cancel()
        if not line.endswith(b"\n"):
            raise self._refusal(f"it took all memory or over {seconds:g} s, or broke the tokenizers library")
        answer = json.loads(line)
        if isinstance(answer, dict) and "error" in answer:
            raise self._refusal(answer["error"])
        return answer

    def _refusal(self, reason: str) -> CheckpointError:
        return CheckpointError(f"{self._where}: its {TOKENIZER_NAME} cannot be used ({reason:.200}).")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    process.wait()


def _named(token: object) -> list[str]:
    """A special token of the settings: its text, or an object with it."""
    if isinstance(token, dict):
        token = token.get("content")
    return [token] if isinstance(token, str) else []


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
