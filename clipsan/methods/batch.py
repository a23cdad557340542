"""What a method sees of one batch, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor


@dataclass(frozen=True)
class Embeddings:
    """Unit-length embeddings of the same b pairs.

    Attributes:
        image: float32 [b x d].
        text: float32 [b x d].
    """

    image: Tensor
    text: Tensor


@dataclass(frozen=True)
class Loss:
    """A loss over one batch.

    Attributes:
        total: the scalar to minimise, with its graph.
        terms: scalars to watch, without graph: `clip` always, `s_image` and `s_text` where the method
            has a frozen copy.
    """

    total: Tensor
    terms: dict[str, Tensor] = field(default_factory=dict)


class Method(Protocol):
    """A fine-tuning defence: one loss over one batch, nothing else."""

    @property
    def name(self) -> str:
        """The name on the command line and in the report."""

    @property
    def uses_frozen(self) -> bool:
        """Whether the loss needs the embeddings of the frozen suspect."""

    def loss(self, student: Embeddings, frozen: Embeddings | None, logit_scale: Tensor) -> Loss:
        """Loss of the student's embeddings of a batch; `logit_scale` is exp of CLIP's parameter."""
