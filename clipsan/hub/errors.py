"""What huggingface_hub raises, as one sentence each: what is wrong, where, what to do. No token in any."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

from clipsan.errors import CheckpointError, ClipsanError
from clipsan.hub.names import Repository
from clipsan.hub.session import scrub

_STORAGE = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS)
AGAIN = "run the same command again: what was uploaded is kept, and the rest follows"
_CONNECTION = {"TransportError", "RequestException", "HTTPError"}


class HubError(ClipsanError):
    """The hub cannot be reached, or refuses what was asked of it."""


@contextmanager
def plain_push_errors(name: str, token: str) -> Iterator[None]:
    """Turn what writing to the hub raises into a HubError of one sentence."""
    try:
        yield
    except ClipsanError:
        raise
    except Exception as error:
        sentence = _writing(_innermost(error), name, token)
        if sentence is None:
            raise
        raise HubError(sentence) from None


def _writing(error: Exception, name: str, token: str) -> str | None:
    from huggingface_hub import errors as hub

    reason = first_line(error, token)
    if isinstance(error, hub.HFValidationError):
        return f"{name!r} is no repository name ({reason})."
    if status := status_of(error):
        return _refused(status, error, name, reason)
    if isinstance(error, OSError) and error.errno and error.filename:
        return f"{error.filename} cannot be read ({error.strerror}), so nothing was committed to {name}."
    if is_connection(error):
        return f"The connection to the hub for {name} broke ({type(error).__name__}: {reason}); {AGAIN}."
    if isinstance(error, ValueError) and "README.md" in reason:
        said = " ".join(scrub(str(error), token).split())[:400].rstrip(".")
        return (
            f"The hub does not take the card: {said}; correct README.md, or delete it to have it made anew."
        )
    if isinstance(error, ValueError | KeyError | TypeError):
        return not_understood(error, name)
    return None


def _refused(status: int, error: Exception, name: str, reason: str) -> str:
    owner = name.partition("/")[0]
    match status:
        case 401:
            return (
                "The hub does not accept the token (401); make one with write permission on"
                " https://huggingface.co/settings/tokens and set HF_TOKEN to it."
            )
        case 403:
            return f"This token may not write to {name} (403: {reason}); give one that may write for {owner}."
        case 404:
            return (
                f"The hub knows no {name} that this token may see, or no owner {owner} (404: {reason}); check"
                " the spelling of --hub-repo and --revision."
            )
        case 409 | 412:
            return f"{name} is being changed by something else ({status}: {reason}); {AGAIN}."
        case 429:
            return f"The hub's rate limit is used up (429); {wait_of(error)}. Then {AGAIN}."
        case _ if status >= 500:
            return f"The hub has a problem of its own ({status}: {reason}); wait a little, then {AGAIN}."
    return f"The hub refuses what was sent to {name} ({status}: {reason})."


def _innermost(error: Exception) -> Exception:
    """The reason of an upload that failed in a thread, which huggingface_hub wraps in a RuntimeError."""
    while type(error) is RuntimeError and isinstance(error.__cause__, Exception):
        error = error.__cause__
    return error


@contextmanager
def plain_errors(repository: Repository) -> Iterator[None]:
    """Turn what reading from the hub raises into a CheckpointError of one sentence."""
    try:
        yield
    except CheckpointError:
        raise
    except Exception as error:
        sentence = _reading(error, repository)
        if sentence is None:
            raise
        raise CheckpointError(sentence) from None


def _reading(error: Exception, repository: Repository) -> str | None:
    from huggingface_hub import errors as hub

    name, reason = repository.name, first_line(error)
    match error:
        case hub.GatedRepoError():
            return f"The repository {name} is gated: accept its terms on its page and set HF_TOKEN."
        case hub.RevisionNotFoundError():
            return f"The repository {name} has no revision {repository.revision!r}; check its name."
        case hub.RepositoryNotFoundError():
            return (
                f"{name!r} is neither a path here nor a repository on the hub; check the spelling, and"
                " set HF_TOKEN if it is private."
            )
        case hub.EntryNotFoundError():
            return f"A file of {repository} could not be fetched ({reason})."
        case hub.HFValidationError():
            return f"{name!r} is no repository name ({reason})."
        case hub.HfHubHTTPError():
            return _status(error, repository, reason)
        case OSError() if error.errno in _STORAGE:
            return f"{repository} could not be stored in the hub's cache ({error.strerror}); set HF_HOME."
        case _ if is_connection(error):
            return (
                f"The hub could not be reached for {repository} ({type(error).__name__}); check the network,"
                " or set HF_HUB_OFFLINE=1 to use a cached copy."
            )
        case ValueError() | KeyError() | TypeError():
            return not_understood(error, str(repository))
    return None


def _status(error: Exception, repository: Repository, reason: str) -> str:
    match status_of(error):
        case 401:
            return f"The hub does not accept your token (401) for {repository}; set HF_TOKEN to a valid one."
        case 429:
            return f"The hub's rate limit is used up; {wait_of(error)}, then ask for {repository} again."
    return f"The hub answered with an error for {repository}: {reason}."


def not_understood(error: Exception, what: str) -> str:
    """For an answer that is not in the hub's language, as a proxy's login page is not."""
    return (
        f"What answered for {what} does not speak the hub's language ({type(error).__name__}); check"
        " HF_ENDPOINT and the network."
    )


def status_of(error: Exception) -> int:
    """The HTTP status in an error of huggingface_hub; 0 where it has none."""
    return int(getattr(getattr(error, "response", None), "status_code", 0) or 0)


def wait_of(error: Exception) -> str:
    """How long a rate limit asks to wait, in words."""
    headers = getattr(getattr(error, "response", None), "headers", {})
    window = re.search(r"\bt\s*=\s*(\d{1,6})", headers.get("ratelimit", ""))
    seconds = window.group(1) if window else headers.get("retry-after", "")
    return f"wait {int(seconds)} seconds" if re.fullmatch(r"\d{1,6}", seconds) else "wait some minutes"


def is_connection(error: Exception) -> bool:
    """huggingface_hub speaks through requests (before 1.0) or httpx; both derive from a named base."""
    bases = {base.__name__ for base in type(error).__mro__}
    return isinstance(error, OSError) or bool(bases & _CONNECTION)


def first_line(error: Exception, token: str | None = None) -> str:
    """The first line of an error's message, or what the server said, without a token."""
    said = getattr(error, "server_message", None) or str(error).strip() or type(error).__name__
    line = next(iter(scrub(said, token).strip().splitlines()), "").rstrip(". ")
    return "".join(char for char in line if char.isprintable())[:200]
