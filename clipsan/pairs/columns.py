"""Which column holds the image and which the caption, by the names that are in use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clipsan.errors import DataError
from clipsan.pairs.captions import printable
from clipsan.pairs.reading import Reading

TOGETHER = (("filepath", "title"), ("image", "caption"), ("file_name", "text"))
"""open_clip's, PAR's and Hugging Face's; they win over any other mixture of the names below."""

IMAGES = ("image", "filepath", "file_name", "filename", "file", "image_path", "img", "path")
EMBEDDED = ("jpg", "jpeg", "png", "webp", "image_bytes", "bytes")  # in parquet files and Hub sets only
CAPTIONS = ("caption", "text", "title", "txt", "captions", "sentence", "description")


def choose(
    columns: Sequence[str],
    reading: Reading,
    images: Sequence[str] = IMAGES,
    captions: Sequence[str] = CAPTIONS,
) -> tuple[str, str] | None:
    """(image column, caption column) among `columns`, as asked for or by their names; None: not both there.

    A caption column is not needed where `reading.captionless`: its name is then "".
    """
    if reading.image_column is None and reading.caption_column is None:
        for pair in TOGETHER:
            if set(pair) <= set(columns):
                return pair
    image = _one(columns, reading.image_column, images)
    caption = _one(columns, reading.caption_column, captions)
    if caption is None and reading.captionless and reading.caption_column is None:
        caption = ""
    return None if image is None or caption is None else (image, caption)


def fitting(kinds: Mapping[str, str], reading: Reading) -> tuple[str, str] | None:
    """(image column, caption column) of a parquet file or Hub set, by kind and name; None: not both there.

    Args:
        kinds: column -> `bytes`, `struct` (with `bytes`), `text` or `texts`. Paths in text are taken only
            where no column holds bytes.
        reading: names either column, where it is asked for.
    """
    texts = [name for name, kind in kinds.items() if kind in ("text", "texts")]
    embedded = [name for name, kind in kinds.items() if kind in ("bytes", "struct")]
    known = [name for name in (*IMAGES, *EMBEDDED) if name in embedded]
    only = embedded if len(embedded) == 1 else []  # whatever its name
    captions = [name for name in texts if name not in IMAGES or name == reading.caption_column]
    found = choose([*embedded, *captions], reading, [*known, *only])
    if found is None or found[0] not in embedded:
        found = choose(texts, reading)
    usable = found is not None and found[0] != found[1] and found[1] in ("", *texts)
    return found if usable else None


def none_fits(where: str, columns: Sequence[str], reading: Reading) -> DataError:
    """The error for a source whose columns do not fit."""
    asked = [name for name in (reading.image_column, reading.caption_column) if name is not None]
    missing = [name for name in asked if name not in columns]
    found = printable(", ".join(columns), limit=200) or "nothing"
    if missing:
        return DataError(f"{where} has no column {printable(missing[0])}; its columns are {found}.")
    return DataError(
        f"{where} needs a column with the image and one with the caption, and its columns are {found}: name "
        "them with --image-column and --caption-column."
    )


def _one(columns: Sequence[str], asked: str | None, known: Sequence[str]) -> str | None:
    if asked is not None:
        return asked if asked in columns else None
    return next((name for name in known if name in columns), None)
