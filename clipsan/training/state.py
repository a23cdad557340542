"""What a training run remembers to go on where it stopped: named parts, each with tensors and plain values.

The loop lists its parts; a `Keeper` saves and restores them and knows where. Nothing here knows of files.
A part that changes during training and is not listed makes a resumed run differ from an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from clipsan.errors import ResumeError
from clipsan.pairs import BatchStream, Position
from clipsan.pairs.stream import Batch
from clipsan.training.sharded import parted_as, whole


@dataclass(frozen=True)
class State:
    """One part's state.

    Attributes:
        tensors: by name, on any device, maybe parted among processes (`sharded.py`). They may be the live
            ones: whoever keeps them longer than until the next update copies them.
        values: JSON-able, every number finite.
    """

    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class Stateful(Protocol):
    """A part of a run that changes while it trains; a method that has both functions is one too."""

    def state(self) -> State:
        """What it is now."""

    def load_state(self, state: State) -> None:
        """Become what `state` says. KeyError, TypeError, ValueError or RuntimeError where it cannot."""


class Keeper(Protocol):
    """Keeps a run's state outside of the process."""

    def restore(self, parts: Mapping[str, Stateful]) -> int:
        """Remember the parts, and load what was saved into them, if anything was: the updates it had done."""

    def batches(self, stream: BatchStream) -> Iterator[Batch]:
        """The stream's batches; where reading them ends by an error, what was done is saved first."""

    def update_done(self, done: int, steps: int) -> None:
        """Called between updates; saves where it is due. KeyboardInterrupt if the run was asked to stop."""


class KeepNothing:
    """A run that cannot be resumed."""

    def restore(self, parts: Mapping[str, Stateful]) -> int:
        """0."""
        return 0

    def batches(self, stream: BatchStream) -> Iterator[Batch]:
        """The stream as it is."""
        return stream

    def update_done(self, done: int, steps: int) -> None:
        """Nothing."""


class ModelState:
    """Weights and running statistics."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model

    def state(self) -> State:
        """The state dict, live."""
        return State(self._model.state_dict())

    def load_state(self, state: State) -> None:
        """Copied into the tensors that are there, which keep their device, memory layout and parts."""
        there = self._model.state_dict()
        self._model.load_state_dict(
            {name: parted_as(value, there.get(name, value)) for name, value in state.tensors.items()}
        )


class OptimizerState:
    """The moments and counts of each parameter, as `kind/parameter`; rates come from the schedule."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self._parameters = dict(model.named_parameters())
        self._optimizer = optimizer

    def state(self) -> State:
        """Live tensors; none before the first update."""
        tensors = {
            f"{kind}/{name}": value
            for name, parameter in self._parameters.items()
            for kind, value in self._optimizer.state.get(parameter, {}).items()
        }
        return State(tensors)

    def load_state(self, state: State) -> None:
        """Each tensor in the memory layout of its parameter, which fused kernels take for granted."""
        for key, value in state.tensors.items():
            kind, _, name = key.partition("/")
            parameter = self._parameters[name]
            if value.ndim == 0:
                placed = value.to(parameter.device)
            elif value.shape == parameter.shape:
                placed = torch.empty_like(parameter, dtype=value.dtype, requires_grad=False)
                placed.copy_(parted_as(value, parameter))
            else:
                raise ValueError(f"{key} has the shape {list(value.shape)}")
            self._optimizer.state[parameter][kind] = placed


class Randomness:
    """The run's own generator, and torch's, which layers with dropout draw from."""

    def __init__(self, generator: torch.Generator) -> None:
        self._generator = generator

    def state(self) -> State:
        """Generators' states as uint8."""
        tensors = {"run": self._generator.get_state(), "torch": torch.get_rng_state()}
        if self._generator.device.type == "cuda":
            tensors["cuda"] = torch.cuda.get_rng_state(self._generator.device)
        return State(tensors)

    def load_state(self, state: State) -> None:
        """Only on the kind of device that it was saved on."""
        self._generator.set_state(state.tensors["run"])
        torch.set_rng_state(state.tensors["torch"])
        if self._generator.device.type == "cuda":
            torch.cuda.set_rng_state(state.tensors["cuda"], self._generator.device)


class StreamPlace:
    """Where the stream of pairs is; `start` is set before the stream is made, `stream` afterwards."""

    def __init__(self) -> None:
        self.start: Position | None = None
        self.stream: BatchStream | None = None

    def state(self) -> State:
        """After the last batch that the stream gave."""
        return State() if self.stream is None else State(values=self.stream.position.to_dict())

    def load_state(self, state: State) -> None:
        """The stream has to start there."""
        self.start = Position.from_dict(state.values)


def gathered(state: State, keep: bool) -> State:
    """A state of whole tensors, in a process that keeps them; of parted ones all processes have to ask."""
    tensors = {}
    for name, value in state.tensors.items():
        full = whole(value)
        if keep:
            tensors[name] = full
    return State(tensors, state.values)


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """torch's own generators start from `seed` in the block and are afterwards as they were."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def restore(parts: Mapping[str, Stateful], states: Mapping[str, State]) -> None:
    """Load each part's state.

    Raises:
        ResumeError: a part has none, or one that does not fit.
    """
    if set(parts) != set(states):
        named = ", ".join(sorted(set(parts) ^ set(states)))
        raise ResumeError(f"the saved state and this run differ in {named}")
    for name, part in parts.items():
        try:
            part.load_state(states[name])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ResumeError(f"the saved state of the {name} does not fit ({error})") from error
