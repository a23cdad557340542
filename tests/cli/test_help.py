"""Help is fast and does not import torch."""

from __future__ import annotations

import subprocess
import sys

import pytest

COMMANDS = [
    [], ["clean"], ["audit"], ["triggers"], ["synth"], ["inspect"], ["report"], ["diff"], ["push"],
    ["poison"], ["compare"], ["bench"], ["demo"],
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: " ".join(c) or "clipsan")
def test_help_imports_nothing_heavy(command):
    code = (
        "import sys; from clipsan.cli import main\n"
        f"sys.argv = ['clipsan', *{command!r}, '--help']\n"
        "try: main()\n"
        "except SystemExit as stop: code = stop.code\n"
        "libraries = {'torch', 'numpy', 'PIL', 'open_clip', 'huggingface_hub', 'safetensors'}\n"
        "heavy = libraries & set(sys.modules)\n"
        "assert code == 0 and not heavy, (code, heavy)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_version():
    done = subprocess.run([sys.executable, "-m", "clipsan", "--version"], capture_output=True, text=True)
    from clipsan import __version__

    assert done.stdout == f"clipsan {__version__}\n"
    assert done.returncode == 0


def test_importing_clipsan_does_not_import_torch():
    code = "import sys, clipsan; assert 'torch' not in sys.modules; dir(clipsan)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
