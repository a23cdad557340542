"""The table for a GPU can be made: with a small model, on the CPU."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu_table.py"


@pytest.mark.slow
def test_the_tiny_table_is_whole(tmp_path):
    done = subprocess.run(
        [sys.executable, SCRIPT, "--tiny", "--out", "table"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "table.json").read_text())
    first, second = found["rows"]
    assert first["plain_pairs_per_second"] > 0 and second["plain_pairs_per_second"] is None
    assert second["compiled"] and second["cached"]
    assert all(row["pairs_per_second"] > 0 and 0 < row["matmul_share"] < 1 for row in found["rows"])
    assert all(0 <= row["data_wait"] < 1 for row in found["rows"])
    assert (tmp_path / "table.md").read_text() in done.stdout
    with Image.open(tmp_path / "table.png") as picture:
        assert picture.format == "PNG" and len(picture.getcolors(1 << 16)) > 4
