"""Writing weights so that equal weights give equal bytes, and reading them back before saying so.

The file is laid out here instead of by safetensors' own writer, because that one orders the metadata
differently in every process and creates files that only the owner can read.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clipsan.checkpoint.config import CONFIG_NAME
from clipsan.checkpoint.header import DTYPES
from clipsan.checkpoint.load import load
from clipsan.checkpoint.output import output_folder, plain_os_errors
from clipsan.checkpoint.suspect import Suspect
from clipsan.checkpoint.tensors import dtype_name, name_some
from clipsan.errors import CheckpointError, OutputError

WEIGHTS_NAME = "open_clip_model.safetensors"
_NAMES = {dtype: name for name, dtype in DTYPES.items()}


def write_weights(path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """Write a safetensors file: deterministic, atomic, with the user's umask.

    Args:
        path: the file; replaced where it exists.
        state: key -> tensor of any device, written in its own dtype.
        metadata: text by name; `format: pt` is added, which transformers requires.

    Returns:
        SHA-256 of the file, as hex.

    Raises:
        OutputError: a value is not finite (the key is named), a dtype has no safetensors name, or the disk
            refuses.
    """
    check_finite(state)
    # Wide dtypes first keeps every tensor aligned; within one width the names decide.
    order = sorted(state, key=lambda key: (-state[key].element_size(), key))
    header = _header(order, state, {"format": "pt"} | dict(metadata))
    digest = hashlib.sha256()
    partial = path.with_name(f".{path.name}.partial-{secrets.token_hex(4)}")
    try:
        with plain_os_errors(path):
            with partial.open("xb") as file:
                for piece in _pieces(header, order, state):
                    digest.update(piece)
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return digest.hexdigest()


def write_open_clip_folder(
    folder: Path, suspect: Suspect, state: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> str:
    """Write `open_clip_model.safetensors` and `open_clip_config.json`, then read both back and compare.

    Args:
        folder: an existing folder.
        suspect: gives the configuration and each key's dtype in the source file.
        state: the model's state dict; cast to those dtypes.
        metadata: text by name, for the weights file.

    Returns:
        SHA-256 of the weights file, as hex.

    Raises:
        OutputError: other keys than the suspect's, values not finite in the file's dtype, or what was
            written does not read back equal.
    """
    differing = state.keys() ^ suspect.dtypes.keys()
    if differing:
        raise OutputError(f"The state to write and its source differ in the keys {name_some(differing)}.")
    cast = {key: t.detach().to("cpu", suspect.dtypes[key]) for key, t in state.items()}
    digest = write_weights(folder / WEIGHTS_NAME, cast, metadata)
    write_json(
        folder / CONFIG_NAME,
        {"model_cfg": copy.deepcopy(suspect.model_cfg), "preprocess_cfg": dict(suspect.preprocess_cfg)},
    )
    reload_and_compare(folder, cast)
    return digest


def reload_and_compare(folder: Path, state: Mapping[str, Tensor]) -> None:
    """Load a written folder as any checkpoint and require every tensor to be what was to be written.

    Args:
        folder: with the weights and the configuration.
        state: the tensors that the file should hold; compared in the file's dtypes, bit for bit.

    Raises:
        OutputError: the folder does not load, or a tensor differs.
    """
    try:
        again = load(folder)
    except CheckpointError as error:
        raise OutputError(f"What was written does not load again: {error}") from error
    found = again.model.state_dict()
    rounded = as_in_file(state, again.dtypes)
    differing = [key for key in rounded if key not in found or not torch.equal(rounded[key], found[key])]
    if differing or found.keys() != rounded.keys():
        keys = differing or sorted(found.keys() ^ rounded.keys())
        raise OutputError(
            f"What was written to {str(folder)!r} reads back different in {name_some(keys)}; check the disk."
        )


def as_in_file(state: Mapping[str, Tensor], dtypes: Mapping[str, torch.dtype]) -> dict[str, Tensor]:
    """A state dict as it comes back from a file of these dtypes: rounded to them, again in float32.

    Measure a model after loading this, and the numbers are those of the file that is handed out.
    """
    rounded = {}
    for key, value in state.items():
        stored = value.detach().to("cpu", dtypes.get(key, value.dtype))
        rounded[key] = stored.float() if stored.is_floating_point() else stored
    return rounded


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write JSON with sorted keys, indented; equal values give equal bytes."""
    with plain_os_errors(path):
        path.write_text(json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")


def check_finite(state: Mapping[str, Tensor]) -> None:
    """Refuse values that are not finite; the safetensors format would take them.

    Raises:
        OutputError: names the keys.
    """
    bad = [key for key, t in state.items() if not bool(torch.isfinite(t).all())]
    if bad:
        raise OutputError(f"The weights hold NaN or infinity in {name_some(bad)}, so they were not written.")


def _header(order: Iterable[str], state: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """8 bytes of length, then sorted JSON padded with spaces to a multiple of 8."""
    entries: dict[str, Any] = {"__metadata__": dict(metadata)}
    at = 0
    for key in order:
        tensor = state[key]
        if tensor.dtype not in _NAMES or key in entries:
            raise OutputError(f"{key} ({dtype_name(tensor.dtype)}) cannot be written as safetensors.")
        end = at + tensor.numel() * tensor.element_size()
        entries[key] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [at, end],
        }
        at = end
    text = json.dumps(entries, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _pieces(header: bytes, order: Iterable[str], state: Mapping[str, Tensor]) -> Iterable[bytes]:
    yield header
    for key in order:
        flat = state[key].detach().cpu().contiguous().reshape(-1)
        yield flat.view(torch.uint8).numpy().tobytes()


__all__ = [
    "WEIGHTS_NAME",
    "as_in_file",
    "check_finite",
    "output_folder",
    "reload_and_compare",
    "write_json",
    "write_open_clip_folder",
    "write_weights",
]
