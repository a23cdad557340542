"""From what the user typed to a Suspect: a path, a hub repository, or a name that is one of the two."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from clipsan import hub
from clipsan.checkpoint.architecture import settle
from clipsan.checkpoint.build import build
from clipsan.checkpoint.config import Config
from clipsan.checkpoint.formats import Weights, read
from clipsan.checkpoint.named import pretrained_source
from clipsan.checkpoint.opened import files_digest
from clipsan.checkpoint.suspect import Provenance, Suspect
from clipsan.checkpoint.tensors import dtype_name
from clipsan.checkpoint.tokenizers import check_vocabulary, make_tokenizer, tokenizer_files
from clipsan.checkpoint.towers import with_text_from
from clipsan.hub.names import PREFIX


@dataclass(frozen=True)
class Located:
    """A checkpoint that is on disk now, and what open_clip's table of weights says of it."""

    path: Path
    revision: str | None
    evidence: tuple[str, ...] = ()
    config: Config | None = None
    repository: str | None = None
    folder: Path | None = None  # of the repository's files, where its model card lies


def load(
    source: str | Path,
    *,
    arch: str | None = None,
    activation: str | None = None,
    text_from: str | Path | None = None,
) -> Suspect:
    """Read a CLIP checkpoint that nobody vouches for; nothing in it is executed.

    Args:
        source: a file, a folder, `hf-hub:org/name`, `org/name`, either with `@revision`, one file of a
            repository (`hf-hub:org/name/file.pt`), or open_clip's name of weights (`ViT-B-32/openai`).
        arch: open_clip's name of the architecture, where shapes and configuration are not enough.
        activation: "gelu" or "quickgelu", where nothing else says it.
        text_from: the CLIP that an image tower alone was trained from; its text tower completes the model.

    Raises:
        UnsafeFileError: reading the file could run code.
        CheckpointError: it cannot be found, read or built, or holds values that are not finite.
        UsageError: an unknown `arch` or `activation`, or `text_from` for a complete model.
    """
    located = locate(source)
    weights = read_located(located, text_from)
    where = weights.path.name
    plan = settle(
        weights.tensors.infos,
        weights.config,
        where,
        arch=arch,
        activation=activation,
        said=weights.activation,
    )
    check_vocabulary(plan.model_cfg, where)
    files, origin = tokenizer_files(plan.model_cfg, weights.path.parent, where)
    # hashing, reading and the vocabulary take about as long as each other
    with ThreadPoolExecutor(2) as beside:
        digest = beside.submit(files_digest, weights.files)
        tokenizer = beside.submit(make_tokenizer, plan.model_cfg, where, files)
        model = build(plan.model_cfg, plan.preprocess_cfg, weights.tensors, where)
    provenance = Provenance(
        source=str(source),
        format=weights.format if located.revision is None else "hub repository",
        path=str(weights.path),
        sha256=digest.result(),
        revision=located.revision,
        architecture=plan.name,
        evidence=(*located.evidence, *weights.evidence, *plan.evidence, *([origin] if origin else ())),
        dtype=common_dtype(weights),
        metadata=weights.metadata,
        card=hub.read_card(located.folder or weights.path.parent),
        repository=located.repository,
        text_sha256=weights.text_sha256,
    )
    dtypes = {key: info.dtype for key, info in weights.tensors.infos.items()}
    return Suspect(
        model, plan.model_cfg, plan.preprocess_cfg, tokenizer.result(), dtypes, provenance, plan.candidates,
        weights.family, files,
    )  # fmt: skip


def read_located(located: Located, text_from: str | Path | None = None) -> Weights:
    """The weights of a located checkpoint, completed by the text tower of another one where that is asked.

    Raises:
        CheckpointError: they cannot be read, or an image tower alone has no `text_from`.
        UsageError: `text_from` for a complete model.
    """
    weights = read(located.path, located.config)
    if text_from is None:
        return with_text_from(weights, None, "")
    base = locate(text_from)
    return with_text_from(weights, read(base.path, base.config), str(text_from))


def locate(source: str | Path) -> Located:
    """Bring a source to the disk: a path as it is, a hub repository into the hub's cache.

    Raises:
        CheckpointError: nothing is there.
    """
    if not isinstance(source, str):
        return Located(source.expanduser(), None)
    if not Path(source).exists() and (known := pretrained_source(source)) is not None:
        place, config = known
        repository = hub.parse_source(PREFIX + place)
        lines: tuple[str, ...] = (f"weights {source}: open_clip's name of {PREFIX}{place}",)
    else:
        repository, config, lines = hub.parse_source(source), None, ()
    if repository is None:
        return Located(Path(source).expanduser(), None)
    snapshot = hub.fetch(repository)
    line = f"revision {snapshot.revision}: {repository.revision or 'main'} of {repository.name}"
    return Located(snapshot.path, snapshot.revision, (*lines, line), config, repository.name, snapshot.folder)


def common_dtype(weights: Weights) -> str:
    """The floating dtype that most parameters of the file have."""
    counts: Counter[str] = Counter()
    for info in weights.tensors.infos.values():
        if info.dtype.is_floating_point:
            counts[dtype_name(info.dtype)] += info.numel
    return counts.most_common(1)[0][0] if counts else "none"
