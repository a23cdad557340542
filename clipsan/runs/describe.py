"""From what a run used to what its report says of it."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from clipsan import __version__
from clipsan.checkpoint import Family, Suspect
from clipsan.evaluation.examples import draw_pictures
from clipsan.evaluation.probe import Probe
from clipsan.pairs import PairSet, Skipped, Sources
from clipsan.report import (
    CurvePoint,
    Data,
    Filter,
    Model,
    Profile,
    ProfilePart,
    ReachedTau,
    Report,
    Role,
    SkippedItems,
    Source,
    Training,
    to_model_card,
    write_pages,
    write_report,
)
from clipsan.training.profile import Profile as LoopProfile
from clipsan.training.settings import TrainSettings
from clipsan.training.updates import Training as TrainingRun

CONFIGS: Mapping[Family, str] = {"open_clip": "open_clip_config.json", "transformers": "config.json"}
PACKAGES = ("torch", "torchvision", "open_clip_torch", "safetensors", "pillow", "numpy", "huggingface_hub")


def versions() -> dict[str, str]:
    """Versions of clipsan, Python and every package that can change a number."""
    found = {"clipsan": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found


def model_of(suspect: Suspect, role: Role) -> Model:
    """A report's record of one model."""
    known = suspect.provenance
    return Model(
        role=role,
        source=known.source,
        format=known.format,
        path=known.path,
        sha256=known.sha256,
        repository=known.repository,
        revision=known.revision,
        architecture=known.architecture,
        activation=suspect.activation,
        evidence=known.evidence,
        dtype=known.dtype,
        metadata=known.metadata,
        card=known.card,
    )


def as_json(data: Sources) -> str | list[str]:
    """Sources of pairs as a report's settings keep them."""
    return str(data) if isinstance(data, str | Path) else [str(source) for source in data]


def sources_named(data: Sources) -> str:
    """Sources of pairs in words."""
    return str(data) if isinstance(data, str | Path) else ", ".join(str(source) for source in data)


def data_of(
    pairs: PairSet,
    train: PairSet,
    held_out: int,
    broken: Mapping[int, Skipped],
    filtered: Filter | None = None,
) -> Data:
    """A report's record of the pairs; `broken`: what training could not read of those it came to."""
    counts = Counter(pairs.origin_of)
    return Data(
        sources=tuple(
            Source(
                origin.source,
                origin.form,
                counts[number],
                origin.weight,
                origin.revision,
                train_origin.captions,
            )
            for number, (origin, train_origin) in enumerate(zip(pairs.origins, train.origins, strict=True))
        ),
        pairs_found=len(pairs),
        pairs_train=len(train),
        pairs_held_out=held_out,
        digest=pairs.digest(),
        skipped=SkippedItems.of([*pairs.skipped, *(broken[index] for index in sorted(broken))]),
        filter=filtered,
    )


def training_of(run: TrainingRun, settings: TrainSettings, profile: LoopProfile | None = None) -> Training:
    """A report's record of the training."""
    tau = settings.tau if settings.method == "par" else None
    reached = ReachedTau(None, None)
    if tau is not None:
        reached = ReachedTau(run.reached("s_image", tau), run.reached("s_text", tau))
    points = (
        CurvePoint(s.step, s.lr, s.loss, s.terms["clip"], s.terms.get("s_image"), s.terms.get("s_text"))
        for s in run.curve
    )
    return Training(
        method=settings.method,
        steps=len(run.curve),
        batch_size=settings.batch_size,
        pairs_seen=len(run.curve) * settings.batch_size,
        seconds=round(run.seconds, 3),
        left_out=run.left_out,
        device=run.device,
        precision=run.precision,
        tau=tau,
        reached_tau=reached,
        curves=tuple(points),
        profile=None if profile is None else profile_of(profile),
        lock=settings.lock,  # type: ignore[arg-type]  # checked by TrainSettings
    )


def profile_of(profile: LoopProfile) -> Profile:
    """A report's record of where the time went."""
    parts = tuple(ProfilePart(name, seconds) for name, seconds in profile.parts().items())
    return Profile(profile.seconds, profile.updates, parts)


def write_reports(folder: Path, report: Report, probe: Probe | None = None) -> None:
    """report.json, report.md and report.html, and the model card where the run wrote a model.

    And the pictures that the report names of `probe`, which was measured.
    """
    if probe is not None and report.evaluation is not None:
        for name, picture in draw_pictures(probe, report.evaluation).items():
            (folder / name).write_bytes(picture)
    write_report(report, folder / "report.json")
    write_pages(report, folder)
    if report.training is not None:
        formats = [family for family, config in CONFIGS.items() if (folder / config).is_file()]
        (folder / "README.md").write_text(local_card(report, formats), encoding="utf-8")


def local_card(report: Report, formats: Sequence[str]) -> str:
    """The model card that a run leaves in its output folder."""
    return to_model_card(report, formats=formats, poisoned=report.model("poisoned") is not None)
