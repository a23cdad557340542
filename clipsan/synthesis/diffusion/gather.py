"""From `model_index.json` to the files of a pipeline: only what the tables of `classes` call for.

The same walk serves a folder and a hub repository: `take` brings one file of it here. A model of which only
one precision is stored (`.fp16.safetensors`) is found too. Nothing is loaded and no number is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipsan.checkpoint.header import read_json
from clipsan.errors import CheckpointError, UnsafeFileError
from clipsan.synthesis.diffusion.classes import (
    CONFIG_OF,
    KINDS,
    PIPELINES,
    STEM_OF,
    TOKENIZER_JSON,
    TOKENIZER_SETTINGS,
    VOCABULARY,
    Kind,
)
from clipsan.synthesis.inert import PICKLES, read_shard_index

INDEX_NAME = "model_index.json"
LARGEST_JSON = 1 << 20  # bytes
MOST_COMPONENTS = 32
Take = Callable[[str], Path]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_VARIANT = re.compile(r"[A-Za-z0-9_]{1,20}")


@dataclass(frozen=True)
class Component:
    """One part of a pipeline: `name` is its folder, `library` and `class_name` what builds it."""

    name: str
    library: str
    class_name: str
    kind: Kind


@dataclass(frozen=True)
class PipelineIndex:
    """A checked `model_index.json`.

    Attributes:
        pipeline: diffusers' class.
        components: those that are there; parts that are null are left out.
        missing: names of the parts that are null.
        flags: its other settings, numbers and truth values only.
    """

    pipeline: str
    components: tuple[Component, ...]
    missing: tuple[str, ...]
    flags: Mapping[str, bool | int | float]


@dataclass(frozen=True)
class Gathered:
    """The files of a pipeline.

    Attributes:
        files: name in the folder that diffusers will see -> the file here.
        shards: name there of each index of shards -> its parsed content.
        variants: component -> the variant of its weights ("fp16"), where it has one.
    """

    index: PipelineIndex
    files: Mapping[str, Path]
    shards: Mapping[str, Any]
    variants: Mapping[str, str]


def read_model_index(path: Path) -> PipelineIndex:
    """Read and check a `model_index.json` that nobody vouches for.

    Raises:
        CheckpointError: it is damaged, or names a class that is not in the tables.
        UnsafeFileError: it asks for code of its own.
    """
    found = read_json(path, LARGEST_JSON, "a pipeline's index")
    if not isinstance(found, dict):
        raise CheckpointError(f"{path.name} must be a JSON object, as diffusers writes it.")
    pipeline = found.get("_class_name")
    if isinstance(pipeline, list) or found.get("custom_pipeline") or found.get("auto_map"):
        raise UnsafeFileError(
            f"{path.name} asks for a pipeline with code of its own, which is never run;"
            " choose a model that is one of diffusers' own pipelines."
        )
    if pipeline not in PIPELINES:
        raise CheckpointError(
            f"{path.name} names the pipeline {pipeline!r:.60}; clipsan loads {', '.join(PIPELINES)}."
        )
    entries = {name: value for name, value in found.items() if not name.startswith("_")}
    parts = {name: value for name, value in entries.items() if isinstance(value, list)}
    flags = {n: v for n, v in entries.items() if isinstance(v, bool | int | float) and _NAME.fullmatch(n)}
    odd = [name for name, value in entries.items() if value is not None and name not in {*parts, *flags}]
    if odd or len(parts) > MOST_COMPONENTS:
        what = repr(odd[0])[:60] if odd else f"{len(parts)} parts"
        raise CheckpointError(f"{path.name} has {what}, which cannot be right for a pipeline.")
    present = tuple(_component(n, v, path.name) for n, v in parts.items() if v != [None, None])
    return PipelineIndex(pipeline, present, tuple(n for n, v in parts.items() if v == [None, None]), flags)


def _component(name: str, value: list[Any], where: str) -> Component:
    if not _NAME.fullmatch(name):
        raise UnsafeFileError(f"{where} names the part {name!r:.80}, which is no plain folder name.")
    library, class_name = (str(each) for each in value) if len(value) == 2 else ("", "")
    kind = KINDS.get((library, class_name))
    if kind is None:
        raise CheckpointError(
            f"{where} builds its {name} by {value!r:.120}, which is not among the classes that clipsan loads;"
            " it could run code or read other files."
        )
    return Component(name, library, class_name, kind)


def gather(take: Take, names: Collection[str], variant: str | None = None) -> Gathered:
    """Bring the files of a pipeline here.

    Args:
        take: path in the folder or repository -> the file on disk.
        names: all paths there, with "/".
        variant: of the weights ("fp16"); None: the plain ones, or the only ones there are.

    Raises:
        CheckpointError: the index is damaged, a file is missing, or no part has the variant.
        UnsafeFileError: weights are only there as pickles, or the index asks for code.
    """
    if INDEX_NAME not in names:
        raise CheckpointError(f"There is no {INDEX_NAME}, so this is no pipeline of diffusers.")
    if variant is not None and not _VARIANT.fullmatch(variant):
        raise CheckpointError(f"{variant!r:.40} is no name of a variant; give one like fp16.")
    index = read_model_index(take(INDEX_NAME))
    files: dict[str, Path] = {}
    shards: dict[str, Any] = {}
    variants: dict[str, str] = {}
    for part in index.components:
        inside = {name.split("/", 1)[1] for name in names if name.startswith(f"{part.name}/")}
        for name in _small_files(part, inside):
            files[f"{part.name}/{name}"] = take(f"{part.name}/{name}")
        if part.kind in STEM_OF:
            source, chosen = _choose_weights(part, inside, variant)
            variants |= {part.name: chosen} if chosen else {}
            stem = f"{part.name}/{STEM_OF[part.kind]}.safetensors"
            if source.endswith(".safetensors"):
                files[stem] = take(f"{part.name}/{source}")
                continue
            table = read_shard_index(take(f"{part.name}/{source}"))
            shards[f"{stem}.index.json"] = {"metadata": {}, "weight_map": table}
            for shard in sorted(set(table.values())):
                if shard not in inside:
                    raise CheckpointError(f"{part.name}/{source} names {shard}, which is not there.")
                files[f"{part.name}/{shard}"] = take(f"{part.name}/{shard}")
    if variant is not None and variant not in variants.values():
        raise CheckpointError(f"No part of this pipeline has weights of the variant {variant}; leave it out.")
    return Gathered(index, files, shards, variants)


def _small_files(part: Component, inside: Collection[str]) -> list[str]:
    """Configuration and vocabulary of a part."""
    config = CONFIG_OF[part.kind]
    if config not in inside:
        raise CheckpointError(f"The part {part.name} has no {config}; get all files of the model.")
    if part.kind != "tokenizer":
        return [config]
    wanted = [config, *(name for name in (*TOKENIZER_SETTINGS, *VOCABULARY) if name in inside)]
    # a description that a library interprets is only read where there is no plain vocabulary
    if not {"vocab.json", "merges.txt"} <= set(inside) and TOKENIZER_JSON in inside:
        wanted.append(TOKENIZER_JSON)
    if len(wanted) == 1:
        raise CheckpointError(f"The part {part.name} has no vocabulary; get all files of the model.")
    return wanted


def _choose_weights(part: Component, inside: Collection[str], variant: str | None) -> tuple[str, str | None]:
    """The weights file or index of shards of a part, and its variant."""
    stem = STEM_OF[part.kind]
    found: dict[str | None, str] = {}  # variant -> file
    for name in sorted(inside):
        if match := re.fullmatch(rf"{stem}(?:\.(\w+))?\.safetensors(\.index(?:\.(\w+))?\.json)?", name):
            found.setdefault(match.group(1) or match.group(3), name)
    for wanted in (variant, None):
        if wanted in found:
            return found[wanted], wanted
    if len(found) == 1:
        return next((name, kind) for kind, name in found.items())
    if found:
        kinds = ", ".join(str(kind) for kind in found)
        raise CheckpointError(f"The part {part.name} has weights in {kinds} only; name one as the variant.")
    pickles = sorted(name for name in inside if name.endswith(PICKLES))
    if pickles:
        raise UnsafeFileError(
            f"The part {part.name} has its weights only as a pickle ({pickles[0]:.80}), which could run code,"
            " so they were not read; choose a model with safetensors."
        )
    raise CheckpointError(f"The part {part.name} has no {stem}.safetensors; get all files of the model.")
