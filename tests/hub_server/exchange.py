"""One request and its answer, without sockets."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Request:
    """What a client asks; `path` is still quoted, `account` is None without a token."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]  # by names in small letters
    body: bytes
    account: Any = None

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer:
    status: int = 200
    content: bytes | dict[str, Any] | list[Any] = b""
    headers: dict[str, str] = field(default_factory=dict)

    def encoded(self) -> tuple[bytes, dict[str, str]]:
        if isinstance(self.content, bytes):
            return self.content, self.headers
        return json.dumps(self.content).encode(), {"Content-Type": "application/json"} | self.headers


def refuse(status: int, message: str, code: str | None = None) -> Answer:
    """An error as the hub words it: in the body, and in two headers."""
    headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
    return Answer(status, {"error": message}, headers)
