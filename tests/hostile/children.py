"""The tests' side of the fork server: commands in, what became of them out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS = 20.0  # of the clock, after which a child counts as hung


@dataclass(frozen=True)
class Outcome:
    """How one command ended.

    Attributes:
        code: its exit code; negative: the signal that ended its process.
        timed_out: it was killed because it hung.
        peak: bytes of memory of its process up to here, at most, with what it shares with its parent; or of
            the largest process that it started.
        seconds: of the processor.
    """

    code: int
    timed_out: bool
    peak: int
    seconds: float
    out: str
    err: str


class ForkServer:
    """A running `fork_server.py`."""

    def __init__(self, outputs: Path) -> None:
        """`outputs`: an empty folder for what the children print."""
        self._outputs = outputs
        here = Path(__file__).resolve()
        paths = [here.parents[1], here.parents[2], os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {
            "BROWSER": "touch",  # what webbrowser.open would start
            "HF_HUB_OFFLINE": "1",
            "HOME": str(outputs),
            "OMP_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
        }
        environment.pop("CLIPSAN_DEBUG", None)
        self._said = outputs / "server"
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "hostile.fork_server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=said, text=True, env=environment, cwd=outputs,
            )  # fmt: skip
        self._answer()

    def clipsan(self, commands: Sequence[Sequence[str | Path]], folder: Path) -> list[Outcome]:
        """`clipsan ARGUMENTS` for each of the commands, in one child, with `folder` as its working folder.

        Where a command ends its process, those behind it end with it.
        """
        listed = [[str(argument) for argument in command] for command in commands]
        return self._ask({"commands": listed}, folder, len(listed))

    def careless(self, reader: str, path: Path, folder: Path) -> Outcome:
        """The file read the unsafe way."""
        return self._ask({"reader": reader, "path": str(path)}, folder, 1)[0]

    def stop(self) -> None:
        self._process.communicate(timeout=10)

    def _ask(self, request: dict[str, Any], folder: Path, count: int) -> list[Outcome]:
        assert self._process.stdin is not None
        for old in self._outputs.glob("std*"):
            old.unlink()
        request |= {"folder": str(folder), "seconds": SECONDS, "outputs": str(self._outputs)}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._answer())
        crashed = {"code": answer["code"], "peak": 0, "seconds": 0.0}
        ended = [*answer["commands"], *[crashed] * count][:count]
        unended = len(answer["commands"])
        return [
            Outcome(
                **found, timed_out=answer["timed_out"] and n >= unended,
                out=self._printed(f"stdout{n}"), err=self._printed(f"stderr{n}"),
            )
            for n, found in enumerate(ended)
        ]  # fmt: skip

    def _printed(self, name: str) -> str:
        path = self._outputs / name
        return path.read_bytes().decode() if path.exists() else ""

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            raise RuntimeError(f"the fork server ended: {self._said.read_text()}")
        return line
