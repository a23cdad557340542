"""Opens data sets of a hub on this machine and prints what it found as JSON; run in a process of its own.

The package `datasets` takes the hub's address from the environment once, when it is imported.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from clipsan.errors import DataError
from clipsan.pairs import Reading, open_pairs


def look(source: str, **settings) -> dict:
    try:
        pairs = open_pairs(source, Reading(**settings))
    except DataError as error:
        return {"error": str(error)}
    images = hashlib.sha256(b"".join(pairs.read(index) for index in range(len(pairs)))).hexdigest()
    return {
        "captions": pairs.captions, "images": images, "origin": asdict(pairs.origins[0]),
        "skipped": [[s.name, s.reason] for s in pairs.skipped],
        "spools": len(list(Path(tempfile.gettempdir()).glob("clipsan-*"))),
    }  # fmt: skip


def main() -> None:
    found = {}
    for number, (source, settings) in enumerate(json.loads(sys.argv[1])):
        found[number] = look(source, **settings)
    left = len(list(Path(tempfile.gettempdir()).glob("clipsan-*")))
    print(json.dumps({"found": list(found.values()), "left": left}))


if __name__ == "__main__":
    main()
