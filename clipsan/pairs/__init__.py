"""Image-caption pairs from any source, as one set read by index and one stream of batches.

`open_pairs` recognises the source (the table of forms is in `sources.py`), `split` holds some pairs out,
`ImageReader` decodes, `BatchStream` feeds training.
"""

from __future__ import annotations

from clipsan.pairs.images import decode
from clipsan.pairs.pairset import ImageList, ImageSource, PairSet, Skipped, split
from clipsan.pairs.reader import ImageReader
from clipsan.pairs.sources import open_pairs
from clipsan.pairs.stream import BatchStream

__all__ = [
    "BatchStream",
    "ImageList",
    "ImageReader",
    "ImageSource",
    "PairSet",
    "Skipped",
    "decode",
    "open_pairs",
    "split",
]
