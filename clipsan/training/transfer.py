"""Copies between host and device that do not hold up either.

To a GPU they go through pinned memory, the only kind that it can copy from by itself; numbers come back the
same way and are read when they have arrived, while it computes the next update. On a CPU all of it is plain.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """`tensor` on `device`; from host memory to a device without waiting for it."""
    if tensor.device.type != "cpu" or device.type == "cpu":
        return tensor.to(device)
    if device.type == "cuda":
        tensor = tensor.pin_memory()  # goes back to torch's pool once it is copied
    return tensor.to(device, non_blocking=True)


class Numbers:
    """Scalars on their way from the device."""

    def __init__(self, scalars: Mapping[str, Tensor]) -> None:
        """Send them off, as float32."""
        self._names = list(scalars)
        together = torch.stack([scalar.detach().float() for scalar in scalars.values()])
        self._values = together.to("cpu", non_blocking=True)  # into pinned memory
        self._arrival: torch.cuda.Event | None = None
        if together.is_cuda:
            self._arrival = torch.cuda.Event()
            self._arrival.record(torch.cuda.current_stream(together.device))

    def read(self) -> dict[str, float]:
        """By name; waits for their arrival, not for what the device was given to do since."""
        if self._arrival is not None:
            self._arrival.synchronize()
        return dict(zip(self._names, self._values.tolist(), strict=True))
