"""Memory does not grow with the images of a set, and little with their number."""

from __future__ import annotations

import sys
import tracemalloc

import pytest
from drawn_pairs import encode, noise, write_parquet, write_tar

from clipsan.pairs import open_pairs, order_of, split

COUNT = 3000
PICTURE = encode(noise(40, 40))  # 5 kB: the set is 15 MB, far above what is allowed below
ALLOWED = 900  # bytes a pair at the peak: its name, its caption, where it lies, and what finds it


def tar(folder):
    members = [
        (f"{i:06d}.{ending}", data)
        for i in range(COUNT)
        for ending, data in (("png", PICTURE), ("txt", b"a caption of noise, number %d" % i))
    ]
    write_tar(folder / "t.tar", members)
    return folder / "t.tar"


def parquet(folder):
    captions = [f"a caption of noise, number {i}" for i in range(COUNT)]
    return write_parquet(folder / "t.parquet", {"image": [PICTURE] * COUNT, "text": captions}, 500)


@pytest.mark.parametrize("make", [tar, parquet])
def test_indexing_splitting_and_ordering_keep_no_image(tmp_path, make):
    source = make(tmp_path)
    open_pairs(source)  # what is imported and kept once is not counted
    tracemalloc.start()
    try:
        pairs = open_pairs(source)
        train, _ = split(pairs, 0.1, 0)
        assert sum(len(train.read(int(i))) for i in order_of(train, 0).epoch(0)[:500]) == 500 * len(PICTURE)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(pairs) == COUNT and len(PICTURE) > 4 * ALLOWED
    assert peak < COUNT * ALLOWED, f"{peak // COUNT} bytes a pair at the peak"
    assert kept < COUNT * ALLOWED // 2 + sys.getsizeof(PICTURE), f"{kept // COUNT} bytes a pair kept"
