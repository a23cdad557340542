"""Writing weights so that equal weights give equal bytes, and reading them back before saying so.

The file is laid out here instead of by safetensors' own writer, because that one orders the metadata
differently in every process and creates files that only the owner can read.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from io import BufferedWriter
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clipsan.checkpoint.build import all_finite
from clipsan.checkpoint.header import DTYPES
from clipsan.checkpoint.tensors import dtype_name, name_some
from clipsan.disk import plain_os_errors
from clipsan.errors import OutputError

PIECE = 16 << 20  # bytes written and hashed at a time
MOST_WAITING = 8  # pieces that may be in memory because they are not hashed yet
_NAMES = {dtype: name for name, dtype in DTYPES.items()}


def write_weights(
    path: Path,
    state: Mapping[str, Tensor],
    metadata: Mapping[str, str],
    dtypes: Mapping[str, torch.dtype] | None = None,
) -> str:
    """Write a safetensors file: deterministic, atomic, with the user's umask.

    Args:
        path: the file; replaced where it exists.
        state: key -> tensor of any device.
        metadata: text by name; `format: pt` is added, which transformers requires.
        dtypes: what to store each key in, cast one tensor at a time; without it, or for a key that it does
            not have, in the tensor's own.

    Returns:
        SHA-256 of the file, as hex.

    Raises:
        OutputError: a value is not finite in its dtype (the key is named), a dtype has no safetensors name,
            or the disk refuses.
    """
    stored = {key: (dtypes or {}).get(key, tensor.dtype) for key, tensor in state.items()}
    # Wide dtypes first keeps every tensor aligned; within one width the names decide.
    order = sorted(state, key=lambda key: (-stored[key].itemsize, key))
    header = _header(order, state, stored, {"format": "pt"} | dict(metadata))
    partial = path.with_name(f".{path.name}.partial-{secrets.token_hex(4)}")
    try:
        with plain_os_errors(path):
            with partial.open("xb") as file:
                digest = _write_hashed(file, _pieces(header, order, state, stored))
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return digest


def as_in_file(state: Mapping[str, Tensor], dtypes: Mapping[str, torch.dtype]) -> dict[str, Tensor]:
    """A state dict as it comes back from a file of these dtypes: rounded to them, again in float32, a copy.

    Measure a model after loading this, and the numbers are those of the file that is handed out.
    """
    rounded = {}
    for key, value in state.items():
        stored = value.detach().to("cpu", dtypes.get(key, value.dtype), copy=True)
        rounded[key] = stored.float() if stored.is_floating_point() else stored
    return rounded


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write JSON with sorted keys, indented; equal values give equal bytes."""
    with plain_os_errors(path):
        path.write_text(json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")


def _header(
    order: Iterable[str],
    state: Mapping[str, Tensor],
    stored: Mapping[str, torch.dtype],
    metadata: Mapping[str, str],
) -> bytes:
    """8 bytes of length, then sorted JSON padded with spaces to a multiple of 8."""
    entries: dict[str, Any] = {"__metadata__": dict(metadata)}
    at = 0
    for key in order:
        dtype = stored[key]
        if dtype not in _NAMES or key in entries:
            raise OutputError(f"{key} ({dtype_name(dtype)}) cannot be written as safetensors.")
        end = at + state[key].numel() * dtype.itemsize
        entries[key] = {"dtype": _NAMES[dtype], "shape": list(state[key].shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(entries, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _pieces(
    header: bytes, order: Iterable[str], state: Mapping[str, Tensor], stored: Mapping[str, torch.dtype]
) -> Iterator[memoryview]:
    yield memoryview(header)
    for key in order:
        tensor = state[key].detach().to("cpu", stored[key])
        if not all_finite(tensor):
            raise OutputError(
                f"The weights hold NaN or infinity in {name_some([key])} as {dtype_name(stored[key])}, so"
                " they were not written."
            )
        flat = tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data
        for start in range(0, len(flat), PIECE):
            yield flat[start : start + PIECE]


def _write_hashed(file: BufferedWriter, pieces: Iterable[memoryview]) -> str:
    """Write all pieces to the disk while another thread hashes them; returns SHA-256 as hex."""
    digest = hashlib.sha256()
    with ThreadPoolExecutor(1) as hasher:
        waiting: deque[Future[None]] = deque()
        for piece in pieces:
            if len(waiting) == MOST_WAITING:
                waiting.popleft().result()
            waiting.append(hasher.submit(digest.update, piece))
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    for done in waiting:
        done.result()
    return digest.hexdigest()
