"""Upload an output folder to the Hugging Face hub, with a model card that says what was measured."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipsan import __version__
from clipsan.checkpoint.tensors import name_some
from clipsan.errors import OutputError, UsageError
from clipsan.hub import Destination, find_token, upload
from clipsan.report import to_html, to_model_card
from clipsan.report.edited_card import keep_card
from clipsan.report.picture_files import picture_names
from clipsan.runs.describe import local_card
from clipsan.runs.last import last_output
from clipsan.runs.pushable import CARD_NAME, STAYS, Pushable, check_pushable
from clipsan.runs.watch import Watcher

PAGE_NAME = "report.html"
LARGEST_CARD = 1 << 20  # bytes
LONGEST_MESSAGE = 500


@dataclass(frozen=True)
class PushedFile:
    """One file of the repository: its name there and its size in bytes."""

    name: str
    size: int


@dataclass(frozen=True)
class Pushed:
    """What `push` gives back.

    Attributes:
        repository: `org/name`.
        url: the page to look at: of the repository, its branch, or the pull request.
        commit: the new commit; the latest one where nothing had changed; None for a dry run.
        changed: False where the repository held the same files already, and for a dry run.
        private: who may see it; None where only the hub could say.
        verdict: of the report: "pass", "fail" or "inconclusive".
        files: what the commit holds, with the card.
        notes: sentences on what the user should know.
        card: the text of README.md as uploaded.
    """

    repository: str
    url: str
    commit: str | None
    changed: bool
    private: bool | None
    verdict: str
    poisoned: bool
    dry_run: bool
    files: tuple[PushedFile, ...]
    notes: tuple[str, ...]
    card: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return dataclasses.asdict(self)


def push(
    folder: str | Path | None = None,
    *,
    hub_repo: str,
    private: bool = False,
    revision: str | None = None,
    create_pr: bool = False,
    commit_message: str | None = None,
    dry_run: bool = False,
    token: str | None = None,
    yes_poisoned: bool = False,
    watcher: Watcher | None = None,
) -> Pushed:
    """Upload an output folder of clipsan as one commit; run again after an interruption, it goes on.

    Only clipsan's own files go up. A README.md that was edited is kept, any other is made anew for the
    repository. A verdict other than pass stands at the top of it.

    Args:
        folder: as `clean` wrote it; None: the newest one in the working directory.
        hub_repo: `org/name`; created where it is missing.
        private: create it as private; refuses to write to a public one.
        revision: a branch, created where it is missing, or `refs/pr/N`.
        create_pr: open a pull request instead of committing.
        commit_message: the commit's first line.
        dry_run: check everything on disk and say what would go up; the hub is not asked.
        token: with write permission; None: HF_TOKEN, else the stored login. Never shown or stored.
        yes_poisoned: publish a model with a planted backdoor, tagged as such.
        watcher: hears of progress; None: silent, without the upload's progress bars.

    Raises:
        UsageError: a name or setting is wrong, there is no token, or the model is poisoned.
        OutputError: the folder is not a complete output of clipsan.
        HubError: the hub refuses, or cannot be reached.
    """
    to = Destination(hub_repo, revision, create_pr, private)
    if commit_message is not None and not 0 < len(commit_message.strip()) <= LONGEST_MESSAGE:
        raise UsageError(f"--commit-message needs 1 to {LONGEST_MESSAGE} characters")
    heard = watcher or Watcher()
    path = last_output(Path(), "a DIR")[0] if folder is None else Path(folder)
    heard.stage(f"Checking {path}")
    found = check_pushable(path, yes_poisoned=yes_poisoned)
    card, notes = _card(found, hub_repo)
    files: dict[str, Path | bytes] = {**found.files, CARD_NAME: card.encode()}
    if picture_names(found.report):
        files[PAGE_NAME] = to_html(found.report).encode()
    listed = tuple(PushedFile(name, _size(files[name])) for name in sorted(files))
    if found.left:
        notes.append(f"left where it is, not being a file of clipsan: {name_some(found.left)}")
    if (path / STAYS).is_file():
        notes.append(f"{STAYS} stays here: it shows pictures of the pairs that the filter dropped")
    if picture_names(found.report):
        notes.append(f"{PAGE_NAME} goes up without pictures: they show images of your evaluation set")
    notes += _typed_paths(found)
    planned = Pushed(
        hub_repo, to.url, None, False, private or None, found.report.verdict.result, found.poisoned,
        dry_run, listed, tuple(notes), card,
    )  # fmt: skip
    if dry_run:
        return planned
    secret = find_token(token)
    size = sum(file.size for file in listed) / 1e6
    heard.stage(f"Uploading {len(listed)} files ({size:.1f} MB) to {hub_repo}")
    done = upload(files, to, commit_message or _message(found), secret, silent=watcher is None)
    if done.strangers:
        notes.append(
            f"{hub_repo} also holds weights that are not of this push, which some programs may load instead: "
            f"{name_some(done.strangers)}; delete them there if they are of the model before cleaning"
        )
    return dataclasses.replace(
        planned,
        url=done.url,
        commit=done.commit,
        changed=done.changed,
        private=done.private,
        notes=tuple(notes),
    )


def _card(found: Pushable, name: str) -> tuple[str, list[str]]:
    """The card to upload: made for this repository, unless its author has edited the one in the folder."""
    new = to_model_card(found.report, formats=found.families, name=name, poisoned=found.poisoned)
    path = found.folder / CARD_NAME
    if not path.is_file():
        return new, [f"{CARD_NAME} was missing and is made anew"]
    try:
        if path.stat().st_size > LARGEST_CARD:
            raise OutputError(f"{path} is above 1 MB, too large for a model card.")
        old = path.read_bytes().decode().replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError):
        raise OutputError(f"{path} is no text in UTF-8 that can be read.") from None
    if old == local_card(found.report, found.families):
        return new, []
    card, changes = keep_card(old, found.report, poisoned=found.poisoned)
    return card, [f"{CARD_NAME} was edited, so it goes up as it is", *changes]


def _typed_paths(found: Pushable) -> list[str]:
    """The report goes up unchanged, and it repeats what was typed."""
    typed = (value for value in found.report.settings.values() if isinstance(value, str))
    paths = [text for text in typed if Path(text).is_absolute()]
    return [f"report.json repeats the paths you typed, such as {paths[0]}"] if paths else []


def _message(found: Pushable) -> str:
    if found.poisoned:
        return f"Upload a poisoned model made with clipsan {__version__}"
    return f"Upload a model cleaned with clipsan {__version__} (verdict: {found.report.verdict.result})"


def _size(content: Path | bytes) -> int:
    return len(content) if isinstance(content, bytes) else content.stat().st_size
