"""The hub's settings as they are at the moment of the call, and the token, which is never shown."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

SECONDS = 15.0  # to wait for an answer of the hub, not for a transfer
_TOKEN_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")


def endpoint() -> str | None:
    """HF_ENDPOINT; None for the public hub."""
    return (os.environ.get("HF_ENDPOINT") or "").rstrip("/") or None


def is_offline() -> bool:
    """True where HF_HUB_OFFLINE asks for cached files only."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def stored_token() -> str | None:
    """The token of HF_TOKEN, else of the login that huggingface_hub keeps."""
    from huggingface_hub import get_token

    return get_token()


def scrub(text: str, token: str | None) -> str:
    """Take a token out of text that came from elsewhere: a server may send back what it was sent."""
    for secret in {token, *(os.environ.get(name) for name in _TOKEN_VARIABLES)}:
        if secret and secret.strip():
            text = text.replace(secret.strip(), "<token>")
    return text


@contextmanager
def silence(silent: bool) -> Iterator[None]:
    """Keep huggingface_hub from drawing bars and writing its log to stderr."""
    from huggingface_hub.utils import logging
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    if not silent:
        yield
        return
    level, had_bars = logging.get_verbosity(), not are_progress_bars_disabled()
    logging.set_verbosity_error()
    if had_bars:
        disable_progress_bars()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if had_bars:
            enable_progress_bars()
