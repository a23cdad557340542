"""Named tensors in a file that is not in memory yet: their shapes first, their numbers one at a time.

Shapes are compared with the architecture before any number is read, and reading one tensor at a time
keeps the peak memory of a load at the file plus one float32 copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from clipsan.errors import CheckpointError

MOST_NAMED = 10
WRAPPERS = ("module.", "_orig_mod.")


@dataclass(frozen=True)
class TensorInfo:
    """What a file says of one tensor."""

    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def numel(self) -> int:
        count = 1
        for side in self.shape:
            count *= side
        return count


@dataclass(frozen=True)
class Tensors:
    """The tensors of one weights file.

    Args:
        infos: shape and dtype by key.
        read: returns one tensor by its key, on the CPU, in the file's dtype; it may share the file's memory.
    """

    infos: Mapping[str, TensorInfo]
    read: Callable[[str], Tensor]

    def without_wrappers(self) -> tuple[Tensors, tuple[str, ...]]:
        """Drop the `module.` (DataParallel) and `_orig_mod.` (torch.compile) in front of every key.

        Returns:
            The renamed tensors, and the prefixes dropped, outermost first. A prefix that only some keys
            have is left in place, to be named as unexpected later.
        """
        dropped: list[str] = []
        keys = dict.fromkeys(self.infos, "")
        renamed = {key: key for key in keys}
        while renamed and (prefix := _shared_prefix(renamed)):
            renamed = {new.removeprefix(prefix): old for new, old in renamed.items()}
            dropped.append(prefix)
        if not dropped:
            return self, ()
        infos = {new: self.infos[old] for new, old in renamed.items()}
        return Tensors(infos, lambda key: self.read(renamed[key])), tuple(dropped)


def _shared_prefix(keys: Iterable[str]) -> str | None:
    listed = list(keys)
    return next((p for p in WRAPPERS if all(k.startswith(p) and k != p for k in listed)), None)


def dtype_name(dtype: torch.dtype) -> str:
    """`torch.float16` as "float16"."""
    return str(dtype).removeprefix("torch.")


def name_some(names: Iterable[str]) -> str:
    """Names in order, the first ten of them, with the count of the rest."""
    listed = sorted(names)
    shown = ", ".join(listed[:MOST_NAMED])
    return shown if len(listed) <= MOST_NAMED else f"{shown} and {len(listed) - MOST_NAMED} more"


def from_state_dict(state: Mapping[object, object], where: str, file_bytes: int) -> Tensors:
    """Wrap a state dict that `torch.load(weights_only=True)` gave back, distrusting each entry.

    Args:
        state: key -> tensor.
        where: the file's name, for the error sentence.
        file_bytes: the file's size; tensors that claim to hold more than the file are refused, because a
            few bytes of pickle can describe a tensor of any size (stride 0).

    Raises:
        CheckpointError: a key is not text, a value is no plain CPU tensor, or the sizes cannot be true.
    """
    tensors: dict[str, Tensor] = {}
    for key, value in state.items():
        if not isinstance(key, str):
            raise CheckpointError(f"{where}: the state dict has a key that is not text: {key!r:.80}.")
        if not isinstance(value, Tensor):
            raise CheckpointError(f"{where}: {key!r} holds a {type(value).__name__} instead of a tensor.")
        if value.layout != torch.strided or value.device.type != "cpu" or value.is_quantized:
            raise CheckpointError(f"{where}: {key!r} is not a plain dense tensor; save it as one.")
        tensors[key] = value.detach()
    claimed = sum(t.numel() * t.element_size() for t in tensors.values())
    if claimed > file_bytes:
        raise CheckpointError(
            f"{where}: its tensors claim {claimed} bytes but the file has only {file_bytes}, so it is damaged"
            " or made to exhaust memory; get the file again."
        )
    infos = {key: TensorInfo(tuple(t.shape), t.dtype) for key, t in tensors.items()}
    return Tensors(infos, tensors.__getitem__)
