"""A folder of images alone, here or one folder down; captions for them are proposed later, or never."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clipsan.errors import DataError
from clipsan.pairs.img2dataset import IMAGE_ENDINGS, ending_of, folders_of, has_any
from clipsan.pairs.pairset import UNCAPTIONED, ImageStore, Index
from clipsan.pairs.reading import Reading
from clipsan.pairs.stores import FileImages
from clipsan.pairs.table_rows import file_size

LABEL = "a folder of images alone (with --captions-from suspect)"


def recognise(path: Path) -> bool:
    """A folder with an image in it, here or one folder down."""
    return path.is_dir() and has_any(path, IMAGE_ENDINGS)


def read(paths: Sequence[Path], reading: Reading) -> tuple[Index, ImageStore]:
    """Indexes the images, sorted by folder and name.

    Raises:
        DataError: images without captions were not asked for.
    """
    if not reading.captionless:
        raise DataError(
            f"The folder {paths[0]} holds images without captions: give pairs, or let the suspect propose "
            "captions over a class list with --captions-from suspect --classes FILE, at a risk that the "
            "report explains."
        )
    index, images = Index(), FileImages()
    for root, folder in ((path, folder) for path in paths for folder in folders_of(path)):
        for image in sorted(folder.iterdir()):
            if ending_of(image.name) not in IMAGE_ENDINGS or image.name.startswith(".") or image.is_dir():
                continue
            name = image.relative_to(root).as_posix()
            try:
                images.add(image, file_size(image))
            except DataError as error:
                index.skip(name, str(error))
                continue
            index.add(name, UNCAPTIONED)
    return index, images
