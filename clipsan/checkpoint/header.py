"""The header of a safetensors file, read and checked without any library and without the tensors.

Layout (safetensors' format description): 8 bytes N, little endian; N bytes of JSON; the tensors' bytes,
without holes, which the JSON's `data_offsets` divide among the names.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clipsan.checkpoint.tensors import TensorInfo
from clipsan.errors import CheckpointError

LARGEST_HEADER = 100_000_000  # bytes; safetensors' own limit
LARGEST_OF_A_MODEL = (
    8 << 20
)  # bytes; the largest CLIP has 0.3 MB, and a million entries would take 1 GB to read
MOST_SIDES = 8
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


@dataclass(frozen=True)
class Header:
    """What a safetensors file says it holds."""

    infos: dict[str, TensorInfo]
    metadata: dict[str, str]
    begins: dict[str, int]  # the first byte of each tensor, from the start of the file


def read_header(path: Path) -> Header:
    """Read and check the header of a safetensors file.

    Raises:
        CheckpointError: truncated, larger than 100 MB, not JSON, a key twice, an unknown dtype, or offsets
            that overlap, leave holes or pass the end of the file.
    """
    size = path.stat().st_size
    if size < 8:
        raise CheckpointError(f"{path.name} has {size} bytes, too few for a safetensors file; get it again.")
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > LARGEST_HEADER:
            raise CheckpointError(
                f"{path.name}: its header claims {length} bytes, above the 100 MB that safetensors allows."
            )
        if length > size - 8:
            raise CheckpointError(
                f"{path.name} is truncated: its header claims {length} bytes of a file of {size};"
                " get the file again."
            )
        if length > LARGEST_OF_A_MODEL:
            raise CheckpointError(
                f"{path.name}: its header has {length / 1e6:.0f} MB of names and shapes, unlike any CLIP."
            )
        raw = file.read(length)
    table = parse_json(raw, path.name)
    if not isinstance(table, dict):
        raise CheckpointError(f"{path.name}: its safetensors header is not a JSON object.")
    metadata = _metadata(table.pop("__metadata__", {}), path.name)
    spans = {name: _span(name, entry, path.name) for name, entry in table.items()}
    _check_spans(spans, size - 8 - length, path.name)
    infos = {name: info for name, (info, _, _) in spans.items()}
    return Header(infos, metadata, {name: 8 + length + begin for name, (_, begin, _) in spans.items()})


def read_tensor(path: Path, header: Header, name: str) -> Tensor:
    """One tensor of a safetensors file, in memory of its own and in the file's dtype.

    Args:
        path: the file.
        header: what `read_header` gave for it.
        name: the tensor's.

    Raises:
        CheckpointError: the file became shorter, or cannot be read.
    """
    info = header.infos[name]
    tensor = torch.empty(info.shape, dtype=info.dtype)
    place = tensor.reshape(-1).view(torch.uint8).numpy().data
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(header.begins[name])
            filled = 0
            while filled < len(place) and (count := file.readinto(place[filled:])):
                filled += count
    except OSError as error:
        raise CheckpointError(f"{path.name} cannot be read ({error.strerror or error}).") from None
    if filled < len(place):
        raise CheckpointError(f"{path.name} became shorter while it was read; get the file again.")
    return tensor


def read_json(path: Path, largest: int, what: str, *, infinite: bool = False) -> Any:
    """Read and parse a small untrusted file.

    Args:
        path: a file; links are followed, as in the hub's cache, but pipes and devices are not read.
        largest: bytes above which it is refused unread.
        what: what it should be, for error sentences.
        infinite: as for `parse_json`.

    Raises:
        CheckpointError: it is no regular file, too large, unreadable or no JSON.
    """
    try:
        if not path.is_file():
            raise CheckpointError(f"{str(path)!r} is no file, and {what} is needed there.")
        with path.open("rb") as file:
            raw = file.read(largest + 1)
    except OSError as error:
        raise CheckpointError(f"{str(path)!r} cannot be read ({error.strerror or error}).") from None
    if len(raw) > largest:
        raise CheckpointError(f"{path.name} is above {largest >> 20} MB, too large for {what}.")
    return parse_json(raw, path.name, infinite=infinite)


def parse_json(raw: bytes, where: str, *, infinite: bool = False) -> Any:
    """Parse untrusted JSON: UTF-8, no key twice, no NaN, and Infinity only where `infinite` allows it.

    Raises:
        CheckpointError: anything else.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise CheckpointError(f"{where}: its JSON has the key {twice!r:.80} twice.")
        return found

    def no_constant(text: str) -> Any:
        if infinite and text != "NaN":
            return float(text)
        raise ValueError(f"{text} is not JSON")

    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=unique, parse_constant=no_constant)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else f"{error}"
        raise CheckpointError(f"{where}: its JSON cannot be read ({reason:.120}).") from None


def _metadata(found: object, where: str) -> dict[str, str]:
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise CheckpointError(f"{where}: __metadata__ in its header must map text to text.")
    return dict(found)


def _span(name: str, entry: object, where: str) -> tuple[TensorInfo, int, int]:
    """One entry of the header as (info, first byte, byte past the last)."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise CheckpointError(
            f"{where}: the entry of {name!r:.80} needs dtype, shape and data_offsets alone."
        )
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise CheckpointError(
            f"{where}: {name!r:.80} has the dtype {dtype!r:.40}, which clipsan does not read."
        )
    if not _counts(offsets, 2) or not _counts(shape, MOST_SIDES) or len(offsets) != 2:
        raise CheckpointError(f"{where}: {name!r:.80} has a shape or offsets that are not counts.")
    info = TensorInfo(tuple(shape), DTYPES[dtype])
    begin, end = offsets
    if end - begin != info.numel * info.dtype.itemsize:
        raise CheckpointError(
            f"{where}: {name!r:.80} is given {end - begin} bytes, but its shape {list(shape)} of {dtype}"
            f" takes {info.numel * info.dtype.itemsize}."
        )
    return info, begin, end


def _counts(found: object, most: int) -> bool:
    return (
        isinstance(found, list)
        and len(found) <= most
        and all(type(n) is int and 0 <= n < 2**62 for n in found)
    )


def _check_spans(spans: dict[str, tuple[TensorInfo, int, int]], data_bytes: int, where: str) -> None:
    """Every byte after the header belongs to exactly one tensor."""
    at = 0
    for name, (_, begin, end) in sorted(spans.items(), key=lambda item: item[1][1:]):
        if begin != at:
            fault = "overlaps the tensor before it" if begin < at else "leaves a hole before it"
            raise CheckpointError(f"{where}: the bytes of {name!r:.80} in the safetensors file {fault}.")
        at = end
    if at > data_bytes:
        raise CheckpointError(
            f"{where} is truncated: its tensors need {at} bytes and the file has {data_bytes}; get it again."
        )
    if at < data_bytes:
        raise CheckpointError(f"{where}: {data_bytes - at} bytes after its last tensor belong to none.")
