"""Libraries of the extra `[synth]`, imported when they are first used."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from clipsan.errors import UsageError


def extra(name: str, what: str) -> Any:
    """Import a library of the extra.

    Args:
        name: of the library.
        what: is to be done with it, to begin the sentence where it is missing.

    Raises:
        UsageError: it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise UsageError(
            f"{what} needs the {name} library ({error.name or name} is missing);"
            " install it with: pip install 'clipsan[synth]'"
        ) from None


@contextmanager
def quiet() -> Iterator[None]:
    """Keep diffusers and transformers from drawing bars and writing their logs to stderr."""
    loggers = [
        sys.modules[f"{name}.utils"].logging
        for name in ("diffusers", "transformers")
        if f"{name}.utils" in sys.modules
    ]
    levels = [logger.get_verbosity() for logger in loggers]
    for logger in loggers:
        logger.set_verbosity_error()
        logger.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.set_verbosity(level)
            logger.enable_progress_bar()
