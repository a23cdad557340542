"""Named tensors in a file that is not in memory yet: their shapes first, their numbers one at a time.

Shapes are compared with the architecture before any number is read, and reading one tensor at a time
keeps the peak memory of a load at the file plus one float32 copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

MOST_NAMED = 10
LONGEST_NAME = 100  # characters of one name that are shown
WRAPPERS = ("module.", "_orig_mod.", "model.", "clip.")  # DataParallel, torch.compile, classes around a CLIP


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
        read: returns one tensor by its key, on the CPU, in the file's dtype.
        owned: True where what `read` returns is in memory of its own; else it may share the file's.
    """

    infos: Mapping[str, TensorInfo]
    read: Callable[[str], Tensor]
    owned: bool = False

    def without_wrappers(self) -> tuple[Tensors, tuple[str, ...]]:
        """Drop the prefixes of `WRAPPERS` in front of every key.

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
        return (self.renamed(renamed), tuple(dropped)) if dropped else (self, ())

    def renamed(self, names: Mapping[str, str]) -> Tensors:
        """The same tensors under other keys: new -> old."""
        infos = {new: self.infos[old] for new, old in names.items()}
        return Tensors(infos, lambda key: self.read(names[key]), self.owned)


def _shared_prefix(keys: Iterable[str]) -> str | None:
    listed = list(keys)
    return next((p for p in WRAPPERS if all(k.startswith(p) and k != p for k in listed)), None)


def dtype_name(dtype: torch.dtype) -> str:
    """`torch.float16` as "float16"."""
    return str(dtype).removeprefix("torch.")


def name_some(names: Iterable[str]) -> str:
    """Names in order, the first ten of them, with the count of the rest."""
    listed = sorted(name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…" for name in names)
    shown = ", ".join(listed[:MOST_NAMED])
    return shown if len(listed) <= MOST_NAMED else f"{shown} and {len(listed) - MOST_NAMED} more"
