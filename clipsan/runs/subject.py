"""What an audit looks at: one model, or the last output beside the suspect that it came from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch

from clipsan.checkpoint import Suspect, load, with_candidate
from clipsan.errors import CheckpointError, UsageError
from clipsan.evaluation.encoder import fill
from clipsan.evaluation.labelled import LabelledSet, open_labelled
from clipsan.pairs import DEFAULT_READING, ImageReader, PairSet, Reading, Sources, open_pairs, pinned, split
from clipsan.report import Model, Report, Role, Training
from clipsan.runs.last import last_output
from clipsan.runs.settle import settle
from clipsan.runs.watch import Watcher


@dataclass(frozen=True)
class Images:
    """What to measure on: a labelled set, or pairs.

    Attributes:
        eval: the labelled set's path as typed.
        data: the pairs' source or sources as typed.
        classes: the file of class names.
        held_out: share of the pairs that is measured on; None: all of them.
        seed: of that split.
        reading: how the pairs are to be read.
    """

    eval: str | Path | None
    data: Sources | None
    classes: str | Path | None
    held_out: float | None = None
    seed: int = 0
    reading: Reading = DEFAULT_READING

    def open(self) -> tuple[LabelledSet | None, PairSet | None]:
        """The labelled set, or the pairs, opened once. UsageError when there is neither."""
        return self._opened

    @cached_property
    def _opened(self) -> tuple[LabelledSet | None, PairSet | None]:
        if self.eval is not None:
            return open_labelled(self.eval, self.classes), None
        if self.data is None:
            raise UsageError("there is nothing to measure on: give --eval a labelled set, or --data pairs")
        pairs = open_pairs(self.data, self.reading)
        return None, split(pairs, self.held_out, self.seed)[1] if self.held_out else pairs


def load_settled(
    source: str | Path,
    arch: str | None,
    activation: str | None,
    labelled: LabelledSet | None,
    pairs: PairSet | None,
    device: torch.device,
    text_from: str | None = None,
) -> Suspect:
    """Load a checkpoint; what nothing says of it is measured on the images at hand."""
    suspect = load(source, arch=arch, activation=activation, text_from=text_from)
    if not suspect.candidates:
        return suspect
    if labelled is not None:
        names = labelled.classnames
        captions = [fill(labelled.templates[0], names[label]) for label in labelled.labels]
        reader = ImageReader(labelled.images, suspect.preprocess_cfg, suspect.image_size, keep="none")
    elif pairs is not None:
        captions = pairs.captions
        reader = ImageReader(pairs, suspect.preprocess_cfg, suspect.image_size, keep="none")
    else:
        return suspect
    return settle(suspect, captions, reader, device)


def last_models(
    images: Images, device: torch.device, watcher: Watcher
) -> tuple[Images, dict[Role, Suspect], Training | None]:
    """The last output and its suspect, the images that `clean` measured on if none is given, its training."""
    folder, report = last_output(Path())
    settings = report.settings
    watcher.stage(f"Auditing {folder} beside the suspect it came from")
    if images.eval is None and images.data is None:
        images = Images(
            settings.get("eval"), _same_data(report), images.classes or settings.get("classes"),
            settings.get("held_out") or None, report.seed, Reading.from_dict(settings, report.seed),
        )  # fmt: skip
    models: dict[Role, Suspect] = {}
    before = report.model("suspect")
    if before is not None:
        suspect = load(
            before.source, **{name: settings.get(name) for name in ("arch", "activation", "text_from")}
        )
        _same_file(suspect, before)
        models["suspect"] = _as_recorded(suspect, before)
    models["cleaned"] = load(folder)
    return images, models, report.training


def _same_data(report: Report) -> Sources | None:
    """The pairs of a run, Hub sets at the commit they had; UsageError where the suspect captioned them."""
    if report.data is None:
        return None
    if report.settings.get("eval") is None and any(s.captions == "proposed" for s in report.data.sources):
        raise UsageError(
            "the pairs of the last output have captions that the suspect proposed, which prove nothing about "
            "it: give --eval a labelled set"
        )
    return [pinned(source.source, source.revision) for source in report.data.sources]


def _as_recorded(suspect: Suspect, recorded: Model) -> Suspect:
    """The suspect built as the run built it: what it measured then is not measured again on other images.

    Raises:
        CheckpointError: the record names none of the ways that fit.
    """
    if not suspect.candidates:
        return suspect
    for candidate in suspect.candidates:
        if any(line.startswith(f"{candidate.label}: ") for line in recorded.evidence):
            chosen = with_candidate(suspect, candidate)
            provenance = replace(chosen.provenance, evidence=recorded.evidence)
            return replace(chosen, provenance=provenance, candidates=())
    raise CheckpointError(
        f"the last output does not say how {recorded.source} was built, which several ways fit: name the "
        "MODEL to audit"
    )


def _same_file(suspect: Suspect, recorded: Model) -> None:
    if suspect.provenance.sha256 != recorded.sha256:
        raise CheckpointError(
            f"{recorded.source} is not the file that was cleaned (its SHA-256 is now "
            f"{suspect.provenance.sha256[:12]}…, then {recorded.sha256[:12]}…): name the MODEL to audit"
        )
