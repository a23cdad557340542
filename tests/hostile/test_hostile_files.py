"""Every hostile file, through the real command line: nothing runs, one sentence, exit 2, bounded memory."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

import pytest
from hostile.corpus import CORPUS
from hostile.entry import SECRET
from hostile.harmless import MAKERS

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork children"),
    pytest.mark.slow,
]

MEMORY = 300 * 10**6  # bytes above what the harmless file of the same kind takes
SECONDS = 5.0  # of the processor
LONGEST = 1500  # characters in a sentence
UNSEEN = ("Cc", "Cf", "Cs", "Co")  # Unicode's control, direction, half and private characters


@pytest.mark.parametrize("entry", CORPUS, ids=lambda entry: entry.name)
def test_hostile_file(entry, run, harmless, tmp_path_factory):
    folder = tmp_path_factory.mktemp("case") / "files"  # a path that has none of the words to be found
    canary = folder.with_name("canary")
    folder.mkdir()
    path = entry.make(folder, canary)
    before = tree(folder)
    outcomes = run(path, folder)
    assert not canary.exists(), "code of the file has run"
    assert entry.loads or tree(folder) == before, "something was left"
    for command, outcome in outcomes.items():
        check_outcome(outcome, harmless(entry.like)[command], command)
        if entry.loads:
            assert outcome.code in (0, 1, 3), outcome.err
        elif command == "clean" or outcome.code == 2:
            check_sentence(outcome, entry)
        elif not entry.unseen:
            check_inspection(outcome, entry)


@pytest.mark.parametrize("kind", MAKERS)
def test_harmless_file_of_the_same_kind(kind, harmless):
    """What the others are compared with is read to its end."""
    outcomes = harmless(kind)
    assert outcomes["inspect"].code == (1 if kind == "TorchScript" else 0), outcomes["inspect"].err
    assert outcomes["clean"].code in (0, 3), outcomes["clean"].err


def check_outcome(outcome, harmless, command):
    said = outcome.out + outcome.err
    assert not outcome.timed_out, f"{command} hangs"
    assert SECRET not in said
    assert not [char for char in said if char != "\n" and unicodedata.category(char) in UNSEEN], repr(said)
    allowed = harmless.peak + MEMORY
    assert outcome.peak <= allowed, f"{command} took {outcome.peak / 1e6:.0f} MB of {allowed / 1e6:.0f}"
    assert outcome.seconds <= SECONDS, f"{command} took {outcome.seconds:.1f} s"


def tree(folder: Path) -> set[str]:
    """All paths below a folder; links are not followed."""
    return {os.path.join(at, name) for at, inner, files in os.walk(folder) for name in (*inner, *files)}


def check_sentence(outcome, entry):
    assert outcome.code == 2, outcome.err or outcome.out
    assert outcome.out == ""
    assert outcome.err.startswith("clipsan: ") and outcome.err.count("\n") == 1, outcome.err
    assert outcome.err.endswith((".\n", "?\n")) and len(outcome.err) < LONGEST, outcome.err
    assert "defect" not in outcome.err and "memory ran out" not in outcome.err, outcome.err
    assert re.search(entry.finds, outcome.err), outcome.err


def check_inspection(outcome, entry):
    """Unsafe content is exit 1 and named; a fault that only stops a load is a row of its own."""
    words = " ".join(outcome.err.split()).partition(" architecture ")[2]
    named = outcome.code == 1 or (outcome.code == 0 and entry.live is None and "problem " in words)
    assert named and re.search(entry.finds, words), words
