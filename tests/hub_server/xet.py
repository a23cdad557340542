"""Xet, the transfer that the client prefers where hf_xet is installed.

hf_xet stores pieces of files under a place that the hub names. It also takes a folder as that place
(`local://`), so the storage's own protocol need not be spoken here. What it stored is found by the shards
that it leaves there: tables from the SHA-256 of a file to its Xet hash and size.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hub_server.exchange import Answer, Request, refuse

_END = b"\xff" * 32
_READ = """
import sys
from hf_xet import XetFileInfo, XetSession
place, file, size, out = sys.argv[1:]
with XetSession().new_file_download_group(endpoint=place, token="t", token_expiry_unix_secs=2**33) as group:
    group.start_download_file(XetFileInfo(file, int(size)), out)
"""


def token(hub: Any, request: Request, name: str, access: str, revision: str) -> Answer:
    """Where the Xet storage is, for one who may read or write the repository."""
    if hub.xet is None:
        return refuse(404, "no Xet storage")
    if access == "write" and not hub.may_write(request, name):
        return refuse(403, "Forbidden: you don't have write access to this repository")
    place, end = f"local://{hub.xet}", int(time.time()) + 3600
    headers = {
        "X-Xet-Cas-Url": place,
        "X-Xet-Access-Token": "xet_token",
        "X-Xet-Token-Expiration": str(end),
    }
    return Answer(200, {"casUrl": place, "accessToken": "xet_token", "exp": end}, headers)


def file_headers(hub: Any, name: str, sha256: str) -> dict[str, str]:
    """What tells a client that a file can be read through Xet."""
    found = _stored(hub.xet).get(sha256)
    if found is None:
        return {}
    url = f"{hub.endpoint}/api/models/{name}/xet-read-token/main"
    return {"X-Xet-Hash": found[0], "Link": f'<{url}>; rel="xet-auth"'}


def content_of(hub: Any, sha256: str) -> bytes | None:
    """A file that was sent through Xet."""
    found = _stored(hub.xet).get(sha256)
    if found is None:
        return None
    out = hub.xet / "read"
    environment = os.environ | {"HF_HOME": str(hub.xet)}
    arguments = [sys.executable, "-c", _READ, f"local://{hub.xet}", found[0], str(found[1]), str(out)]
    subprocess.run(arguments, env=environment, check=True, timeout=60)
    return out.read_bytes()


def _stored(place: Path | None) -> dict[str, tuple[str, int]]:
    """SHA-256 -> (Xet hash, size) of all files in the storage."""
    shards = [] if place is None else sorted(place.glob("xet/xorbs/shards/*.mdb"))
    return {sha256: (file, size) for shard in shards for sha256, file, size in _files(shard.read_bytes())}


def _files(shard: bytes) -> Iterator[tuple[str, str, int]]:
    """Entries of 48 bytes each: a file's hash with its flags, its segments, their checks, its SHA-256."""
    at = 48
    while shard[at : at + 32] != _END:
        file = shard[at : at + 32]
        flags, segments = struct.unpack("<II", shard[at + 32 : at + 40])
        at += 48
        size = sum(
            struct.unpack("<I", shard[at + 48 * i + 36 : at + 48 * i + 40])[0] for i in range(segments)
        )
        at += 48 * segments * (2 if flags >> 31 & 1 else 1)
        if flags >> 30 & 1:
            yield _hex(shard[at : at + 32]), _hex(file), size
            at += 48


def _hex(raw: bytes) -> str:
    return "".join(raw[start : start + 8][::-1].hex() for start in range(0, 32, 8))
