"""Configurations and weights of models from elsewhere, checked before a library builds anything from them.

For models that are not CLIPs (`clipsan.checkpoint` knows those by their tensors): what passes here holds no
address of code, no quantised weights, sound safetensors, and no more layers than the weights have tensors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from clipsan.checkpoint.header import parse_json, read_header, read_json
from clipsan.checkpoint.tokenizers import JsonTokenizer
from clipsan.errors import CheckpointError, UnsafeFileError

TOKENIZER, SETTINGS = "tokenizer.json", "tokenizer_config.json"
LARGEST_CONFIG = 1 << 20  # bytes
LARGEST_SHARD_INDEX = 8 << 20  # bytes
LARGEST_VOCABULARY = 64 << 20  # bytes
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
CODE_KEYS = ("auto_map", "custom_pipelines", "custom_pipeline", "trust_remote_code", "custom_generate")
"""What makes the libraries import files of the model, when they are allowed to."""

# such as attn_implementation: "org/name" makes transformers fetch a kernel from the hub and run it
_IMPLEMENTATION = re.compile(r"_implementation(?:_internal)?$")

_LAYER_KEY = re.compile(r"(?:^|_)n(?:um)?_(?:\w+_)?(?:layers?|blocks?)$|layers_per_block$|(?:^|_)depths?$")
_TOKENIZER_KEYS = re.compile(r"_files?$|_path$|^chat_template$|^processor_class$|^tokenizer_class$|^backend$")
_SHARD = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.+-]{0,200}\.safetensors")
_MOST_TOKENS = 10_000_000


def disk_files(root: Path) -> frozenset[str]:
    """All files of a folder and of the folders in it, with "/"; deeper ones are not part of any model.

    Raises:
        CheckpointError: it cannot be read.
    """
    try:
        children = [child for child in root.iterdir() if not child.name.startswith(".")]
        inner = [deeper for child in children if child.is_dir() for deeper in child.iterdir()]
        return frozenset(path.relative_to(root).as_posix() for path in (*children, *inner) if path.is_file())
    except OSError as error:
        raise CheckpointError(f"{str(root)!r} cannot be read ({error.strerror or error}).") from None


def inside(root: Path, name: str) -> Path:
    """A file of a model's folder, which must not be a link out of it.

    The hub's cache has links from `models--org--name/snapshots/commit` to `models--org--name/blobs`, and
    newer caches to `blobs` beside all repositories; those are followed.

    Raises:
        UnsafeFileError: it is a link to anywhere else.
    """
    path = root / name
    allowed = [root.resolve()]
    here = root.absolute()
    if here.parent.name == "snapshots" and here.parents[1].name.startswith("models--"):
        allowed += [here.parents[1].resolve(), here.parents[2].resolve() / "blobs"]
    if not any(path.resolve().is_relative_to(place) for place in allowed):
        raise UnsafeFileError(f"{name} is a link out of the model's folder; put the file itself there.")
    return path


def read_config(path: Path) -> dict[str, Any]:
    """A configuration without addresses of code and without quantisation.

    Raises:
        CheckpointError: damaged, or of quantised weights.
        UnsafeFileError: it names code to import.
    """
    found = read_json(path, LARGEST_CONFIG, "a configuration", infinite=True)  # bounds of schedulers are
    where = f"{path.parent.name}/{path.name}"
    if not isinstance(found, dict):
        raise CheckpointError(f"{where} must be a JSON object.")
    for key, value in _entries(found):
        if (key in CODE_KEYS and value) or (_IMPLEMENTATION.search(key) and not _plain(value)):
            raise UnsafeFileError(
                f"{where} names code of its own ({key}), which is never run; choose a model that the"
                " libraries build without it."
            )
        if key == "quantization_config" and value:
            raise CheckpointError(
                f"{where} is of quantised weights, which are not loaded; choose plain ones."
            )
    return found


def _plain(value: object) -> bool:
    """True for the name of an implementation in the library itself ("sdpa"), and where none is named."""
    return value is None or isinstance(value, bool) or (isinstance(value, str) and value.isidentifier())


def read_tokenizer_config(path: Path) -> dict[str, Any]:
    """The settings of a tokenizer, less its paths, its template (a program) and the names of its classes."""
    return {key: value for key, value in read_config(path).items() if not _TOKENIZER_KEYS.search(key)}


def read_shard_index(path: Path) -> dict[str, str]:
    """The file by key of an index of shards, plain safetensors names only.

    Raises:
        CheckpointError: damaged, or a name that is none.
    """
    found = read_json(path, LARGEST_SHARD_INDEX, "an index of weights")
    table = found.get("weight_map") if isinstance(found, dict) else None
    if not isinstance(table, dict) or not table:
        raise CheckpointError(f"{path.name} needs a weight_map, from the keys of the weights to file names.")
    for name in table.values():
        if not isinstance(name, str) or not _SHARD.fullmatch(name):
            raise CheckpointError(f"{path.name} names {name!r:.80}, where a safetensors file is expected.")
    return table


def tensor_count(weights: Iterable[Path]) -> int:
    """How many tensors safetensors files hold, after a check of every header.

    Raises:
        CheckpointError: a file is damaged or no safetensors.
    """
    return sum(len(read_header(path).infos) for path in weights)


def check_layers(config: Mapping[str, Any], tensors: int, where: str) -> None:
    """Refuse a configuration that asks for more layers than there are tensors: building it would never end.

    Raises:
        CheckpointError: it does.
    """
    for key, value in _entries(config):
        numbers = value if isinstance(value, list) else [value]
        counts = [n for n in numbers if type(n) is int] if _LAYER_KEY.search(key) else []
        if (isinstance(value, list) and len(value) > max(tensors, 64)) or any(n > tensors for n in counts):
            raise CheckpointError(
                f"{where} has {key} = {value!r:.60} and its weights only {tensors} tensors, so they do not"
                " fit each other."
            )


def check_numbers(config: Mapping[str, Any], largest: int, where: str) -> None:
    """Refuse whole numbers that would make a part without weights fill the memory.

    Raises:
        CheckpointError: one is above `largest`.
    """
    for key, value in _entries(config):
        numbers = value if isinstance(value, list) else [value]
        if any(type(number) is int and abs(number) > largest for number in numbers):
            raise CheckpointError(f"{where} has {key} = {value!r:.60}, which cannot be right.")


def read_vocabulary(path: Path) -> bytes:
    """The content of a tokenizer's file, bounded.

    Raises:
        CheckpointError: unreadable or above 64 MB.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_VOCABULARY + 1)
    except OSError as error:
        raise CheckpointError(f"{path.name} cannot be read ({error.strerror or error}).") from None
    if len(content) > LARGEST_VOCABULARY:
        raise CheckpointError(
            f"{path.name} is above {LARGEST_VOCABULARY >> 20} MB, too large for a tokenizer."
        )
    return content


def try_tokenizer(content: bytes, where: str) -> None:
    """Let a process of bounded memory and time use a `tokenizer.json` on ordinary texts first.

    Raises:
        CheckpointError: it does not stand that.
    """
    JsonTokenizer(
        {TOKENIZER: content, SETTINGS: _pad_setting(content, where)},
        {"context_length": 77, "vocab_size": _MOST_TOKENS},
        where,
    )


def _pad_setting(content: bytes, where: str) -> bytes:
    """Settings that name some token to pad with: the trial needs one, and many models have none."""
    found = parse_json(content, where)
    model = found.get("model") if isinstance(found, dict) else None
    words = model.get("vocab") if isinstance(model, dict) else None
    names: Collection[Any] = words if isinstance(words, dict) else [w[0] for w in words or () if w]
    return json.dumps({"pad_token": str(next(iter(names), ""))}).encode()


def _entries(found: object) -> Iterator[tuple[str, Any]]:
    """All keys of all objects in a JSON value, with their values."""
    left = [found]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            yield from value.items()
            left += value.values()
        elif isinstance(value, list):
            left += value
