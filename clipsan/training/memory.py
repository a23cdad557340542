"""How many pairs go through a model with a graph at once, by what that keeps and the memory that is free.

What a forward pass keeps for its backward pass is counted: a few empty inputs are embedded once, as the
training will embed its own, and the bytes of the tensors that autograd saves are added up, each storage once.
Half of the free memory is left for what is not kept: workspaces, temporary values, fragments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from clipsan.checkpoint import Suspect
from clipsan.methods.batch import Views
from clipsan.pairs.kept_images import free_memory
from clipsan.training.encode import Autocast, encode_image, encode_text
from clipsan.training.processes import Processes
from clipsan.training.settings import AT_ONCE, TrainSettings
from clipsan.training.sharded import local
from clipsan.training.state import seeded

SHARE = 0.5
"""Of what is free, for what is kept."""
FEW, MORE = 2, 4
"""Inputs that are embedded to count with; what both keep, such as weights in low precision, is no input's."""


def wanted_at_once(settings: TrainSettings, device: torch.device, processes: Processes) -> int:
    """Pairs: all of this process's part of a batch; on a CPU, where more are no faster, AT_ONCE at most."""
    part = -(-settings.batch_size // processes.size)
    return min(part, AT_ONCE) if device.type == "cpu" else part


def fitting_here(
    suspect: Suspect,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    views: Views | None,
    settings: TrainSettings,
    autocast: Autocast,
    processes: Processes,
) -> int | None:
    """How many pairs of this process's part of a batch fit; None where nobody knows what is free.

    Args:
        suspect: says what its model's inputs look like.
        model: in training, on its device.
        optimizer: of its parameters.
        views: that the method asks for.
        settings: of the run.
        autocast: that it embeds with.
        processes: that share each batch.
    """
    if (free := room(model, optimizer, processes)) is None:
        return None
    device = next(model.parameters()).device
    with seeded(settings.seed, device):
        kept = [
            kept_bytes(
                lambda part: encode_image(model, part, autocast),
                torch.zeros(MORE, 3, *suspect.image_size, device=device),
            ),
            kept_bytes(
                lambda part: encode_text(model, part, autocast), suspect.tokenizer([""] * MORE).to(device)
            ),
        ]
    encodings = 2 if views is not None and not views.instead else 1
    return fitting(-(-settings.batch_size // processes.size), kept * encodings, free)


def kept_bytes(encode: Callable[[Tensor], Tensor], inputs: Tensor) -> int:
    """Bytes that the graph of `encode(inputs)` keeps for each further input; `inputs` [MORE x ...]."""

    def kept(rows: int) -> int:
        storages: dict[int, int] = {}

        def keep(value: Tensor) -> Tensor:
            storage = value.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
            return value  # alive with the graph, so that no other storage takes its place

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
            embedded = encode(inputs[:rows])
        del embedded
        return sum(storages.values())

    return max(1, (kept(MORE) - kept(FEW)) // (MORE - FEW))


def room(model: nn.Module, optimizer: torch.optim.Optimizer, processes: Processes) -> int | None:
    """Bytes for what is kept, once gradients and AdamW's moments have theirs; None where nobody knows.

    Processes on a CPU have equal parts of its memory.
    """
    device = next(model.parameters()).device
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        free: int | None = torch.cuda.mem_get_info(device)[0] + unused
    elif device.type == "cpu":
        free = free_memory()
        free = None if free is None else free // processes.size
    else:
        return None
    if free is None:
        return None
    learned = sum(local(p).nbytes for p in model.parameters() if p.requires_grad)
    return int(SHARE * (free - learned * (1 if optimizer.state else 3)))


def fitting(batch: int, kept: Sequence[int], room: int) -> int:
    """All of `batch` where that fits, else the largest power of two that does, and 1 where none does.

    Args:
        batch: pairs of an update in this process.
        kept: bytes that an input of each encoder keeps. A whole batch has the graphs of all of them at once,
            the parts of one that of one encoder at a time (`gradients.py`).
        room: bytes.
    """
    if batch * sum(kept) <= room:
        return batch
    most = min(batch, room // max(kept))
    return 1 << max(1, most).bit_length() - 1
