"""webdataset tars: NAME.jpg and NAME.txt in a .tar file, or in the .tar files of a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clipsan.errors import DataError
from clipsan.pairs.captions import MAX_BYTES, caption_from_bytes
from clipsan.pairs.img2dataset import IMAGE_ENDINGS
from clipsan.pairs.pairset import MAX_IMAGE_BYTES, ImageStore, Index
from clipsan.pairs.reading import Reading
from clipsan.pairs.tars import Sample, TarImages, member, scan, tar_files

LABEL = "a .tar file or a folder of .tar files (webdataset, jpg + txt)"
_ENDINGS = frozenset((*IMAGE_ENDINGS, "txt"))


def recognise(path: Path) -> bool:
    """A tar by its ending (compressed ones too, to be refused by name), or a folder with one."""
    if path.is_dir():
        return bool(tar_files(path))
    return path.is_file() and (path.suffix in (".tar", ".tgz") or ".tar." in path.name)


def read(paths: Sequence[Path], reading: Reading) -> tuple[Index, ImageStore]:
    """Indexes the pairs of every tar, and reads every caption."""
    index, images = Index(), TarImages()
    for tar in (tar for path in paths for tar in (tar_files(path) if path.is_dir() else [path])):
        samples, skipped = scan(tar, _ENDINGS)
        index.skipped.extend(skipped)
        images.open_shard(tar)
        with tar.open("rb") as file:
            for sample in samples:
                name = f"{tar.name}/{sample.key}"
                try:
                    offset, size = image_part(sample)
                    at, length = member(sample, "txt", "caption")
                    file.seek(at)
                    caption = caption_from_bytes(file.read(min(length, MAX_BYTES)))
                except DataError as error:
                    index.skip(name, str(error))
                    continue
                images.add(offset, size)
                index.add(name, caption)
    return index, images


def image_part(sample: Sample) -> tuple[int, int]:
    """(offset, size) of a sample's image; where there are several, jpg before png before webp."""
    found = next((sample.parts[ending] for ending in IMAGE_ENDINGS if ending in sample.parts), None)
    if found is None:
        raise DataError("no image (jpg, png, webp) of this name")
    if found[1] > MAX_IMAGE_BYTES:
        raise DataError(f"the image's file is larger than {MAX_IMAGE_BYTES >> 20} MiB")
    return found
