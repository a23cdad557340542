"""The half of the protocol that the package `datasets` speaks: data set repositories, read in parts."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from hub_server.exchange import Answer, Request, refuse
from hub_server.reading import REPOSITORY, Route, _entry, find, information
from hub_server.repository import file_id


def data_set(hub: Any, request: Request, name: str, revision: str = "main") -> Answer:
    answer = information(hub, request, name, revision)
    if answer.status == 200:
        answer.content = {key: value for key, value in answer.content.items() if key != "modelId"}
    return answer


def folder(hub: Any, request: Request, name: str, revision: str, path: str = "") -> Answer:
    """The entries directly in a folder, or all below it where the client asks for that."""
    found = find(hub, request, name, revision)
    if isinstance(found, Answer):
        return found
    inside = f"{unquote(path)}/" if path else ""
    below = {file: data for file, data in found[1].files.items() if file.startswith(inside)}
    if path and not below:
        return refuse(404, "Entry not found", "EntryNotFound")
    everything = request.query.get("recursive", "").lower() == "true"
    entries = [_entry(f, d) for f, d in below.items() if everything or "/" not in f[len(inside) :]]
    folders = {inside + f[len(inside) :].partition("/")[0] for f in below if "/" in f[len(inside) :]}
    return Answer(content=[*entries, *(_folder(one) for one in sorted(folders))])


def paths(hub: Any, request: Request, name: str, revision: str) -> Answer:
    found = find(hub, request, name, revision)
    if isinstance(found, Answer):
        return found
    asked = request.body.decode()
    wanted = re.findall(r'"([^"]*)"', asked.partition("[")[2].partition("]")[0]) or re.findall(
        r"paths=([^&]*)", asked
    )
    files, entries = found[1].files, []
    for path in map(unquote, wanted):
        if path in files:
            entries.append(_entry(path, files[path]))
        elif any(file.startswith(f"{path}/") for file in files):
            entries.append(_folder(path))
    return Answer(content=entries)


def resolve(hub: Any, request: Request, name: str, revision: str, file: str) -> Answer:
    """A file, or the range of it that is asked for."""
    found = find(hub, request, name, revision)
    if isinstance(found, Answer):
        return found
    commit = found[1]
    content = commit.files.get(unquote(file))
    if content is None:
        return refuse(404, "Entry not found", "EntryNotFound")
    headers = {"X-Repo-Commit": commit.id, "Accept-Ranges": "bytes"}
    headers["ETag"] = f'"{file_id(unquote(file), content)}"'
    wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
    if wanted is None:
        return Answer(200, content, headers)
    start, end = int(wanted[1]), min(int(wanted[2] or len(content)), len(content) - 1)
    headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
    return Answer(206, content[start : end + 1], headers)


def _folder(path: str) -> dict[str, Any]:
    return {"type": "directory", "path": path, "oid": "0" * 40, "size": 0}


ROUTES: tuple[Route, ...] = (
    ("GET", f"/api/datasets/{REPOSITORY}/revision/(?P<revision>[^/]+)", data_set),
    ("GET", f"/api/datasets/{REPOSITORY}/tree/(?P<revision>[^/]+)/?", folder),
    ("GET", f"/api/datasets/{REPOSITORY}/tree/(?P<revision>[^/]+)/(?P<path>.+)", folder),
    ("POST", f"/api/datasets/{REPOSITORY}/paths-info/(?P<revision>[^/]+)", paths),
    ("GET", f"/api/datasets/{REPOSITORY}", data_set),
    ("GET HEAD", f"/datasets/{REPOSITORY}/resolve/(?P<revision>[^/]+)/(?P<file>.+)", resolve),
)
