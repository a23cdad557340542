"""A process that has imported clipsan and torch and forks a child for each request.

A child starts in a twentieth of a second instead of seconds, and all begin with the same memory. Requests and
answers are lines of JSON on stdin and stdout. A request has `folder` (the child's working folder), `outputs`
(a folder for stdout and stderr of each command), `seconds` (after which the child is killed) and either
`commands` (lists of arguments of the command line, run one after the other) or `reader` and `path`.
"""

from __future__ import annotations

import contextlib
import copyreg
import gc
import json
import os
import pickle
import resource
import signal
import sys
import time
import traceback
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from hostile.entry import EXTENSION

import clipsan.runs.clean
import clipsan.runs.inspect  # noqa: F401  all of it before the first fork
from clipsan.cli import main

LARGEST_GROWTH = 3 << 30  # bytes of address space; a defect must not take the machine with it
LARGEST_FILE = 1 << 30
PATIENCE = 0.5  # seconds for what a child started and did not wait for
CRASHED = 70  # exit code of a command that ended in a traceback


def read_pickle(path: Path) -> None:
    """`pickle.loads`, as careless programs read a file."""
    pickle.loads(path.read_bytes())


def read_member(path: Path) -> None:
    """`pickle.loads` of every member of an archive that looks like a pickle."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            data = archive.read(member)
            if data[:1] == pickle.PROTO:
                with contextlib.suppress(Exception):  # torch's own needs its reader; numbers are no pickle
                    pickle.loads(data)


def read_torch(path: Path) -> None:
    """`torch.load` of torch before 2.6."""
    torch.load(path, weights_only=False)


def read_module(path: Path) -> None:
    """Code in an archive run as the Python that it is."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".py"):
                exec(archive.read(name), {})


def read_folder(path: Path) -> None:
    """`pickle.loads` of every file in a folder that is one."""
    for file in sorted(path.iterdir()):
        if file.read_bytes()[:1] == pickle.PROTO:
            read_pickle(file)


READERS = {
    "pickle": read_pickle,
    "member": read_member,
    "torch": read_torch,
    "module": read_module,
    "folder": read_folder,
}


def serve() -> None:
    """Answer requests until stdin ends."""
    copyreg.add_extension("os", "system", EXTENSION)
    for arguments in (["inspect", "nothing"], ["clean", "nothing", "--data", "nothing"]):
        _command(arguments)  # both fail; what they import on the way need not be imported again
    gc.collect()
    gc.freeze()  # children do not copy the parent's objects by collecting
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line))), flush=True)
    os._exit(0)  # without the farewells of the libraries it has loaded


def _command(arguments: list[str]) -> int:
    """The command line in this process; its exit code."""
    sys.argv = ["clipsan", *arguments]
    try:
        main()
    except SystemExit as stopped:
        return stopped.code if isinstance(stopped.code, int) else 0
    return 0


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    """Fork, wait, and say how it ended: {"code", "timed_out", "commands": [{"code", "peak", "seconds"}]}."""
    child = os.fork()
    if child == 0:
        _become(request)
    stop, timed_out = time.monotonic() + request["seconds"], False
    while True:
        ended, status, _ = os.wait4(child, os.WNOHANG)
        if ended:
            break
        if time.monotonic() > stop and not timed_out:
            timed_out = True
            os.killpg(child, signal.SIGKILL)
        time.sleep(0.002)
    _end_rest_of(child)
    commands = [json.loads(line) for line in _ended(request).read_text().splitlines()]
    return {"code": os.waitstatus_to_exitcode(status), "timed_out": timed_out, "commands": commands}


def _end_rest_of(child: int) -> None:
    """Let the processes that a child started end on their own, as their canaries count; then kill them."""
    stop = time.monotonic() + PATIENCE
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < stop:
            os.killpg(child, 0)
            time.sleep(0.002)
        os.killpg(child, signal.SIGKILL)


def _ended(request: dict[str, Any]) -> Path:
    """Where the child writes a line for each command that ended."""
    return Path(request["outputs"]) / "ended"


def _become(request: dict[str, Any]) -> None:
    """The child: its own session, no input that ever ends, its output in files, limited memory."""
    code = CRASHED
    try:
        os.setsid()
        waiting, _ = os.pipe()
        os.dup2(waiting, 0)
        _ended(request).write_text("")
        os.chdir(request["folder"])
        sys.path.insert(0, request["folder"])
        _limit()
        if "reader" in request:
            _run(lambda: READERS[request["reader"]](Path(request["path"])), request, 0)
        for number, arguments in enumerate(request.get("commands", ())):
            _run(lambda arguments=arguments: _command(arguments), request, number)
        code = 0
    finally:
        os._exit(code)


def _run(command: Callable[[], object], request: dict[str, Any], number: int) -> None:
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        path = Path(request["outputs"]) / f"{name}{number}"
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    before = resource.getrusage(resource.RUSAGE_SELF)
    code: object = CRASHED
    try:
        code = command()
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    used = resource.getrusage(resource.RUSAGE_SELF)
    helpers = resource.getrusage(resource.RUSAGE_CHILDREN)  # that the command started and waited for
    peak = max(used.ru_maxrss, helpers.ru_maxrss) * (1 if sys.platform == "darwin" else 1024)
    seconds = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    with _ended(request).open("a") as file:
        file.write(json.dumps({"code": code, "peak": peak, "seconds": seconds}) + "\n")


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
    sizes = Path("/proc/self/statm")
    if sizes.exists():  # elsewhere the limit is not kept, or not of this kind
        now = int(sizes.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (now + LARGEST_GROWTH, now + LARGEST_GROWTH))


if __name__ == "__main__":
    serve()
