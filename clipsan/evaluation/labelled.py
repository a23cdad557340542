"""Labelled images for zero-shot evaluation: class folders, or CLIP_benchmark's webdataset layout.

Names of classes and templates are data: a name is put into a template by replacing `{c}`, never by
`str.format`, which would let a file's text reach into objects.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from open_clip.zero_shot_metadata import SIMPLE_IMAGENET_TEMPLATES

from clipsan.errors import DataError
from clipsan.pairs.captions import caption_from_bytes, printable, storable
from clipsan.pairs.img2dataset import IMAGE_ENDINGS
from clipsan.pairs.pairset import FileImages, ImageList, Skipped, text_digest
from clipsan.pairs.stores import read_part
from clipsan.pairs.table_rows import file_size
from clipsan.pairs.tars import TarImages, member, scan, tar_files
from clipsan.pairs.webdataset import image_part

DEFAULT_TEMPLATES = tuple(
    template("{c}") for template in cast("Sequence[Callable[[str], str]]", SIMPLE_IMAGENET_TEMPLATES)
)
CLASSNAMES = "classnames.txt"
TEMPLATES = "zeroshot_classification_templates.txt"
FORMS = "a folder with a folder of images for each class; or CLIP_benchmark's test/*.tar with classnames.txt"

_MAX_TEXT_BYTES = 16 << 20


@dataclass
class LabelledSet:
    """Images with the number of their class.

    Attributes:
        source: what the user typed.
        images: n encoded images, for `ImageReader`.
        labels: n numbers, each an index of `classnames`.
        classnames: c names, c >= 2, as they enter a template.
        templates: texts with `{c}` where the class name goes.
        digest: SHA-256 over names, labels, sizes, class names and templates.
        skipped: images left out because of their label or file.
    """

    source: str
    images: ImageList
    labels: list[int]
    classnames: list[str]
    templates: list[str]
    digest: str
    skipped: list[Skipped] = field(default_factory=list)


@dataclass
class _Found:
    """What a layout yields."""

    images: ImageList
    labels: list[int]
    classnames: list[str]
    skipped: list[Skipped]


def open_labelled(source: str | Path, classes: str | Path | None = None) -> LabelledSet:
    """Recognises the layout of `source` and indexes it; no image is decoded.

    Args:
        classes: a file with one class name a line, in the order of the labels, or of the sorted class
            folders. It takes the place of the source's own names.

    Raises:
        DataError: nothing there, another layout, no usable label, fewer than two classes, or a number of
            names in `classes` that does not fit.
    """
    path = Path(source)
    try:
        if not path.is_dir():
            raise DataError(f"There is no folder {path} to evaluate on; it must be {FORMS}.")
        read = _layout(path)
        if read is None:
            raise DataError(f"The folder {path} holds no labelled images; it must be {FORMS}.")
        found = read(path, None if classes is None else _lines(Path(classes)))
        file = path / TEMPLATES
        templates = read_templates(file) if file.is_file() else list(DEFAULT_TEMPLATES)
    except OSError as error:
        raise DataError(
            f"The evaluation set {source} cannot be read: {error.filename}: {error.strerror}."
        ) from error
    if len(found.classnames) < 2:
        raise DataError(
            f"The evaluation set {source} has {len(found.classnames)} class; it takes two or more."
        )
    if not found.labels:
        first = f", the first {found.skipped[0].name}: {found.skipped[0].reason}" if found.skipped else ""
        raise DataError(f"No image of the evaluation set {source} has a usable label{first}.")
    return LabelledSet(
        source=str(source),
        images=found.images,
        labels=found.labels,
        classnames=found.classnames,
        templates=templates,
        digest=_digest(found, templates),
        skipped=found.skipped,
    )


def _layout(path: Path) -> Callable[[Path, list[str] | None], _Found] | None:
    if _tars(path):
        return _read_webdataset
    return _read_class_folders if any(_images_in(folder) for folder in _folders(path)) else None


def _read_class_folders(path: Path, classes: list[str] | None) -> _Found:
    """DIR/<class>/*.jpg; a folder's name is its class, `_` for a space."""
    folders = _folders(path)
    if classes is not None and len(classes) != len(folders):
        raise DataError(
            f"The class file has {len(classes)} names and {path} has {len(folders)} class folders; it must "
            "name each of them, in sorted order."
        )
    store = FileImages()
    names: list[str] = []
    labels: list[int] = []
    skipped: list[Skipped] = []
    for label, folder in enumerate(folders):
        for image in _images_in(folder):
            name = f"{folder.name}/{image.name}"
            try:
                store.add(image, file_size(image))
            except DataError as error:
                skipped.append(Skipped(name, str(error)))
                continue
            names.append(storable(name))
            labels.append(label)
    named = [" ".join(storable(folder.name).replace("_", " ").split()) for folder in folders]
    return _Found(ImageList(names, store), labels, named if classes is None else classes, skipped)


def _read_webdataset(path: Path, classes: list[str] | None) -> _Found:
    """test/*.tar with an image and a .cls (its class number) per sample."""
    if classes is None:
        classes = _lines(path / CLASSNAMES)
    store = TarImages()
    names: list[str] = []
    labels: list[int] = []
    skipped: list[Skipped] = []
    for tar in _tars(path):
        samples, faults = scan(tar, frozenset((*IMAGE_ENDINGS, "cls")))
        skipped.extend(faults)
        store.open_shard(tar)
        for sample in samples:
            name = f"{tar.name}/{sample.key}"
            try:
                offset, size = image_part(sample)
                at, length = member(sample, "cls", "label")
                label = _label(read_part(tar, at, min(length, 64)), len(classes))
            except DataError as error:
                skipped.append(Skipped(name, str(error)))
                continue
            store.add(offset, size)
            names.append(storable(name))
            labels.append(label)
    return _Found(ImageList(names, store), labels, classes, skipped)


def _label(data: bytes, classes: int) -> int:
    """The class number in a .cls file, 0 <= label < classes."""
    text = data.strip()
    if not re.fullmatch(rb"[0-9]{1,9}", text):
        raise DataError(f"its label {printable(repr(text), 40)} is no class number")
    if int(text) >= classes:
        raise DataError(f"its label {int(text)} is not one of the {classes} classes")
    return int(text)


def read_templates(path: Path) -> list[str]:
    """The templates of a file, `{c}` for the class name; open_clip's simple seven where it holds none.

    Raises:
        DataError: a line has no `{c}` or `{}`, or the file is not UTF-8 text.
        OSError: it cannot be read.
    """
    templates = [line.replace("{}", "{c}") for line in _lines(path)]
    for template in templates:
        if "{c}" not in template:
            raise DataError(
                f"The template {printable(template)!r} in {path} has no {{c}} for the class name."
            )
    return templates or list(DEFAULT_TEMPLATES)


def _lines(path: Path) -> list[str]:
    """The lines of a small text file that are not blank, white space normalised; DataError if not UTF-8."""
    if not path.is_file():
        raise DataError(f"There is no file {path} with a class name a line.")
    with path.open("rb") as file:
        lines = file.read(_MAX_TEXT_BYTES).removeprefix(b"\xef\xbb\xbf").splitlines()
    try:
        return [caption_from_bytes(line) for line in lines if line.strip()]
    except DataError as error:
        raise DataError(f"The file {path} is not text in UTF-8, a name a line.") from error


def _digest(found: _Found, templates: list[str]) -> str:
    rows = (
        part
        for i, (name, label) in enumerate(zip(found.images.names, found.labels, strict=True))
        for part in (name, str(label), str(found.images.size(i)))
    )
    counts = [str(len(found.classnames)), str(len(templates))]
    return text_digest([*counts, *found.classnames, *templates, *rows])


def _tars(path: Path) -> list[Path]:
    """The tars of the `test` folder, or those beside classnames.txt."""
    return tar_files(path / "test") or tar_files(path)


def _folders(path: Path) -> list[Path]:
    return sorted(
        entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith((".", "__"))
    )


def _images_in(folder: Path) -> list[Path]:
    """Image files directly in `folder`, sorted: a deeper level would mix splits such as train and val up."""
    return sorted(
        entry
        for entry in folder.iterdir()
        if entry.suffix[1:].lower() in IMAGE_ENDINGS and entry.is_file() and not entry.name.startswith(".")
    )
