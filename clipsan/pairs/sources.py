"""The forms that image-caption pairs come in. A new form is one file and one row of FORMS."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from clipsan.errors import DataError, UsageError
from clipsan.pairs import (
    caption_table,
    hub_dataset,
    image_folder,
    img2dataset,
    metadata_folder,
    parquet,
    webdataset,
)
from clipsan.pairs.expand import expand
from clipsan.pairs.pairset import ImageStore, Index, Origin, PairSet
from clipsan.pairs.reading import DEFAULT_READING, Reading


@dataclass(frozen=True)
class Form:
    """One form: how it is called, how a path of it is recognised, how several paths of it are read."""

    label: str
    recognise: Callable[[Path], bool]
    read: Callable[[Sequence[Path], Reading], tuple[Index, ImageStore]]


FORMS = (  # the first that recognises a source reads it
    Form(hub_dataset.LABEL, hub_dataset.recognise, hub_dataset.read),
    Form(metadata_folder.LABEL, metadata_folder.recognise, metadata_folder.read),
    Form(caption_table.LABEL, caption_table.recognise, caption_table.read),
    Form(webdataset.LABEL, webdataset.recognise, webdataset.read),
    Form(img2dataset.LABEL, img2dataset.recognise, img2dataset.read),
    Form(parquet.LABEL, parquet.recognise, parquet.read),
    Form(image_folder.LABEL, image_folder.recognise, image_folder.read),
)

Sources = str | Path | Sequence[str | Path]


def open_pairs(data: Sources, reading: Reading = DEFAULT_READING, weights: Sequence[float] = ()) -> PairSet:
    """Recognises the form of each source and indexes its pairs; no image is decoded.

    The order of the pairs is that of the source: rows of a table, members of a tar, shards as the pattern
    names them; files of a folder by name. So equal images and captions in equal order are the same set in
    every form, and then give the same stream and the same split.

    Args:
        data: a path, a path with `{00000..00012}` or `*`, or `hf-dataset:ORG/NAME`; or several.
        reading: where a source does not say itself how it is to be read.
        weights: one for each source, above 0; see `order.order_of` for what an epoch is then. None: every
            pair of every source once an epoch.

    Raises:
        DataError: there is nothing at a source, its form is not understood, or no pair of it is usable.
        UsageError: weights that do not fit the sources.
    """
    sources = [data] if isinstance(data, str | Path) else list(data)
    if not sources:
        raise UsageError("there are no pairs: give --data at least one source")
    if weights and (len(weights) != len(sources) or not all(0 < w < math.inf for w in weights)):
        shown = ", ".join(f"{weight:g}" for weight in weights)
        raise UsageError(
            f"--weight is {shown} for {len(sources)} --data: give as many as sources, each a number above 0"
        )
    opened = [_open(source, reading) for source in sources]
    if len(opened) == 1:
        return opened[0]
    chosen: Sequence[float | None] = weights or [None] * len(opened)
    origins = [replace(p.origins[0], weight=weight) for p, weight in zip(opened, chosen, strict=True)]
    return PairSet.joined(opened, origins)


def _open(source: str | Path, reading: Reading) -> PairSet:
    try:
        paths = [Path(source)] if hub_dataset.recognise(Path(source)) else expand(source)
        form = _form_of(paths)
        index, images = form.read(paths, reading)
    except OSError as error:
        raise DataError(f"The pairs at {source} cannot be read: {error.strerror or error}.") from error
    if not index.names:
        raise DataError(_nothing_usable(source, form, index))
    pairs = PairSet(
        images=images,
        names=index.names,
        captions=index.captions,
        skipped=index.skipped,
        origins=[Origin(str(source), form.label, index.revision, window=index.window)],
    )
    return _drawn(pairs, reading)


def _form_of(paths: Sequence[Path]) -> Form:
    """The form that recognises the first path, and must recognise the others."""
    first = _recognised(paths[0])
    for path in paths[1:]:
        form = _recognised(path)
        if form is not first:
            raise DataError(
                f"{paths[0]} is {first.label} and {path} is {form.label}; give each form a --data of its own."
            )
    return first


def _recognised(path: Path) -> Form:
    form = next((form for form in FORMS if form.recognise(path)), None)
    if form is None:
        raise DataError(f"{_what_is_there(path)}; understood are: {_labels()}.")
    return form


def _drawn(pairs: PairSet, reading: Reading) -> PairSet:
    """At most `reading.max_pairs` of a set, drawn by the seed and in the order they had."""
    if reading.max_pairs is None or len(pairs) <= reading.max_pairs:
        return pairs
    random = np.random.RandomState([reading.seed & 0xFFFFFFFF, reading.seed >> 32 & 0xFFFFFFFF])
    drawn = pairs.subset(sorted(random.permutation(len(pairs))[: reading.max_pairs].tolist()))
    drawn.skipped = pairs.skipped
    return drawn


def _labels() -> str:
    return "; ".join(form.label for form in FORMS)


def _what_is_there(path: Path) -> str:
    if path.is_dir():
        empty = not any(path.iterdir())
        return f"The folder {path} {'is empty' if empty else 'holds no image-caption pairs'}"
    if path.exists():
        return f"The file {path} is no form of image-caption pairs that is understood"
    return f"There is no file or folder {path} to take image-caption pairs from"


def _nothing_usable(source: str | Path, form: Form, index: Index) -> str:
    found = f"No image-caption pair in {source} can be used (read as {form.label})"
    if not index.skipped:
        return f"{found}: it holds no entries; understood are: {_labels()}."
    first = index.skipped[0]
    cause = f"{len(index.skipped)} skipped, the first {first.name}: {first.reason}"
    return f"{found}: {cause}; understood are: {_labels()}."
