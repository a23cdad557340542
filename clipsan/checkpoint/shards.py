"""Weights that lie in several files, listed by an index: `model.safetensors.index.json` and its like.

The index comes with the checkpoint and is trusted no more than it: it can name no file outside its folder,
and it must agree with what the files hold, key for key.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from clipsan.checkpoint.header import read_json
from clipsan.checkpoint.tensors import TensorInfo, Tensors, name_some
from clipsan.errors import CheckpointError

LARGEST_INDEX = 8 << 20  # bytes; that of the largest CLIP has 0.2 MB
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.+-]{0,254}")
Plan = Sequence[tuple[str, Sequence[str]]]  # file names with their keys


def read_index(path: Path) -> dict[str, str]:
    """Read and check an index.

    Args:
        path: the index; the files it names lie beside it.

    Returns:
        The file name by key.

    Raises:
        CheckpointError: the index is damaged, names a place outside its folder, or a file that is not there.
    """
    found = read_json(path, LARGEST_INDEX, "an index of weights")
    weight_map = found.get("weight_map") if isinstance(found, dict) else None
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(f"{path.name} needs a weight_map, from the keys of the weights to file names.")
    for name in weight_map.values():
        if not isinstance(name, str) or not _PLAIN_NAME.fullmatch(name):
            raise CheckpointError(
                f"{path.name} names the file {name!r:.80}, which is no plain name in its own folder."
            )
    _check_files(path, set(weight_map.values()))
    return weight_map


def shards_of(index: Path) -> list[Path]:
    """The files that an index names, in the order of their names.

    Raises:
        CheckpointError: as `read_index`.
    """
    return [index.parent / name for name in sorted(set(read_index(index).values()))]


def open_shards(index: Path, open_one: Callable[[Path], Tensors]) -> Tensors:
    """The tensors of all files that an index names, as those of one file.

    Args:
        index: the index.
        open_one: opens one file; called once for each, in the order of their names. Numbers are read later.

    Raises:
        CheckpointError: as `read_index`, or the files and the index differ in their keys.
    """
    keys_of: defaultdict[str, set[str]] = defaultdict(set)
    for key, name in read_index(index).items():
        keys_of[name].add(key)
    infos: dict[str, TensorInfo] = {}
    shard_of: dict[str, Tensors] = {}
    for name in sorted(keys_of):
        shard = open_one(index.parent / name)
        _check_keys(keys_of[name], shard.infos, name, index.name)
        infos |= shard.infos
        shard_of |= dict.fromkeys(shard.infos, shard)
    owned = all(shard.owned for shard in shard_of.values())
    return Tensors(infos, lambda key: shard_of[key].read(key), owned)


def shard_plan(sizes: Mapping[str, int], max_bytes: int, stem: str) -> list[tuple[str, list[str]]]:
    """Divide tensors among safetensors files of at most `max_bytes`, by the order of their keys.

    Args:
        sizes: bytes by key.
        max_bytes: of one file; a larger tensor has a file of its own.
        stem: "model" gives `model.safetensors`, or `model-00001-of-00002.safetensors` and so on.

    Returns:
        File names with their keys: equal sizes give equal plans.
    """
    groups: list[list[str]] = [[]]
    filled = 0
    for key in sorted(sizes):
        if groups[-1] and filled + sizes[key] > max_bytes:
            groups.append([])
            filled = 0
        groups[-1].append(key)
        filled += sizes[key]
    if len(groups) == 1:
        return [(f"{stem}.safetensors", groups[0])]
    total = len(groups)
    return [(f"{stem}-{i:05d}-of-{total:05d}.safetensors", keys) for i, keys in enumerate(groups, 1)]


def index_json(plan: Plan, sizes: Mapping[str, int]) -> dict[str, Any]:
    """The index of a plan, in the form that transformers and huggingface_hub read; JSON-able."""
    return {
        "metadata": {"total_size": sum(sizes[key] for _, keys in plan for key in keys)},
        "weight_map": {key: name for name, keys in plan for key in keys},
    }


def _check_files(index: Path, names: set[str]) -> None:
    """Require that every file is there, and in the folder of the index or in the cache of the hub.

    The hub's cache has links in `models--org--name/snapshots/commit` to `models--org--name/blobs`, and these
    may be links to `blobs` beside all repositories. A link to anywhere else is refused: a checkpoint that was
    unpacked from an archive could point to any file of this machine.
    """
    folder = index.parent
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise CheckpointError(
            f"{index.name} names {name_some(missing)}, not found beside it; get all files of the checkpoint."
        )
    allowed = [folder.resolve()]
    if folder.absolute().parent.name == "snapshots" and folder.absolute().parents[1].name.startswith(
        "models--"
    ):
        repository = folder.absolute().parents[1].resolve()
        allowed += [repository, repository.parent / "blobs"]
    for name in sorted(names):
        target = (folder / name).resolve()
        if not any(target.is_relative_to(place) for place in allowed):
            raise CheckpointError(
                f"{name} beside {index.name} is a link out of its folder; put the file itself there."
            )


def _check_keys(named: set[str], found: Mapping[str, TensorInfo], shard: str, index: str) -> None:
    """Require that a file holds what the index says, and no more."""
    missing, unexpected = named - found.keys(), found.keys() - named
    faults = {
        f"lacks {name_some(missing)}": missing,
        f"holds the unexpected {name_some(unexpected)}": unexpected,
    }
    listed = " and ".join(fault for fault, keys in faults.items() if keys)
    if listed:
        raise CheckpointError(f"{shard} does not fit {index}: it {listed}; get both again.")
