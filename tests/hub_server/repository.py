"""A repository in memory: branches of commits of files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from fnmatch import fnmatch

# of the .gitattributes that every new model repository has
LARGE = ("*.safetensors", "*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.zip", "*.onnx", "*.msgpack", "*.h5")
ATTRIBUTES = "".join(f"{pattern} filter=lfs diff=lfs merge=lfs -text\n" for pattern in LARGE).encode()


def is_large(name: str) -> bool:
    """True for a file that lies in the large file storage."""
    return any(fnmatch(name.rpartition("/")[2], pattern) for pattern in LARGE)


def file_id(name: str, content: bytes) -> str:
    """What the hub calls a file's oid and its ETag: SHA-256 of a large one, git's SHA-1 of another."""
    if is_large(name):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass(frozen=True)
class Commit:
    """A state of the repository. Its id is made of what it holds and of its parent."""

    files: dict[str, bytes]
    message: str = "initial commit"
    parent: str = ""

    @property
    def id(self) -> str:
        held = {name: file_id(name, content) for name, content in sorted(self.files.items())}
        return hashlib.sha1(json.dumps([held, self.message, self.parent]).encode()).hexdigest()


class HubRepository:
    """A repository with one commit, to which `revisions` (branches, tags) point."""

    def __init__(
        self,
        files: dict[str, bytes],
        *,
        revisions: tuple[str, ...] = ("main",),
        private: bool = False,
        gated: bool = False,
        owner: str | None = None,
    ) -> None:
        """`gated`: the files of it open for the accounts that may see it as private; `owner`: who that is."""
        first = Commit(files)
        self.branches = dict.fromkeys(revisions, first)
        self.commits = {first.id: first}
        self.private = private
        self.gated = gated
        self.owner = owner
        self.pull_requests: list[str] = []

    @property
    def files(self) -> dict[str, bytes]:
        """Of the main branch."""
        return self.branches["main"].files

    def at(self, revision: str) -> Commit | None:
        """The commit that a branch, a tag or an id names."""
        return self.branches.get(revision) or self.commits.get(revision)

    def commit(self, branch: str, changes: dict[str, bytes | None], message: str) -> Commit:
        """Add files to a branch; None removes one."""
        before = self.branches[branch]
        files = {name: content for name, content in (before.files | changes).items() if content is not None}
        after = Commit(files, message, before.id)
        self.commits[after.id] = self.branches[branch] = after
        return after
