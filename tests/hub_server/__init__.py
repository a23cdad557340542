"""A small Hugging Face hub for tests: repositories in memory, spoken to by the real huggingface_hub client.

    with HubServer({"org/clip": HubRepository({"config.json": b"{}"})}) as hub:
        os.environ["HF_ENDPOINT"] = hub.endpoint
        ...
        hub.repositories["org/clip"].branches["main"].files, hub.requests

Reading (`reading.py`): repository information, trees, references, files with ETag, ranges, redirects of large
files to a storage of another origin. Writing (`writing.py`): creation, branches, upload modes, LFS batches,
storage, verification, commits, pull requests, validation of cards. `xet.py`: the transfer that the client
prefers where hf_xet is installed. Tokens belong to accounts; `Fault`s refuse, limit, delay or drop requests.
"""

from __future__ import annotations

from hub_server.exchange import Answer, Request, refuse
from hub_server.repository import Commit, HubRepository
from hub_server.server import Account, Fault, HubServer

__all__ = ["Account", "Answer", "Commit", "Fault", "HubRepository", "HubServer", "Request", "refuse"]
