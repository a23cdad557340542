"""Fine-tuning defences: each a loss over one batch. One row here, one file beside it."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches

from clipsan.errors import UsageError
from clipsan.methods.batch import Embeddings, Loss, Method
from clipsan.methods.finetune import FineTune
from clipsan.methods.par import Par

METHODS: dict[str, Callable[[float], Method]] = {
    "par": lambda tau: Par(tau=tau),
    "finetune": lambda tau: FineTune(),
}


def make_method(name: str, tau: float) -> Method:
    """The method called `name`; `tau` is PAR's threshold and ignored by the others."""
    if name not in METHODS:
        near = get_close_matches(name, METHODS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UsageError(f"there is no method {name!r}: {hint}The methods are {', '.join(METHODS)}")
    return METHODS[name](tau)


__all__ = ["METHODS", "Embeddings", "FineTune", "Loss", "Method", "Par", "make_method"]
