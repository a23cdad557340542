"""The canaries are live: read the careless way, each file that holds code does create its canary.

Without this the corpus could go blunt, and its other test would pass for nothing.
"""

from __future__ import annotations

import os

import pytest
from hostile.corpus import CORPUS

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork children")


@pytest.mark.parametrize("entry", [e for e in CORPUS if e.live], ids=lambda entry: entry.name)
def test_code_runs_where_nothing_stops_it(entry, server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("case") / "files"
    canary = folder.with_name("canary")
    folder.mkdir()
    path = entry.make(folder, canary)
    assert not canary.exists()
    outcome = server.careless(entry.live, path, folder)
    assert canary.exists(), outcome.err
