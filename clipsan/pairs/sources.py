"""The forms that image-caption pairs come in. A new form is one file and one row of FORMS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from clipsan.errors import DataError
from clipsan.pairs import caption_table, img2dataset, metadata_folder, webdataset
from clipsan.pairs.pairset import ImageStore, Index, PairSet


@dataclass(frozen=True)
class Form:
    """One form: how it is called, how it is recognised, how it is read."""

    label: str
    recognise: Callable[[Path], bool]
    read: Callable[[Path], tuple[Index, ImageStore]]


FORMS = (  # the first that recognises a source reads it
    Form(metadata_folder.LABEL, metadata_folder.recognise, metadata_folder.read),
    Form(caption_table.LABEL, caption_table.recognise, caption_table.read),
    Form(webdataset.LABEL, webdataset.recognise, webdataset.read),
    Form(img2dataset.LABEL, img2dataset.recognise, img2dataset.read),
)


def open_pairs(source: str | Path) -> PairSet:
    """Recognises the form of `source` and indexes its pairs; no image is decoded.

    Raises:
        DataError: there is nothing at `source`, its form is not understood, or no pair of it is usable.
    """
    path = Path(source)
    try:
        form = next((form for form in FORMS if form.recognise(path)), None)
        if form is None:
            raise DataError(f"{_what_is_there(path)}; understood are: {_labels()}.")
        index, images = form.read(path)
    except OSError as error:
        raise DataError(f"The pairs at {source} cannot be read: {error.strerror or error}.") from error
    if not index.names:
        raise DataError(_nothing_usable(source, form, index))
    return PairSet(
        source=str(source),
        images=images,
        names=index.names,
        captions=index.captions,
        skipped=index.skipped,
    )


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
