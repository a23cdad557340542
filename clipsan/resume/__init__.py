"""Runs that can be stopped: what a run saves beside its output folder, and how the same run goes on from it.

    with claimed(Path("cleaned")) as unfinished:  # nobody else writes cleaned/ meanwhile
        keeper = FolderKeeper(unfinished, identity, 100, watcher)
        with keeper.listening():  # SIGINT and SIGTERM wait for the end of an update
            train(..., keeper=keeper)

Beside `cleaned/` lies `cleaned.resume/` until the output is written: `update-00000200/` and the one before it
(`states.py`), and a lock. Safetensors and JSON, nothing is pickled. Left out: what comes before and after the
training (filtering, measuring) is done again.
"""

from __future__ import annotations

from clipsan.resume.folder import Unfinished, claimed
from clipsan.resume.keeper import FolderKeeper

__all__ = ["FolderKeeper", "Unfinished", "claimed"]
