"""The Hugging Face hub, both ways: a repository's files come to disk, an output folder goes up.

Default use:

    repository = parse_source("hf-hub:org/name@v1")  # None for a path
    snapshot = fetch(repository)
    snapshot.path, snapshot.revision  # what to open, and the commit it is from

The hub's own settings hold: HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE, HF_HOME and HF_HUB_CACHE. Nothing here
imports torch, and huggingface_hub is imported when it is first needed.
"""

from __future__ import annotations

from clipsan.hub.card import read_card
from clipsan.hub.errors import HubError
from clipsan.hub.fetch import Snapshot, Take, fetch, fetch_chosen, tokenizer_files
from clipsan.hub.names import Repository, parse_source
from clipsan.hub.session import is_offline
from clipsan.hub.upload import Destination, Uploaded, find_token, upload

__all__ = [
    "Destination",
    "HubError",
    "Repository",
    "Snapshot",
    "Take",
    "Uploaded",
    "fetch",
    "fetch_chosen",
    "find_token",
    "is_offline",
    "parse_source",
    "read_card",
    "tokenizer_files",
    "upload",
]
