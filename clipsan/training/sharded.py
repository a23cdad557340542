"""Models whose weights lie in parts in several processes, by torch's fully_shard (FSDP2).

The weights of a block come together while it computes, forward and backward, and are given back; gradients
are added up into the same parts, so that the optimiser's moments lie in parts as well. All processes have to
go through the same passes in the same order, with at least one input each. What is parted is a DTensor.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from clipsan.errors import UsageError
from clipsan.training.processes import Processes, heard


def check_sharding(processes: Processes) -> None:
    """UsageError where no training can be sharded."""
    from torch.distributed.fsdp import FSDPModule

    if processes.size == 1:
        raise UsageError("--fsdp parts a model among processes, and there is one: give --gpus N, too")
    if not hasattr(FSDPModule, "set_force_sum_reduction_for_comms"):
        raise UsageError(
            f"--fsdp needs a newer torch than {torch.__version__}: update it, or leave --fsdp out"
        )


def check_equal_shares(processes: Processes, batch_size: int) -> None:
    """UsageError where the processes would go through different numbers of passes."""
    if batch_size % processes.size:
        raise UsageError(
            f"--fsdp needs equal shares, and {processes.size} processes cannot have those of a batch of "
            f"{batch_size}: choose a --batch-size that is a multiple of {processes.size}"
        )


def shard(model: nn.Module, device: torch.device) -> nn.Module:
    """Part a whole CLIP in place, among all processes; what this one has of it is on `device` then.

    `encode_image` and `encode_text` work as before. `logit_scale`, which no method trains, stays whole.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method

    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    scalars = {parameter for parameter in model.parameters() if parameter.ndim == 0}
    for parameter in scalars:
        parameter.data = parameter.data.to(device)
    for block in [*blocks(model), model]:
        fully_shard(block, mesh=mesh, ignored_params=scalars)
    for module in model.modules():
        if isinstance(module, FSDPModule):  # sums, as `Processes.add_gradients` makes them, by any backend
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)
    for name in ("encode_image", "encode_text"):
        setattr(model, name, _no_view(getattr(model, name)))
        register_fsdp_forward_method(model, name)
    return model


def _no_view(encode: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """What comes out bears the hooks that bring the weights together again; those of a view can be lost."""
    return lambda inputs: encode(inputs).clone()


def blocks(model: nn.Module) -> list[nn.Module]:
    """The layers that follow on each other: the members, all of one class, of the outermost lists."""
    members = list(model.children())
    if (
        isinstance(model, nn.ModuleList | nn.Sequential)
        and len(members) > 1
        and len({*map(type, members)}) == 1
    ):
        return members
    return [block for member in members for block in blocks(member)]


def local(value: Tensor) -> Tensor:
    """What this process has of a tensor."""
    return value.to_local() if isinstance(value, DTensor) else value


def whole(value: Tensor) -> Tensor:
    """All of a tensor; where it is parted, on the CPU, and every process has to ask."""
    if not isinstance(value, DTensor):
        return value
    with heard():
        return value.full_tensor().cpu()


def put_together(model: nn.Module, into: nn.Module) -> None:
    """Copy what lies in parts into a whole model, tensor after tensor; every process has to."""
    there = into.state_dict()
    for name, value in model.state_dict().items():
        there[name].copy_(whole(value))


def parted_as(value: Tensor, like: Tensor) -> Tensor:
    """This process's part of a whole tensor that every process has, as `like` is parted."""
    if not isinstance(like, DTensor):
        return value
    placed = value.to(like.device_mesh.device_type)
    return distribute_tensor(placed, like.device_mesh, like.placements, src_data_rank=None)
