"""From the inert tree of a torch file to named tensors, distrusting each entry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clipsan.checkpoint.tensors import TensorInfo, Tensors
from clipsan.checkpoint.torch_files.records import Call, StoredTensor, kind_of
from clipsan.checkpoint.torch_files.storages import Storages, numel
from clipsan.errors import CheckpointError

LONGEST_KEY = 1000  # characters


def from_state_dict(state: Mapping[Any, object], storages: Storages, where: str) -> Tensors:
    """Wrap a state dict of inert records as tensors that are read when they are asked for.

    Args:
        state: key -> `StoredTensor`.
        storages: the numbers of the file that the records refer to.
        where: the file's name, for the error sentence.

    Raises:
        CheckpointError: a key is not text, a value is no dense tensor, or a tensor's claims cannot be true.
            Together they must not claim more than the file holds, because a few bytes of pickle can describe
            a tensor of any size (stride 0); what several keys share counts once, but at most twice the file.
    """
    stored: dict[str, StoredTensor] = {}
    for key, value in state.items():
        if not isinstance(key, str) or not key.isprintable() or len(key) > LONGEST_KEY:
            said = f"{key!r:.80}" if isinstance(key, (str, int, float, bytes)) else kind_of(key)
            raise CheckpointError(f"{where}: the state dict has a key that is not text: {said}.")
        if isinstance(value, Call) and value.name.startswith("torch."):
            raise CheckpointError(f"{where}: {key!r} is not a plain dense tensor; save it as one.")
        if not isinstance(value, StoredTensor):
            raise CheckpointError(f"{where}: {key!r} holds a {kind_of(value)} instead of a tensor.")
        fault = storages.fault(value)
        if fault:
            raise CheckpointError(
                f"{where}: {key!r} {fault}, so the file is damaged or made to deceive; get the file again."
            )
        stored[key] = value
    _check_claims(stored, storages.file_bytes, where)
    infos = {key: TensorInfo(tensor.size, tensor.dtype) for key, tensor in stored.items()}
    return Tensors(infos, lambda key: storages.read(stored[key]))


def _check_claims(stored: Mapping[str, StoredTensor], file_bytes: int, where: str) -> None:
    views = {
        (t.storage.key, t.storage.start, t.offset, t.size, t.stride, t.dtype): numel(t) * t.dtype.itemsize
        for t in stored.values()
    }
    once = sum(views.values())
    every = sum(numel(t) * t.dtype.itemsize for t in stored.values())
    if once > file_bytes or every > 2 * file_bytes:
        raise CheckpointError(
            f"{where}: its tensors claim {every} bytes but the file has only {file_bytes}, so it is damaged"
            " or made to exhaust memory; get the file again."
        )
