"""Which files of a repository make up its model. Nothing else in it is ever downloaded."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from clipsan.errors import CheckpointError

CARD = "README.md"
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
INDEX_ENDING = ".index.json"
LARGEST_INDEX = 16 << 20  # bytes
LARGEST_CONFIG = 1 << 20  # bytes
MOST_SHARDS = 1000
NAMED_IN_AN_ERROR = 8
_SHARD = re.compile(r"[A-Za-z0-9][\w.-]{0,199}\.(safetensors|bin)")
_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".pkl", ".zip")


@dataclass(frozen=True)
class Layout:
    """A model in one library's form.

    Attributes:
        config: the file that says which form it is.
        weights: in the order of preference, safetensors before pickles; each may be an index of shards.
        beside: what else belongs to the model, where it is there.
    """

    config: str
    weights: tuple[str, ...]
    beside: tuple[str, ...] = ()


LAYOUTS = (
    Layout(
        "open_clip_config.json",
        (
            "open_clip_model.safetensors",
            "open_clip_pytorch_model.safetensors",
            "open_clip_pytorch_model.bin",
            "open_clip_pytorch_model.pth",
        ),
    ),
    Layout(
        "config.json",
        ("model.safetensors", "pytorch_model.bin"),
        ("preprocessor_config.json", "processor_config.json", "vocab.json", "merges.txt", *TOKENIZER),
    ),
)
CONFIGS = tuple(layout.config for layout in LAYOUTS)


def choose(names: Collection[str]) -> tuple[Layout, str] | None:
    """The first layout that is complete among these names, and its weights or their index."""
    for layout in LAYOUTS:
        files = (name + end for name in layout.weights for end in ("", INDEX_ENDING))
        weights = next((file for file in files if file in names), None)
        if layout.config in names and weights is not None:
            return layout, weights
    return None


def shard_names(index: Path) -> tuple[str, ...]:
    """The weights files that an index lists, sorted.

    Raises:
        CheckpointError: it is no index, or names something else than plain files beside it.
    """
    found = _read_json(index, LARGEST_INDEX)
    table = found.get("weight_map") if isinstance(found, dict) else None
    if not isinstance(table, dict) or not table:
        raise CheckpointError(f"{index.name} is no index of weights: it has no weight_map; get it again.")
    names = {name if isinstance(name, str) else "" for name in table.values()}
    odd = next((name for name in sorted(names) if not _SHARD.fullmatch(name)), None)
    if odd is not None or len(names) > MOST_SHARDS:
        what = f"{len(names)} files" if odd is None else f"{odd!r:.80}"
        raise CheckpointError(f"{index.name} names {what}, where plain names of weights files are expected.")
    return tuple(sorted(names))


def names_a_tokenizer(config: Path) -> bool:
    """True where an open_clip configuration asks for another tokenizer than CLIP's own."""
    try:
        found: Any = _read_json(config, LARGEST_CONFIG)
        return bool(found["model_cfg"]["text_cfg"]["hf_tokenizer_name"])
    except (CheckpointError, KeyError, TypeError):
        return False  # whatever else is wrong with it is said by whoever reads it as a configuration


def some_of(names: Collection[str]) -> str:
    """A few names for an error sentence, weights first."""
    shown = sorted(
        (name for name in names if name.isprintable() and len(name) <= 100),
        key=lambda name: (not name.endswith(_WEIGHTS), name),
    )[:NAMED_IN_AN_ERROR]
    more = len(names) - len(shown)
    return (", ".join(shown) or "no file") + (f" and {more} more" if more else "")


def beside(file: str, name: str) -> str:
    """The path of `name` in the folder of `file`."""
    return str(PurePosixPath(file).parent / name)


def _read_json(path: Path, largest: int) -> Any:
    if path.stat().st_size > largest:
        raise CheckpointError(
            f"{path.name} has more than {largest >> 20} MB, too many for what it should be."
        )
    try:
        return json.loads(path.read_bytes().decode("utf-8"))
    except (ValueError, RecursionError):
        raise CheckpointError(f"{path.name} is not JSON that can be read; get it again.") from None
