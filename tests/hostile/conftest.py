"""Fixtures of the hostile corpus."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hostile.children import ForkServer, Outcome
from hostile.harmless import MAKERS

CAPTION = "a photo of a large red ball and a small blue cube on the grass"  # long enough for a slow pattern
Outcomes = dict[str, Outcome]


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[ForkServer]:
    running = ForkServer(tmp_path_factory.mktemp("children"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def run(server, tmp_path_factory) -> Callable[[Path, Path], Outcomes]:
    """`run(path, folder)`: what `inspect` and `clean`, which has four pairs to train on, make of a path."""
    from clipsan.synthesis.shapes import write_pairs

    pairs = tmp_path_factory.mktemp("pairs") / "pairs"
    write_pairs(pairs, 4, seed=1, size=48)
    lines = [{"file_name": path.name, "text": CAPTION} for path in sorted(pairs.glob("*.png"))]
    (pairs / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    def both(path: Path, folder: Path) -> Outcomes:
        commands = {
            "inspect": ["inspect", path],
            "clean": [
                "clean", path, "--data", pairs, "--out", folder / "cleaned", "--steps", "1",
                "--batch-size", "2", "--held-out", "0", "--device", "cpu", "--quiet",
            ],
        }  # fmt: skip
        return dict(zip(commands, server.clipsan(list(commands.values()), folder), strict=True))

    return both


@pytest.fixture(scope="session")
def harmless(run, tmp_path_factory) -> Callable[[str], Outcomes]:
    """`harmless(kind)`: what becomes of the harmless file of that kind, run once."""
    known: dict[str, Outcomes] = {}

    def outcomes(kind: str) -> Outcomes:
        if kind not in known:
            folder = tmp_path_factory.mktemp("harmless")
            known[kind] = run(MAKERS[kind](folder), folder)
        return known[kind]

    return outcomes
