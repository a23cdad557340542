"""What can go wrong in an update without ending the run: memory runs out, numbers are not finite."""

from __future__ import annotations

import copy
import gc
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from clipsan.errors import TrainingError
from clipsan.methods import Loss
from clipsan.training.processes import ALONE, OtherOutOfMemoryError, Processes, heard
from clipsan.training.settings import TrainSettings
from clipsan.training.sharded import local
from clipsan.training.state import State, Stateful

MOST_SKIPPED_IN_A_ROW = 3
MOST_SKIPPED = 20
_T = TypeVar("_T")
# a CPU's allocator, cuBLAS and cuDNN raise plain RuntimeErrors
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "_ALLOC_FAILED")


class MicroBatch:
    """How many pairs are in memory at once: as asked or chosen, and half of it each time memory runs out.

    The gradient is the whole batch's whatever the size (`gradients.py`), so a smaller one only costs time;
    its rounding differs, and with BatchNorm in training mode the statistics too.
    """

    def __init__(
        self,
        settings: TrainSettings,
        say: Callable[[str], None],
        processes: Processes = ALONE,
        sharded: bool = False,
    ) -> None:
        """`say` hears of every halving, which several processes do together.

        A `sharded` model, whose passes take all processes, cannot go on: memory that runs out ends the run.
        """
        self._processes = processes
        self._sharded = sharded
        self._asked = settings.micro_batch
        self._batch_size = settings.batch_size
        self._statistics = settings.batch_norm == "train"
        self._say = say
        self.size = settings.at_once
        self._settled = settings.micro_batch is not None or self._statistics

    def choose(self, most: int, fitting: Callable[[], int | None], say: Callable[[str], None]) -> None:
        """Unless it is settled: as many as fit, in the process with the least memory.

        Args:
            most: pairs that are wanted at once.
            fitting: how many fit here; None: nobody knows. It may run out of memory.
            say: hears of it where fewer fit.
        """
        if self._settled:
            return
        try:
            with heard(surely=False):
                found = fitting()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            found = 1
        self.size = min(self._processes.numbers(self.size if found is None else min(most, found)))
        self._settled = True
        if found is not None and self.size < most:
            say(
                f"The free memory holds {self.size} pairs at a time, so each is embedded twice: slower, with "
                f"the gradient of the whole batch of {self._batch_size} (--micro-batch sets another number)"
            )

    def run(self, compute: Callable[[int], _T], undo: Callable[[], None] = lambda: None) -> _T:
        """`compute(size)`, again with half the size where memory runs out.

        Args:
            compute: given the number of pairs to have in memory at once.
            undo: called before each new attempt, to take back what the last one changed.

        Raises:
            TrainingError: memory runs out with a single pair.
        """
        while True:
            try:
                with heard(surely=False):  # the passes of parted weights are exchanges
                    done = compute(self.size)
                self._processes.check()
                return done
            except OtherOutOfMemoryError:
                pass
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if self._sharded:
                    raise TrainingError(
                        f"memory ran out with {self.size} pairs at a time, where --fsdp cannot go on: "
                        "choose a smaller --micro-batch"
                    ) from error
                self._processes.failed()
            # out of the except block, whose traceback holds on to the tensors of the failed attempt
            self._halve()
            undo()

    def _halve(self) -> None:
        share = self._processes.share(self._batch_size, 0)
        before = min(self.size, max(1, share.stop))
        if before == 1:
            raise TrainingError(
                "memory ran out even with one pair at a time: choose a --batch-size below "
                f"{self._batch_size}, or a device with more memory"
            )
        self.size = before // 2
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        differs = (
            "; with --batch-norm train its statistics are those of fewer pairs" if self._statistics else ""
        )
        self._say(
            f"memory ran out with {before} pairs at a time, so training goes on with {self.size}: slower, "
            f"with the gradient of the same batch (--micro-batch {self.size} says so from the start{differs})"
        )

    def state(self) -> State:
        """The size, and the one it comes from."""
        return State(values={"asked": self._asked, "size": self.size})

    def load_state(self, state: State) -> None:
        """The size found then, unless another one is asked for now."""
        if state.values["asked"] == self._asked:
            self.size, self._settled = int(state.values["size"]), True


class NotFinite:
    """Updates whose loss or gradient is not finite change nothing and are counted; too many end the run."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        say: Callable[[str], None],
        processes: Processes = ALONE,
    ) -> None:
        """`say` hears of every update that is left out, which is left out in all processes."""
        self._processes = processes
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._optimizer = optimizer
        self._say = say
        self._in_a_row = 0
        self.skipped: list[int] = []

    def step(self, loss: Loss) -> Tensor:
        """The optimiser's step, which does nothing if the loss, a term of it or a gradient is not finite.

        Decided on the device, where fused optimisers read it (as they do for a gradient scaler), so that
        nothing waits; several processes agree on it first, which does, and decide it then.

        Returns:
            A scalar: 1.0 if it did nothing, else 0.0.
        """
        norms = torch._foreach_norm([local(p.grad) for p in self._parameters if p.grad is not None])
        seen = (loss.total.detach(), *loss.terms.values(), *norms)
        left_out = (~torch.isfinite(torch.stack([value.float() for value in seen]).sum())).float()
        if self._processes.size > 1:
            left_out.fill_(self._processes.any(bool(left_out)))
            if not left_out:
                self._optimizer.step()
            return left_out
        self._optimizer.found_inf = left_out  # type: ignore[attr-defined]
        self._optimizer.step()
        return left_out

    def count(self, update: int, steps: int, left_out: bool, settings: TrainSettings) -> None:
        """Update 1 … steps is known to have been left out, or not to have been.

        Raises:
            TrainingError: MOST_SKIPPED_IN_A_ROW, or MOST_SKIPPED in all, or every one.
        """
        if not left_out:
            self._in_a_row = 0
            return
        self.skipped.append(update)
        self._in_a_row += 1
        what = f"the loss or its gradient was not finite at update {update} of {steps}"
        if self._in_a_row >= MOST_SKIPPED_IN_A_ROW or len(self.skipped) >= min(MOST_SKIPPED, steps):
            raise TrainingError(
                f"{what}, after {len(self.skipped) - 1} others that were left out: lower the learning rate "
                f"(--lr-start is {settings.lr_start:g}, --lr {settings.lr:g}), or use --precision fp32; "
                "--overwrite begins anew with that"
            )
        self._say(f"{what}: it was left out")

    def state(self) -> State:
        """The updates that were left out."""
        return State(values={"skipped": self.skipped, "in_a_row": self._in_a_row})

    def load_state(self, state: State) -> None:
        """As they were."""
        self.skipped = [int(update) for update in state.values["skipped"]]
        self._in_a_row = int(state.values["in_a_row"])


def is_out_of_memory(error: Exception) -> bool:
    """Whether an allocation failed, on whatever device."""
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    return any(words in str(error) for words in _OUT_OF_MEMORY)


class Before:
    """What an update changes besides weights, as it was: to take back half of one, or one left out."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, method: object) -> None:
        """Copy BatchNorm's statistics, and what the method remembers, if it does."""
        layers = (layer for layer in model.modules() if isinstance(layer, _BatchNorm) and layer.training)
        self._statistics = [(buffer, buffer.clone()) for layer in layers for buffer in layer.buffers()]
        self._optimizer, self._method = optimizer, method
        self._remembered = _copied(method.state()) if isinstance(method, Stateful) else None

    def undo(self) -> None:
        """Gradients, statistics and what the method remembers."""
        self._optimizer.zero_grad(set_to_none=True)
        for buffer, before in self._statistics:
            buffer.copy_(before)
        self.undo_method()

    def undo_statistics_where(self, left_out: Tensor) -> None:
        """Statistics, if the scalar is not 0, which only the device looks at."""
        for buffer, before in self._statistics:
            buffer.copy_(torch.where(left_out.bool(), before, buffer))

    def undo_method(self) -> None:
        """What the method remembers."""
        if isinstance(self._method, Stateful) and self._remembered is not None:
            self._method.load_state(self._remembered)


def _copied(state: State) -> State:
    return State({name: value.clone() for name, value in state.tensors.items()}, copy.deepcopy(state.values))
