"""What of an output folder may go up, checked on disk before the hub is asked anything."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clipsan.checkpoint import Family
from clipsan.checkpoint.formats import Weights, read_family
from clipsan.checkpoint.header import read_header
from clipsan.checkpoint.opened import files_digest
from clipsan.checkpoint.shards import shards_of
from clipsan.checkpoint.suspect import POISONED
from clipsan.errors import CheckpointError, OutputError, UsageError
from clipsan.hygiene.sheet import SHEET_NAME
from clipsan.report import Report, ReportError, read_report
from clipsan.report.examples import PICTURE_NAME
from clipsan.runs.describe import CONFIGS

REPORT_NAME = "report.json"
CARD_NAME = "README.md"
_STEMS: Mapping[Family, str] = {"open_clip": "open_clip_model", "transformers": "model"}
_WEIGHTS = re.compile(
    rf"({'|'.join(_STEMS.values())})((-\d{{5}}-of-\d{{5}})?\.safetensors|\.safetensors\.index\.json)"
)
_OTHERS = frozenset(
    {
        *CONFIGS.values(),
        "preprocessor_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "vocab.json",
        "merges.txt",
        REPORT_NAME,
        "report.md",
        "report.html",
        "triggers.png",
        CARD_NAME,
    }
)
STAYS = SHEET_NAME
"""A file of clipsan that is never uploaded: it shows pictures of the user's pairs."""


@dataclass(frozen=True)
class Pushable:
    """An output folder that is complete.

    Attributes:
        report: of the run that wrote it.
        families: the layouts of the model in it.
        poisoned: its weights are marked as holding a planted backdoor.
        files: what may be uploaded, by name; the card is not among them.
        left: names of whatever else lies there.
    """

    folder: Path
    report: Report
    families: tuple[Family, ...]
    poisoned: bool
    files: dict[str, Path]
    left: tuple[str, ...]


def check_pushable(folder: Path, *, yes_poisoned: bool) -> Pushable:
    """Require a folder to be a whole output of clipsan, with the weights that its report speaks of.

    Args:
        folder: as `clean` wrote it; other files in it are left alone.
        yes_poisoned: take a model with a planted backdoor too.

    Raises:
        UsageError: there is no such folder, or the model is poisoned and nobody said yes.
        OutputError: something is missing, damaged, a symbolic link, or of another run.
    """
    named, left = _sorted_out(folder)
    models = _read_weights(folder, named)
    poisoned = any(weights.metadata.get(POISONED) == "true" for weights in models.values())
    if poisoned and not yes_poisoned:
        raise UsageError(
            f"the model in {folder} has a planted backdoor (its metadata says so): to publish it all the"
            " same, marked as poisoned, add --yes-poisoned"
        )
    report = _read_report(folder, named)
    _check_digest(folder, report, models, poisoned)
    kept = {file.name for weights in models.values() for file in (*weights.files, weights.path)}
    strays = [name for name in named if _WEIGHTS.fullmatch(name) and name not in kept]
    files = {name: path for name, path in named.items() if name not in (CARD_NAME, *strays)}
    return Pushable(folder, report, tuple(models), poisoned, files, tuple(sorted((*left, *strays))))


def _sorted_out(folder: Path) -> tuple[dict[str, Path], list[str]]:
    """The files with names that clipsan gives, and the names of everything else."""
    if not folder.is_dir():
        raise UsageError(f"there is no folder {str(folder)!r} to push")
    named: dict[str, Path] = {}
    left: list[str] = []
    try:
        for path in folder.iterdir():
            known = path.name in _OTHERS or _WEIGHTS.fullmatch(path.name)
            if known and path.is_symlink():
                raise OutputError(
                    f"{path} is a symbolic link, which is never uploaded: put the file itself there."
                )
            if known and path.is_file():
                named[path.name] = path
            elif path.name != STAYS and not re.fullmatch(PICTURE_NAME, path.name):
                left.append(path.name)
    except OSError as error:
        raise OutputError(f"{str(folder)!r} cannot be read ({error.strerror}).") from None
    return named, left


def _read_weights(folder: Path, named: Mapping[str, Path]) -> dict[Family, Weights]:
    """Header and configuration of each layout in the folder."""
    found: dict[Family, Weights] = {}
    for family, stem in _STEMS.items():
        whole, index = folder / f"{stem}.safetensors", folder / f"{stem}.safetensors.index.json"
        if not {whole.name, index.name} & named.keys():
            continue
        if CONFIGS[family] not in named:
            raise OutputError(f"{folder} has weights for {family} but no {CONFIGS[family]}: clean again.")
        try:
            for path in [whole] if whole.name in named else shards_of(index):
                read_header(path)  # nothing else, a pickle least of all, goes by such a name
            found[family] = read_family(folder, family)
        except CheckpointError as error:
            raise OutputError(f"{folder} cannot be pushed: {error}") from None
        odd = next((file.name for file in found[family].files if file.name not in named), None)
        if odd is not None:
            raise OutputError(f"{folder} has weights in {odd}, which is no name that clipsan gives.")
    if not found:
        names = " or ".join(f"{stem}.safetensors" for stem in _STEMS.values())
        raise OutputError(f"{folder} is no output of clipsan: it has no {names}.")
    return found


def _read_report(folder: Path, named: Mapping[str, Path]) -> Report:
    if REPORT_NAME not in named:
        raise OutputError(
            f"{folder} is no output of clipsan: it has no {REPORT_NAME}; push what clipsan clean wrote."
        )
    try:
        return read_report(named[REPORT_NAME])
    except ReportError as error:
        raise OutputError(f"{folder} cannot be pushed: {error}.") from None


def _check_digest(folder: Path, report: Report, models: Mapping[Family, Weights], poisoned: bool) -> None:
    """The weights are those the report speaks of; a second layout of them says so in its metadata."""
    digests = {family: files_digest(weights.files) for family, weights in models.items()}
    written = [model.sha256 for model in report.models if poisoned or model.role == "cleaned"]
    if not written:
        raise OutputError(f"{folder} cannot be pushed: its {REPORT_NAME} speaks of no cleaned model.")
    main = next((family for family, digest in digests.items() if digest in written), None)
    if main is None:
        family, digest = next(iter(digests.items()))
        raise OutputError(
            f"{models[family].path} is not the file that {REPORT_NAME} speaks of (SHA-256 {digest[:12]}…,"
            f" there {written[-1][:12]}…): clean again, or put that file back."
        )
    for weights in models.values():
        if weights.metadata != models[main].metadata:
            raise OutputError(
                f"{weights.path.name} and {models[main].path.name} in {folder} are not of one run: clean"
                " again with --format both."
            )
