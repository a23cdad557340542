"""The signals that ask a run to stop, and the exit code of one that did. Light: `--help` imports it."""

from __future__ import annotations

import signal

SIGNALS = (signal.SIGINT, signal.SIGTERM)
INTERRUPTED = 130
