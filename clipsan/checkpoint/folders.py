"""Writing a model as a folder of open_clip, of transformers, or of both, and reading it back.

Default use:

    written = write_folder(folder, suspect, state, {"method": "par"}, ("open_clip",))
"""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor

from clipsan.checkpoint.config import CONFIG_NAME
from clipsan.checkpoint.formats import Weights, read_family
from clipsan.checkpoint.opened import files_digest
from clipsan.checkpoint.shards import index_json, shard_plan
from clipsan.checkpoint.skeleton import check_fit
from clipsan.checkpoint.suspect import Family, Suspect
from clipsan.checkpoint.tensors import name_some
from clipsan.checkpoint.transformers_clip import check_expressible, companion_files, from_open_clip
from clipsan.checkpoint.write import write_json, write_weights
from clipsan.disk import plain_os_errors
from clipsan.errors import CheckpointError, OutputError, UsageError

WEIGHTS_NAME = "open_clip_model.safetensors"
TRANSFORMERS_STEM = "model"
LARGEST_SHARD = 5_000_000_000  # bytes; the hub's advice, and where transformers begins to split
FORMATS = ("same", "open_clip", "transformers", "both")
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Written:
    """A folder on disk: its first family, and that one's weights file (or index) with its SHA-256."""

    families: tuple[Family, ...]
    weights: Path
    sha256: str


def families_of(format: str, suspect: Suspect) -> tuple[Family, ...]:
    """Which layouts `--format` asks for, the suspect's own first.

    Raises:
        UsageError: an unknown format, or transformers has no such CLIP.
    """
    if format not in FORMATS:
        raise UsageError(f"The format {format!r:.40} is unknown; give {', '.join(FORMATS)}.")
    asked: tuple[Family, ...] = ("open_clip", "transformers")
    if format == "same":
        asked = (suspect.family,)
    elif format != "both":
        asked = ("open_clip",) if format == "open_clip" else ("transformers",)
    elif suspect.family == "transformers":
        asked = ("transformers", "open_clip")
    if "transformers" in asked:
        check_expressible(suspect.model_cfg, suspect.preprocess_cfg)
    return asked


def stored_as(suspect: Suspect, dtype: str) -> dict[str, torch.dtype]:
    """The dtype to store each key in: that of the source with "keep", else the one asked for.

    Counters stay whole numbers.

    Raises:
        UsageError: an unknown dtype.
    """
    if dtype == "keep":
        return dict(suspect.dtypes)
    if dtype not in DTYPES:
        raise UsageError(f"The dtype {dtype!r:.40} is unknown; give keep, {', '.join(DTYPES)}.")
    return {key: DTYPES[dtype] if kept.is_floating_point else kept for key, kept in suspect.dtypes.items()}


def write_folder(
    folder: Path,
    suspect: Suspect,
    state: Mapping[str, Tensor],
    metadata: Mapping[str, str],
    families: Sequence[Family] = ("open_clip",),
    largest_shard: int = LARGEST_SHARD,
) -> Written:
    """Write weights, configuration and what else belongs to the model, then read all back and compare.

    Args:
        folder: an existing folder.
        suspect: gives the configuration, the tokenizer's files and each key's dtype to store.
        state: the model's state dict, by open_clip's keys; cast to those dtypes.
        metadata: text by name, for the weights files.
        families: the layouts to write, one or both.
        largest_shard: bytes above which transformers' weights are split. open_clip reads one file only.

    Raises:
        OutputError: other keys than the suspect's, values not finite in the stored dtype, or what was
            written does not read back equal.
    """
    differing = state.keys() ^ suspect.dtypes.keys()
    if differing:
        raise OutputError(f"The state to write and its source differ in the keys {name_some(differing)}.")
    main: Written | None = None
    for family in families:
        write = _write_open_clip if family == "open_clip" else _write_transformers
        weights, digest = write(folder, suspect, state, metadata, largest_shard)
        reload_and_compare(folder, state, suspect.dtypes, family)
        main = main or Written(tuple(families), weights, digest)
    if main is None:
        raise UsageError("No format to write was given.")
    return main


def reload_and_compare(
    folder: Path,
    state: Mapping[str, Tensor],
    dtypes: Mapping[str, torch.dtype] = MappingProxyType({}),
    family: Family = "open_clip",
) -> None:
    """Read a written folder as any checkpoint and require every tensor to be what was to be written.

    One tensor at a time is in memory beside the state.

    Args:
        folder: with the weights and the configuration.
        state: what the file should hold, by open_clip's keys.
        dtypes: what each key is stored in, else in its own; compared in those, bit for bit.
        family: which of the folder's layouts to read.

    Raises:
        OutputError: the folder does not read, or a tensor differs.
    """
    try:
        again = read_family(folder, family)
        _check_builds(again)
        differing = [
            key for key, tensor in state.items()
            if key not in again.tensors.infos
            or not _same(again.tensors.read(key), tensor.detach().to("cpu", dtypes.get(key, tensor.dtype)))
        ]  # fmt: skip
    except CheckpointError as error:
        raise OutputError(f"What was written does not load again: {error}") from error
    if differing or again.tensors.infos.keys() != state.keys():
        keys = differing or sorted(again.tensors.infos.keys() ^ state.keys())
        raise OutputError(
            f"What was written to {str(folder)!r} reads back different in {name_some(keys)}; check the disk."
        )


def _same(found: Tensor, wanted: Tensor) -> bool:
    """Bit for bit; a scalar in either of its two shapes, as transformers knows `logit_scale` as [] only."""
    return torch.equal(found, wanted.reshape(found.shape) if wanted.numel() == found.numel() == 1 else wanted)


def _check_builds(weights: Weights) -> None:
    """Require that the written configuration and the written shapes are of one model."""
    if weights.config is None:
        raise CheckpointError(f"{weights.path.name} has no configuration beside it.")
    where = weights.path.name
    check_fit(weights.config.model_cfg, weights.tensors.infos, where)


def _write_open_clip(
    folder: Path, suspect: Suspect, state: Mapping[str, Tensor], metadata: Mapping[str, str], _: int
) -> tuple[Path, str]:
    path = folder / WEIGHTS_NAME
    digest = write_weights(path, state, metadata, suspect.dtypes)
    write_json(
        folder / CONFIG_NAME,
        {"model_cfg": copy.deepcopy(suspect.model_cfg), "preprocess_cfg": dict(suspect.preprocess_cfg)},
    )
    for name, content in suspect.tokenizer_files.items():
        _write_bytes(folder / name, _without_code(content) if name != "tokenizer.json" else content)
    return path, digest


def _write_transformers(
    folder: Path, suspect: Suspect, state: Mapping[str, Tensor], metadata: Mapping[str, str], largest: int
) -> tuple[Path, str]:
    renamed = from_open_clip(state, suspect.dtypes)
    sizes = {key: tensor.numel() * tensor.element_size() for key, tensor in renamed.items()}
    plan = shard_plan(sizes, largest, TRANSFORMERS_STEM)
    for name, keys in plan:
        digest = write_weights(folder / name, {key: renamed[key] for key in keys}, metadata)
    path = folder / plan[0][0]
    if len(plan) > 1:
        path = folder / f"{TRANSFORMERS_STEM}.safetensors.index.json"
        write_json(path, index_json(plan, sizes))
        digest = files_digest([folder / name for name, _ in plan])
    stored = Counter(tensor.dtype for tensor in renamed.values() if tensor.is_floating_point())
    dtype = stored.most_common(1)[0][0]
    for name, content in companion_files(suspect.model_cfg, suspect.preprocess_cfg, dtype).items():
        _write_bytes(folder / name, content)
    return path, digest


def _without_code(content: bytes) -> bytes:
    """A tokenizer's settings without `auto_map`, which names program code in the source's repository."""
    found = json.loads(content)
    found = (
        {key: value for key, value in found.items() if key != "auto_map"} if isinstance(found, dict) else {}
    )
    return (json.dumps(found, indent=2, sort_keys=True) + "\n").encode()


def _write_bytes(path: Path, content: bytes) -> None:
    with plain_os_errors(path):
        path.write_bytes(content)
