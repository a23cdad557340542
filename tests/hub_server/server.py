"""The sockets: two origins (the hub, and the storage of large files), accounts, and faults on demand."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from hub_server import data_sets, reading, storage, writing
from hub_server.exchange import Answer, Request, refuse
from hub_server.repository import HubRepository


@dataclass(frozen=True)
class Account:
    """Whom a token belongs to; `role` is "read" or "write"."""

    name: str
    organisations: tuple[str, ...] = ()
    role: str = "write"

    def owns(self, namespace: str | None) -> bool:
        return namespace in (self.name, *self.organisations)


@dataclass
class Fault:
    """What goes wrong with the next `times` requests that match.

    Attributes:
        line: a regular expression that `METHOD /path` must match from its beginning.
        status: the answer; 0: the connection is cut when half of the body has come.
        message: the error's text; `{authorization}` becomes the header that was sent.
        headers: such as Retry-After.
        until: the request waits for this first, so that a test can stop the client meanwhile.
    """

    line: str
    status: int = 0
    message: str = "out of order"
    headers: dict[str, str] = field(default_factory=dict)
    times: int = 1
    until: threading.Event | None = None
    reached: threading.Event = field(default_factory=threading.Event)


@dataclass
class HubServer:
    """Use as a context manager; `endpoint` is what HF_ENDPOINT takes, `requests` what was asked."""

    repositories: dict[str, HubRepository] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    xet: Path | None = None  # where the Xet storage lies, if the client is to use it
    requests: list[str] = field(default_factory=list)
    authorizations: dict[str, set[str]] = field(default_factory=dict)  # path -> headers sent with it
    objects: dict[str, bytes] = field(default_factory=dict)  # the large files, by SHA-256

    def __enter__(self) -> HubServer:
        self.lock = threading.Lock()
        self._hub = _listen(self, (*data_sets.ROUTES, *reading.ROUTES, *writing.ROUTES))
        self._storage = _listen(self, storage.ROUTES)
        return self

    def __exit__(self, *_: object) -> None:
        for fault in self.faults:
            if fault.until is not None:
                fault.until.set()
        for server in (self._hub, self._storage):
            server.shutdown()
            server.server_close()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._hub.server_port}"

    @property
    def storage_endpoint(self) -> str:
        return f"http://127.0.0.1:{self._storage.server_port}"

    def asked(self, pattern: str) -> list[str]:
        """The requests that match, in order."""
        return [line for line in self.requests if re.match(pattern, line)]

    def may_read(self, request: Request, repository: HubRepository, name: str) -> bool:
        owner = repository.owner or name.partition("/")[0]
        return request.account is not None and request.account.owns(owner)

    def may_write(self, request: Request, name: str) -> bool:
        account = request.account
        return account is not None and account.role == "write" and account.owns(name.partition("/")[0])

    def fault(self, line: str) -> Fault | None:
        with self.lock:
            found = next((f for f in self.faults if f.times > 0 and re.match(f.line, line)), None)
            if found is not None:
                found.times -= 1
            return found

    def answer(self, request: Request, routes: tuple[reading.Route, ...]) -> Answer:
        sent = request.headers.get("authorization", "")
        token = sent.removeprefix("Bearer ")
        request.account = self.accounts.get(token)
        if sent and request.account is None:
            return refuse(401, "Invalid credentials in Authorization header")
        for method, pattern, function in routes:
            match = re.fullmatch(pattern, request.path)
            if match and request.method in method.split():
                with self.lock:
                    return function(self, request, **match.groupdict())
        return refuse(404, f"no such page: {request.method} {request.path}")


def _listen(hub: HubServer, routes: tuple[reading.Route, ...]) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def serve(self) -> None:
            url = urlsplit(self.path)
            line = f"{self.command} {url.path}"
            hub.requests.append(line)
            headers = {name.lower(): value for name, value in self.headers.items()}
            hub.authorizations.setdefault(url.path, set()).add(headers.get("authorization", ""))
            length = int(headers.get("content-length") or 0)
            fault = hub.fault(line)
            if fault is not None:
                fault.reached.set()
                if fault.until is not None:
                    fault.until.wait(60)
                if not fault.status:
                    self.rfile.read(length // 2)
                    self.close_connection = True
                    return
            request = Request(
                self.command,
                url.path,
                dict(parse_qsl(url.query)),
                headers,
                b"".join(_body(self.rfile, length)),
            )
            if fault is not None:
                message = fault.message.format(authorization=headers.get("authorization", ""))
                answer = refuse(fault.status, message)
                answer.headers |= fault.headers
            else:
                answer = hub.answer(request, routes)
            content, more = answer.encoded()
            self.send_response(answer.status)
            for name, value in more.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = serve

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass  # a client that went away is what some tests are about

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server


def _body(file: object, length: int) -> Iterator[bytes]:
    """The body in pieces; less than announced where the client goes away."""
    while length > 0:
        piece = file.read(min(length, 1 << 20))  # type: ignore[attr-defined]
        if not piece:
            raise ConnectionResetError("the client went away")
        length -= len(piece)
        yield piece
