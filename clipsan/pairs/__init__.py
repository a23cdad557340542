"""Image-caption pairs from any source, as one set read by index and one stream of batches.

`open_pairs` recognises the source (the table of forms is in `sources.py`), `split` holds some pairs out,
`ImageReader` decodes, `order_of` says which pair comes when, `BatchStream` feeds training and can go on from
a `Position`.
"""

from __future__ import annotations

from clipsan.pairs.held_out import split
from clipsan.pairs.hub_dataset import pinned
from clipsan.pairs.images import decode
from clipsan.pairs.kept_images import check_kind
from clipsan.pairs.order import order_of, repeated
from clipsan.pairs.pairset import ImageList, ImageSource, PairSet, Skipped
from clipsan.pairs.position import Position
from clipsan.pairs.reader import ImageReader
from clipsan.pairs.reading import DEFAULT_READING, Reading
from clipsan.pairs.sources import Sources, open_pairs
from clipsan.pairs.stream import BatchStream

__all__ = [
    "DEFAULT_READING",
    "BatchStream",
    "ImageList",
    "ImageReader",
    "ImageSource",
    "PairSet",
    "Position",
    "Reading",
    "Skipped",
    "Sources",
    "check_kind",
    "decode",
    "open_pairs",
    "order_of",
    "pinned",
    "repeated",
    "split",
]
