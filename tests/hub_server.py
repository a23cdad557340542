"""A Hugging Face hub for tests: one process, a few repositories in memory, the read half of its protocol.

Served: `GET /api/models/{repo}[/revision/{rev}]`, and `HEAD`/`GET /{repo}/resolve/{rev}/{file}` with ETag,
X-Repo-Commit and Content-Length; 404 with X-Error-Code for what is missing, 401 where a repository is gated.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class HubRepository:
    """One commit of one repository; `revisions` are branches and tags that point to it."""

    files: dict[str, bytes]
    commit: str = "0123456789abcdef0123456789abcdef01234567"
    revisions: tuple[str, ...] = ("main",)
    gated: bool = False
    token: str | None = None  # when given, a gated repository opens with it


@dataclass
class HubServer:
    """Use as a context manager; `endpoint` is what HF_ENDPOINT takes, `requests` what was asked."""

    repositories: dict[str, HubRepository]
    requests: list[str] = field(default_factory=list)

    def __enter__(self) -> HubServer:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                hub.answer(self, body=True)

            def do_HEAD(self):
                hub.answer(self, body=False)

            def log_message(self, *_):
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def answer(self, request: BaseHTTPRequestHandler, *, body: bool) -> None:
        path = request.path.split("?")[0]
        self.requests.append(f"{request.command} {path}")
        parts = path.strip("/").split("/")
        api = parts[:2] == ["api", "models"]
        if api:
            parts = parts[2:]
        name, rest = "/".join(parts[:2]), parts[2:]
        found = self.repositories.get(name)
        if found is None:
            return self._send(request, 401 if api else 404, b"{}", body, {"X-Error-Code": "RepoNotFound"})
        revision = rest[1] if len(rest) > 1 else "main"
        if revision not in (*found.revisions, found.commit):
            return self._send(request, 404, b"{}", body, {"X-Error-Code": "RevisionNotFound"})
        if api:
            return self._send(
                request, 200, self._info(name, found), body, {"Content-Type": "application/json"}
            )
        allowed = not found.gated or (
            found.token is not None and request.headers.get("Authorization") == f"Bearer {found.token}"
        )
        if not allowed:
            return self._send(request, 401, b"{}", body, {"X-Error-Code": "GatedRepo"})
        content = found.files.get("/".join(rest[2:]))
        commit = {"X-Repo-Commit": found.commit}
        if content is None:
            return self._send(request, 404, b"", body, commit | {"X-Error-Code": "EntryNotFound"})
        tag = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
        return self._send(request, 200, content, body, commit | tag)

    @staticmethod
    def _info(name: str, found: HubRepository) -> bytes:
        siblings = [{"rfilename": file} for file in sorted(found.files)]
        return json.dumps({"id": name, "sha": found.commit, "siblings": siblings, "tags": []}).encode()

    @staticmethod
    def _send(
        request: BaseHTTPRequestHandler, status: int, content: bytes, body: bool, headers: dict[str, str]
    ) -> None:
        request.send_response(status)
        for header, value in headers.items():
            request.send_header(header, value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        if body:
            request.wfile.write(content)
