"""Runs of `clean` for the fault tests: tiny, on pairs of which one is broken, stopped where a test says."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from pathlib import Path

import clipsan
from clipsan.errors import StoppedError
from clipsan.runs.watch import Watcher

SETTINGS = {
    "steps": 7, "batch_size": 8, "device": "cpu", "lr_start": 1e-3, "lr": 1e-4, "held_out": 0.0, "seed": 3,
}  # fmt: skip
"""Seven updates of 8 of 40 pairs: the run passes from its first epoch into the second."""


class Hearing(Watcher):
    """Remembers what it is told; `at` an update it does `act`."""

    def __init__(self, at=None, act=lambda: os.kill(os.getpid(), signal.SIGINT)):
        self.stages, self.warnings, self.updates = [], [], []
        self._at, self._act = at, act

    def stage(self, text):
        self.stages.append(text)

    def warn(self, text):
        self.warnings.append(text)

    def step(self, step):
        self.updates.append(step.step)
        if step.step == self._at:
            self._act()


def clean(out="cleaned", *, at=None, act=None, model="model", **changes):
    """A run of `clean`, or what is heard of one that was stopped after update `at`."""
    watcher = Hearing(at) if act is None else Hearing(at, act)
    try:
        clipsan.clean(model, "pairs", out=out, watcher=watcher, **{**SETTINGS, **changes})
    except StoppedError as stop:
        watcher.stopped = str(stop)
    return watcher


def outcome(folder) -> tuple[str, str]:
    """What two equal runs must agree in: the weights' SHA-256, and the report but for its seconds."""
    weights = (Path(folder) / "open_clip_model.safetensors").read_bytes()
    report = json.loads((Path(folder) / "report.json").read_text())
    del report["training"]["seconds"]
    return hashlib.sha256(weights).hexdigest(), json.dumps(report)
