"""From what the user typed to a Suspect: a path, a hub repository, or a name that is one of the two."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from clipsan import hub
from clipsan.checkpoint.architecture import settle
from clipsan.checkpoint.build import build, make_tokenizer
from clipsan.checkpoint.formats import Weights, read
from clipsan.checkpoint.opened import file_digest
from clipsan.checkpoint.suspect import Provenance, Suspect
from clipsan.checkpoint.tensors import dtype_name


@dataclass(frozen=True)
class Located:
    """A checkpoint that is on disk now."""

    path: Path
    revision: str | None
    evidence: tuple[str, ...] = ()


def load(source: str | Path, *, arch: str | None = None, activation: str | None = None) -> Suspect:
    """Read a CLIP checkpoint that nobody vouches for; nothing in it is executed.

    Args:
        source: a file, a folder, `hf-hub:org/name`, `org/name`, or either with `@revision`.
        arch: open_clip's name of the architecture, where shapes and configuration are not enough.
        activation: "gelu" or "quickgelu", where nothing else says it.

    Raises:
        UnsafeFileError: reading the file could run code.
        CheckpointError: it cannot be found, read or built, or holds values that are not finite.
        UsageError: an unknown `arch` or `activation`.
    """
    located = locate(source)
    weights = read(located.path)
    where = weights.path.name
    plan = settle(weights.tensors.infos, weights.config, where, arch=arch, activation=activation)
    tokenizer = make_tokenizer(plan.model_cfg, where)
    digest = file_digest(weights.path)
    model = build(plan.model_cfg, plan.preprocess_cfg, weights.tensors, where)
    provenance = Provenance(
        source=str(source),
        format=weights.format if located.revision is None else "hub repository",
        path=str(weights.path),
        sha256=digest,
        revision=located.revision,
        architecture=plan.name,
        evidence=(*located.evidence, *weights.evidence, *plan.evidence),
        dtype=common_dtype(weights),
        metadata=weights.metadata,
    )
    dtypes = {key: info.dtype for key, info in weights.tensors.infos.items()}
    return Suspect(
        model, plan.model_cfg, plan.preprocess_cfg, tokenizer, dtypes, provenance, plan.activation_settled
    )


def locate(source: str | Path) -> Located:
    """Bring a source to the disk: a path as it is, a hub repository into the hub's cache.

    Raises:
        CheckpointError: nothing is there.
    """
    if isinstance(source, str):
        repository = hub.parse_source(source)
        if repository is not None:
            snapshot = hub.fetch_open_clip(repository)
            line = f"revision {snapshot.revision}: {repository.revision or 'main'} of {repository.name}"
            return Located(snapshot.folder, snapshot.revision, (line,))
    return Located(Path(source).expanduser(), None)


def common_dtype(weights: Weights) -> str:
    """The floating dtype that most parameters of the file have."""
    counts: Counter[str] = Counter()
    for info in weights.tensors.infos.values():
        if info.dtype.is_floating_point:
            counts[dtype_name(info.dtype)] += info.numel
    return counts.most_common(1)[0][0] if counts else "none"
