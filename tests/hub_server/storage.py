"""Where large files lie: another origin, reached by signed addresses and never with the user's token."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from hub_server.exchange import Answer, Request, refuse

Route = tuple[str, str, Any]


def put(hub: Any, request: Request, oid: str) -> Answer:
    if hashlib.sha256(request.body).hexdigest() != oid:
        return refuse(400, "the content has another SHA-256 than its name")
    hub.objects[oid] = request.body
    return Answer(headers={"ETag": f'"{oid[:32]}"'})


def get(hub: Any, request: Request, oid: str) -> Answer:
    content = hub.objects.get(oid)
    if content is None:
        return refuse(404, "NoSuchKey")
    headers = {"ETag": f'"{oid[:32]}"', "Accept-Ranges": "bytes"}
    asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
    if asked is None:
        return Answer(200, content, headers)
    start, end = int(asked[1]), int(asked[2] or len(content) - 1)
    if start >= len(content):
        return Answer(416, b"", headers | {"Content-Range": f"bytes */{len(content)}"})
    headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
    return Answer(206, content[start : end + 1], headers)


ROUTES: tuple[Route, ...] = (
    ("PUT", "/(?P<oid>[0-9a-f]{64})", put),
    ("GET HEAD", "/(?P<oid>[0-9a-f]{64})", get),
)
