"""Room for all decoded images of a set, so that later epochs decode nothing: in memory or on a disk.

On a disk they lie in a file without a name in the system's folder for temporary files (TMPDIR), which goes
away with the process however that ends, and of which the system keeps in memory what it has room for.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipsan.errors import UsageError

KINDS = ("auto", "memory", "disk", "none")
AUTO_BYTES = 2 << 30
"""`auto` keeps what fits into so much memory."""
MOST_OF_THE_MEMORY = 0.8
"""Of what is free, for decoded images that are to be in memory."""
_ZEROS = 1 << 24
_CGROUP = Path("/sys/fs/cgroup")


def room_for(kind: str, count: int, size: tuple[int, int]) -> NDArray[np.uint8] | None:
    """Room for decoded images, of unknown content.

    Args:
        kind: of `KINDS`.
        count: images.
        size: (height, width) of each.

    Returns:
        uint8 [count x 3 x height x width]; None: they are not kept.

    Raises:
        UsageError: `kind` is not known, or there is no such room.
    """
    check_kind(kind)
    shape = (count, 3, *size)
    needed = count * 3 * size[0] * size[1]
    if kind == "auto":
        return np.empty(shape, np.uint8) if needed <= AUTO_BYTES else None
    if kind == "none":
        return None
    if kind == "memory":
        free = free_memory()
        if free is not None and needed > MOST_OF_THE_MEMORY * free:
            raise UsageError(
                f"--cache-images memory needs {_gb(needed)} for {count} decoded images, which is more than "
                f"{100 * MOST_OF_THE_MEMORY:.0f} % of the {_gb(free)} that are free: choose disk or none"
            )
        return np.empty(shape, np.uint8)
    return _on_disk(shape, needed)


def check_kind(kind: str) -> None:
    """UsageError unless it is one of `KINDS`."""
    if kind not in KINDS:
        raise UsageError(f"--cache-images is {kind!r}, but must be one of {', '.join(KINDS)}")


def free_memory() -> int | None:
    """Bytes that this process may still use without swapping; None where the system does not tell."""
    free = _fields(Path("/proc/meminfo"), ":").get("MemAvailable")
    if free is None:
        return None
    try:
        limit = int((_CGROUP / "memory.max").read_text())
        used = int((_CGROUP / "memory.current").read_text())
    except (OSError, ValueError):  # not in a container, or without a limit
        return 1024 * free
    freed = _fields(_CGROUP / "memory.stat", " ").get("inactive_file", 0)
    return min(1024 * free, max(0, limit - used + freed))


def _fields(path: Path, separator: str) -> dict[str, int]:
    """The numbers of a file with a name and a number a line; none where it cannot be read."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    parts = (line.partition(separator) for line in lines)
    return {
        name: int(rest.split()[0])
        for name, _, rest in parts
        if rest.split()[:1] and rest.split()[0].isdigit()
    }


def _on_disk(shape: tuple[int, ...], needed: int) -> NDArray[np.uint8]:
    """The whole file is claimed at once: a disk that is full later would end the process."""
    folder = tempfile.gettempdir()
    try:
        with tempfile.TemporaryFile(prefix="clipsan-") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, needed)
            else:
                for start in range(0, needed, _ZEROS):
                    file.write(bytes(min(_ZEROS, needed - start)))
                file.flush()
            return np.memmap(file, np.uint8, "r+", shape=shape)
    except OSError as error:
        raise UsageError(
            f"--cache-images disk needs {_gb(needed)} in {folder}, which cannot be had "
            f"({error.strerror or error}): let TMPDIR name a folder with room, or choose none"
        ) from error


def _gb(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
