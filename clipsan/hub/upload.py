"""Writing: files become one commit of a repository, which is created where it is missing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from clipsan.errors import UsageError
from clipsan.hub.errors import HubError, plain_push_errors
from clipsan.hub.session import SECONDS, endpoint, is_offline, silence, stored_token

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import ModelInfo

PUBLIC_HUB = "https://huggingface.co"
_NAME = re.compile(r"(?=.{3,97}$)\w[\w.-]*/\w[\w.-]*", re.ASCII)
_BRANCH = re.compile(r"\w[\w./-]{0,200}", re.ASCII)
_TOKEN = re.compile(r"[!-~]{1,500}")
_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".onnx")


@dataclass(frozen=True)
class Destination:
    """Where an upload goes.

    Attributes:
        name: `org/name`.
        revision: a branch, created where it is missing; `refs/pr/N` for an open pull request; None: main.
        create_pr: open a pull request instead of committing.
        private: create the repository as private, and refuse to write to one that is public.

    Raises:
        UsageError: no such name can exist, or the settings exclude each other.
    """

    name: str
    revision: str | None = None
    create_pr: bool = False
    private: bool = False

    def __post_init__(self) -> None:
        odd = any(pair in self.name for pair in ("--", "..")) or self.name.endswith((".", "-", ".git"))
        if not _NAME.fullmatch(self.name) or odd:
            raise UsageError(
                f"--hub-repo is {self.name!r:.120}, but a repository is named ORG/NAME, of letters, digits,"
                " '-', '_' and '.'"
            )
        if self.revision is not None and not _BRANCH.fullmatch(self.revision):
            raise UsageError(f"--revision is {self.revision!r:.120}, which is no name of a branch")
        if self.revision is not None and self.create_pr:
            raise UsageError(
                "--create-pr opens a pull request to the main branch: leave --revision, or name an open pull"
                " request with --revision refs/pr/N"
            )

    @property
    def url(self) -> str:
        """The page of the repository, or of the branch."""
        page = f"{endpoint() or PUBLIC_HUB}/{self.name}"
        return page if self.revision is None else f"{page}/tree/{quote(self.revision, safe='')}"


@dataclass(frozen=True)
class Uploaded:
    """What an upload did.

    Attributes:
        url: the page to look at: of the pull request where there is one.
        commit: the new commit, or the latest one where nothing had changed.
        changed: False where the repository held the same files already.
        private: who may see it.
        strangers: weights in the repository that this upload neither wrote nor removed.
    """

    url: str
    commit: str
    changed: bool
    private: bool
    strangers: tuple[str, ...]


def find_token(given: str | None) -> str:
    """The token to write with: as given, else of HF_TOKEN, else of the stored login.

    Raises:
        UsageError: HF_HUB_OFFLINE is set, there is no token, or it cannot be one; it is not shown.
    """
    if is_offline():
        raise UsageError("HF_HUB_OFFLINE is set, so nothing can be pushed: unset it")
    token = (given if given is not None else stored_token()) or ""
    if not token.strip():
        raise UsageError("there is no token: run `hf auth login`, set HF_TOKEN, or give --token")
    if not _TOKEN.fullmatch(token.strip()):
        raise UsageError("the token holds characters that no token has: copy it again")
    return token.strip()


def upload(
    files: Mapping[str, Path | bytes], to: Destination, message: str, token: str, *, silent: bool
) -> Uploaded:
    """Upload files as one commit. Large files that the hub already has, after an interruption, are not sent.

    Args:
        files: path in the repository -> a file on disk, or its content.
        to: the repository and branch.
        message: the commit's first line.
        token: with write permission.
        silent: no progress bars, and no log of retries.

    Raises:
        HubError: one sentence on what the hub refuses or why it cannot be reached. No token in it.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    api = HfApi(endpoint=endpoint(), token=token, library_name="clipsan")
    with silence(silent), plain_push_errors(to.name, token):
        before = _prepare(api, to)
        operations = [
            CommitOperationAdd(name, content if isinstance(content, bytes) else str(content))
            for name, content in sorted(files.items())
        ]
        commit = api.create_commit(
            to.name, operations, commit_message=message, revision=to.revision, create_pr=to.create_pr
        )
    siblings = [sibling.rfilename for sibling in before.siblings or ()]
    return Uploaded(
        url=commit.pr_url or to.url,
        commit=commit.oid,
        changed=commit.oid != before.sha,
        private=bool(before.private),
        strangers=tuple(name for name in siblings if name.endswith(_WEIGHTS) and name not in files),
    )


def _prepare(api: HfApi, to: Destination) -> ModelInfo:
    """Create repository and branch where they are missing; what they hold now."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        # before any creation: a token may be good for this repository and for making none
        info = api.model_info(to.name, timeout=SECONDS)
    except RepositoryNotFoundError:
        api.create_repo(to.name, private=True if to.private else None, exist_ok=True)
        info = api.model_info(to.name, timeout=SECONDS)
    if to.private and not info.private:
        raise HubError(
            f"{to.name} exists and is public, and --private was asked for: make it private in its settings,"
            " or leave --private."
        )
    if to.revision is None:
        return info
    if not to.revision.startswith("refs/"):
        api.create_branch(to.name, branch=to.revision, exist_ok=True)
    return api.model_info(to.name, revision=to.revision, timeout=SECONDS)
