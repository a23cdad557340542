"""img2dataset's `files` output: NAME.jpg beside NAME.txt, in one folder or in shard folders inside it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from clipsan.errors import DataError
from clipsan.pairs.captions import MAX_BYTES, caption_from_bytes
from clipsan.pairs.pairset import FileImages, ImageStore, Index
from clipsan.pairs.reading import Reading
from clipsan.pairs.table_rows import file_size

LABEL = "a folder of NAME.jpg beside NAME.txt (img2dataset)"
IMAGE_ENDINGS = ("jpg", "jpeg", "png", "webp")


def recognise(path: Path) -> bool:
    """A folder with an image and a .txt file, here or one folder down."""
    return path.is_dir() and has_any(path, IMAGE_ENDINGS) and has_any(path, ("txt",))


def read(paths: Sequence[Path], reading: Reading) -> tuple[Index, ImageStore]:
    """Indexes the pairs, sorted by path without ending, and reads every caption."""
    index, images = Index(), FileImages()
    for root, folder in ((path, folder) for path in paths for folder in folders_of(path)):
        for stem, endings in sorted(_by_stem(folder).items()):
            name = (folder / stem).relative_to(root).as_posix()
            pictures = [folder / endings[ending] for ending in IMAGE_ENDINGS if ending in endings]
            for extra in pictures[1:]:
                index.skip(name, f"{extra.name} is a second image of this name")
            try:
                picture = _first(pictures)
                size = file_size(picture)
                caption = _caption(folder, stem, endings.get("txt"))
            except DataError as error:
                index.skip(name, str(error))
                continue
            images.add(picture, size)
            index.add(name, caption)
    return index, images


def _first(pictures: list[Path]) -> Path:
    if not pictures:
        raise DataError("no image beside the caption file")
    return pictures[0]


def _caption(folder: Path, stem: str, file_name: str | None) -> str:
    if file_name is None:
        raise DataError(f"no caption file {stem}.txt beside the image")
    try:
        with (folder / file_name).open("rb") as file:
            return caption_from_bytes(file.read(MAX_BYTES))
    except OSError as error:
        raise DataError(f"its caption cannot be read ({error.strerror})") from error


def has_any(path: Path, endings: Sequence[str]) -> bool:
    """Whether a folder holds a file with one of these endings, directly or one folder down."""
    return any(
        ending_of(entry.name) in endings and entry.is_file()
        for folder in folders_of(path)
        for entry in folder.iterdir()
    )


def folders_of(path: Path) -> Iterator[Path]:
    """The folder and then its shard folders, sorted."""
    yield path
    yield from sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _by_stem(folder: Path) -> dict[str, dict[str, str]]:
    """stem -> ending -> file name, of the images and captions directly in `folder`."""
    found: dict[str, dict[str, str]] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            ending = ending_of(entry.name)
            if ending in (*IMAGE_ENDINGS, "txt") and not entry.name.startswith(".") and entry.is_file():
                found.setdefault(entry.name[: -len(ending) - 1], {})[ending] = entry.name
    return found


def ending_of(name: str) -> str:
    """What follows the last dot, in lower case."""
    return name.rpartition(".")[2].lower() if "." in name else ""
