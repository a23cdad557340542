"""The half of the protocol that `create_repo`, `create_branch` and `create_commit` speak."""

from __future__ import annotations

import base64
import json
import re
from typing import Any
from urllib.parse import unquote

import yaml

from hub_server import xet
from hub_server.exchange import Answer, Request, refuse
from hub_server.reading import find
from hub_server.repository import ATTRIBUTES, Commit, HubRepository, file_id, is_large

# some of those that the hub knows
LICENCES = ("mit", "apache-2.0", "openrail", "cc-by-4.0", "bsd-3-clause", "other", "unknown")
FORBIDDEN = "Forbidden: you don't have write access to this repository"
PULL_REQUEST = "refs/pr/"
NAME = r"(?P<name>[^/]+/[^/]+)"


def create(hub: Any, request: Request) -> Answer:
    asked = request.json()
    if request.account is None:
        return refuse(401, "Invalid username or password.")
    owner = asked.get("organization") or request.account.name
    if not any(account.owns(owner) for account in hub.accounts.values()):
        return refuse(404, "Namespace not found")
    name = f"{owner}/{asked['name']}"
    if not hub.may_write(request, name):
        return refuse(403, f'You don\'t have the rights to create a model under the namespace "{owner}"')
    if name in hub.repositories:
        exists = refuse(409, "You already created this model repo")
        return Answer(
            409, {"error": "You already created this model repo", "url": _url(hub, name)}, exists.headers
        )
    hidden = asked.get("visibility") == "private" or bool(asked.get("private"))
    hub.repositories[name] = HubRepository({".gitattributes": ATTRIBUTES}, private=hidden)
    return Answer(content={"url": _url(hub, name), "name": name, "id": "0" * 24})


def branch(hub: Any, request: Request, name: str, branch: str) -> Answer:
    found = find(hub, request, name)
    if isinstance(found, Answer):
        return found
    repository, head = found
    wanted = unquote(branch)
    if not hub.may_write(request, name):
        return refuse(403, FORBIDDEN)
    if wanted.startswith("refs/"):
        return refuse(400, "Invalid reference for a branch: " + wanted)
    if wanted in repository.branches:
        return refuse(409, "Reference already exists")
    repository.branches[wanted] = head
    return Answer(201, {})


def validate(hub: Any, request: Request) -> Answer:
    asked = request.json()
    errors = [{"message": message} for message in faults_of_card(asked["content"])]
    return Answer(400 if errors else 200, {"errors": errors, "warnings": []})


def faults_of_card(text: str) -> list[str]:
    """What the hub would say of a card's metadata."""
    match = re.match(r"^(\s*---(?:\r\n|\r|\n))([\S\s]*?)((?:\r\n|\r|\n)---[ \t]*(\r\n|\n|$))", text)
    if match is None:
        return []
    try:
        found = yaml.safe_load(match[2])
    except yaml.YAMLError as error:
        return [f"YAML metadata is invalid: {error}".splitlines()[0]]
    if not isinstance(found, dict):
        return ["YAML metadata must be an object"]
    faults = []
    if found.get("license", "mit") not in LICENCES:
        faults.append(f'"license" must be one of [{", ".join(LICENCES)}]')
    if not isinstance(found.get("tags", []), list):
        faults.append('"tags" must be an array')
    for name, kind in (("base_model", str), ("library_name", str), ("pipeline_tag", str)):
        if not isinstance(found.get(name, ""), kind):
            faults.append(f'"{name}" must be a string')
    for i, model in enumerate(found.get("model-index", [])):
        where = f"model-index[{i}]"
        if not isinstance(model.get("name"), str):
            faults.append(f'"{where}.name" is required')
        for j, result in enumerate(model.get("results", [])):
            for path in ("task.type", "dataset.type", "dataset.name"):
                outer, inner = path.split(".")
                if not isinstance(result.get(outer, {}).get(inner), str):
                    faults.append(f'"{where}.results[{j}].{path}" is required')
            for metric in result.get("metrics", []):
                if not isinstance(metric.get("type"), str) or "value" not in metric:
                    faults.append(f'"{where}.results[{j}].metrics" need type and value')
    return faults


def preupload(hub: Any, request: Request, name: str, revision: str) -> Answer:
    found = _open_for_writing(hub, request, name, revision, _branch(request, revision))
    if isinstance(found, Answer):
        return found
    held = found[1].files
    files = []
    for file in request.json()["files"]:
        path = file["path"]
        entry = {"path": path, "uploadMode": "lfs" if is_large(path) else "regular", "shouldIgnore": False}
        if path in held:
            entry["oid"] = file_id(path, held[path])
        files.append(entry)
    return Answer(content={"files": files})


def batch(hub: Any, request: Request, name: str) -> Answer:
    """Where each large file is to be sent; no action for one that the storage has already."""
    asked = request.json()
    branch = asked.get("ref", {}).get("name", PULL_REQUEST)  # none is named for a new pull request
    found = _open_for_writing(hub, request, name, branch if branch != PULL_REQUEST else "main", branch)
    if isinstance(found, Answer):
        return found
    objects = []
    for wanted in asked["objects"]:
        entry = dict(wanted)
        if wanted["oid"] not in hub.objects:
            verify = {"href": f"{hub.endpoint}/{name}.git/info/lfs/objects/verify"}
            upload = {"href": f"{hub.storage_endpoint}/{wanted['oid']}?X-Amz-Signature=abc"}
            entry["actions"] = {"upload": upload, "verify": verify}
        objects.append(entry)
    return Answer(content={"transfer": "basic", "objects": objects})


def verify(hub: Any, request: Request, name: str) -> Answer:
    asked = request.json()
    held = hub.objects.get(asked["oid"])
    return Answer() if held is not None and len(held) == asked["size"] else refuse(404, "Object not found")


def commit(hub: Any, request: Request, name: str, revision: str) -> Answer:
    found = _open_for_writing(hub, request, name, revision, _branch(request, revision))
    if isinstance(found, Answer):
        return found
    repository, head = found
    lines = [json.loads(line) for line in request.body.splitlines()]
    header = lines[0]["value"]
    if header.get("parentCommit", head.id) != head.id:
        return refuse(412, "A commit has happened since. Please refresh and try again.")
    changes: dict[str, bytes | None] = {}
    for line in lines[1:]:
        value = line["value"]
        if line["key"] == "file":
            changes[value["path"]] = base64.b64decode(value["content"])
        elif line["key"] == "lfsFile":
            content = hub.objects.get(value["oid"]) or xet.content_of(hub, value["oid"])
            if content is None:
                return refuse(400, f"LFS pointer pointed to a file that does not exist: {value['path']}")
            changes[value["path"]] = content
        elif line["key"] == "deletedFile":
            changes[value["path"]] = None
    if not changes:
        return refuse(400, "Empty commit")
    faults = faults_of_card((changes.get("README.md") or b"").decode())
    if faults:
        return refuse(400, faults[0])
    branch = unquote(revision)
    answer: dict[str, Any] = {"success": True, "hookOutput": ""}
    if request.query.get("create_pr") == "1":
        number = len(repository.pull_requests) + 1
        branch = f"refs/pr/{number}"
        repository.branches[branch] = head
        repository.pull_requests.append(header["summary"])
        answer["pullRequestUrl"] = f"{_url(hub, name)}/discussions/{number}"
    made = repository.commit(branch, changes, header["summary"])
    return Answer(content=answer | {"commitOid": made.id, "commitUrl": f"{_url(hub, name)}/commit/{made.id}"})


def _branch(request: Request, revision: str) -> str:
    return PULL_REQUEST if request.query.get("create_pr") == "1" else unquote(revision)


def _open_for_writing(
    hub: Any, request: Request, name: str, revision: str, branch: str
) -> tuple[HubRepository, Commit] | Answer:
    """What the client begins with, where it may write to `branch`: anybody may to a pull request."""
    found = find(hub, request, name, revision)
    if isinstance(found, Answer):
        return found
    if request.account is None:
        return refuse(401, "Invalid username or password.")
    if not hub.may_write(request, name) and not branch.startswith(PULL_REQUEST):
        return refuse(403, FORBIDDEN)
    return found


def _url(hub: Any, name: str) -> str:
    return f"{hub.endpoint}/{name}"


ROUTES = (
    ("POST", "/api/repos/create", create),
    ("POST", "/api/validate-yaml", validate),
    ("POST", f"/api/models/{NAME}/branch/(?P<branch>[^/]+)", branch),
    ("POST", f"/api/models/{NAME}/preupload/(?P<revision>[^/]+)", preupload),
    ("POST", f"/api/models/{NAME}/commit/(?P<revision>[^/]+)", commit),
    ("POST", rf"/{NAME}\.git/info/lfs/objects/batch", batch),
    ("POST", rf"/{NAME}\.git/info/lfs/objects/verify", verify),
    ("GET", f"/api/models/{NAME}/xet-(?P<access>read|write)-token/(?P<revision>[^/]+)", xet.token),
)
