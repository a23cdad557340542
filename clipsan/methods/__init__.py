"""Fine-tuning defences: each a loss over one batch. One row here, one file beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field, fields
from difflib import get_close_matches
from typing import Any

from clipsan.errors import UsageError
from clipsan.methods.batch import Batch, Embeddings, Loss, Method, Views
from clipsan.methods.cleanclip import CleanClip
from clipsan.methods.finetune import FineTune
from clipsan.methods.par import Par
from clipsan.methods.roclip import RoClip

METHODS: dict[str, Callable[..., Method]] = {
    "par": Par,
    "cleanclip": CleanClip,
    "roclip": RoClip,
    "finetune": FineTune,
}
"""Each makes a method from its own options, the fields of its dataclass."""


def options_of(name: str) -> dict[str, Any]:
    """The options of the method called `name` with their defaults. UsageError where there is none."""
    if name not in METHODS:
        near = get_close_matches(name, METHODS, n=1)
        hint = f"did you mean {near[0]!r}? The methods" if near else "the methods"
        raise UsageError(f"there is no method {name!r}: {hint} are {', '.join(METHODS)}")
    own: tuple[Field[Any], ...] = fields(METHODS[name])  # type: ignore[arg-type]
    return {option.name: option.default for option in own if option.init}


def make_method(name: str, tau: float, **options: float | None) -> Method:
    """The method called `name`, made anew.

    Args:
        name: of `METHODS`.
        tau: PAR's threshold; the others have none and do not look at it.
        options: of a method; None: its default.

    Raises:
        UsageError: no such method, an option that it does not have, or a value out of range.
    """
    known = options_of(name)
    given = {option: value for option, value in options.items() if value is not None}
    for option in given:
        if option not in known:
            others = [other for other in METHODS if option in options_of(other)]
            flag = "--" + option.replace("_", "-")
            raise UsageError(
                f"{flag} is an option of {' and '.join(others) or 'no method'}, but the method is {name}: "
                f"leave {flag} out or choose another --method"
            )
    return METHODS[name](**given, **({"tau": tau} if "tau" in known else {}))


__all__ = [
    "METHODS", "Batch", "CleanClip", "Embeddings", "FineTune", "Loss", "Method", "Par", "RoClip", "Views",
    "make_method", "options_of",
]  # fmt: skip
