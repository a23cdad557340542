"""The half of the protocol that `model_info` and `hf_hub_download` speak."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from hub_server import xet
from hub_server.exchange import Answer, Request, refuse
from hub_server.repository import Commit, HubRepository, file_id, is_large

Route = tuple[str, str, Callable[..., Answer]]
REPOSITORY = r"(?P<name>[^/]+(/[^/]+)?)"


def find(
    hub: Any, request: Request, name: str, revision: str = "main"
) -> tuple[HubRepository, Commit] | Answer:
    """A repository that the client may see, and the commit asked for."""
    repository = hub.repositories.get(name)
    if repository is None or (repository.private and not hub.may_read(request, repository, name)):
        return refuse(404 if request.account else 401, "Repository not found", "RepoNotFound")
    commit = repository.at(unquote(revision))
    if commit is None:
        return refuse(404, f"Invalid rev id: {unquote(revision)}", "RevisionNotFound")
    return repository, commit


def whoami(hub: Any, request: Request) -> Answer:
    if request.account is None:
        return refuse(401, "Invalid username or password.")
    organisations = [{"name": name, "type": "org"} for name in request.account.organisations]
    token = {"accessToken": {"displayName": "test", "role": request.account.role}}
    return Answer(
        content={"type": "user", "name": request.account.name, "orgs": organisations, "auth": token}
    )


def information(hub: Any, request: Request, name: str, revision: str = "main") -> Answer:
    found = find(hub, request, name, revision)
    if isinstance(found, Answer):
        return found
    repository, commit = found
    return Answer(
        content={
            "_id": "0" * 24, "id": name, "modelId": name, "sha": commit.id, "private": repository.private,
            "gated": "manual" if repository.gated else False, "disabled": False, "tags": [], "downloads": 0,
            "likes": 0, "siblings": [{"rfilename": file} for file in sorted(commit.files)],
        }
    )  # fmt: skip


def tree(hub: Any, request: Request, name: str, revision: str) -> Answer:
    found = find(hub, request, name, revision)
    if isinstance(found, Answer):
        return found
    return Answer(content=[_entry(file, content) for file, content in sorted(found[1].files.items())])


def references(hub: Any, request: Request, name: str) -> Answer:
    found = find(hub, request, name)
    if isinstance(found, Answer):
        return found
    branches = [
        {"name": branch, "ref": f"refs/heads/{branch}", "targetCommit": commit.id}
        for branch, commit in found[0].branches.items()
        if not branch.startswith("refs/")
    ]
    return Answer(content={"branches": branches, "converts": [], "tags": []})


def resolve(hub: Any, request: Request, name: str, revision: str, file: str) -> Answer:
    found = find(hub, request, name, revision)
    if isinstance(found, Answer):
        return found
    repository, commit = found
    headers = {"X-Repo-Commit": commit.id}
    if repository.gated and not hub.may_read(request, repository, name):
        return refuse(403 if request.account else 401, f"Access to model {name} is restricted.", "GatedRepo")
    content = commit.files.get(unquote(file))
    if content is None:
        missing = refuse(404, "Entry not found", "EntryNotFound")
        missing.headers |= headers
        return missing
    oid = file_id(unquote(file), content)
    if not is_large(file):
        return Answer(200, content, headers | {"ETag": f'"{oid}"', "Accept-Ranges": "bytes"})
    headers |= {"X-Linked-Etag": f'"{oid}"', "X-Linked-Size": str(len(content))}
    headers |= xet.file_headers(hub, name, oid)
    hub.objects.setdefault(oid, content)
    return Answer(302, b"", headers | {"Location": f"{hub.storage_endpoint}/{oid}?X-Amz-Signature=abc"})


def _entry(file: str, content: bytes) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "type": "file",
        "path": file,
        "size": len(content),
        "oid": file_id(file, content),
    }
    if is_large(file):
        entry["lfs"] = {"oid": file_id(file, content), "size": len(content), "pointerSize": 130}
    return entry


ROUTES: tuple[Route, ...] = (
    ("GET", "/api/whoami-v2", whoami),
    ("GET", f"/api/models/{REPOSITORY}/revision/(?P<revision>[^/]+)", information),
    ("GET", f"/api/models/{REPOSITORY}/tree/(?P<revision>[^/]+)/?", tree),
    ("GET", r"/api/models/(?P<name>[^/]+/[^/]+)/refs", references),
    ("GET", f"/api/models/{REPOSITORY}", information),
    ("GET HEAD", f"/{REPOSITORY}/resolve/(?P<revision>[^/]+)/(?P<file>.+)", resolve),
)
