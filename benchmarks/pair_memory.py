"""Peak memory of reading a large set of pairs against a small one: indexing it and streaming batches.

    python benchmarks/pair_memory.py [--small 1000] [--large 100000] [--form tar|parquet|files]

Each run is a process of its own; the figure is the operating system's peak resident memory. The sets are made
in a temporary folder: JPEGs of noise, 64 pixels wide, with captions of 50 characters.
"""

from __future__ import annotations

import argparse
import io
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image


def make(folder: Path, form: str, count: int) -> Path:
    """Write `count` pairs in one form; the pictures are a hundred different ones."""
    random = np.random.RandomState(0)
    pictures = []
    for _ in range(100):
        buffer = io.BytesIO()
        Image.fromarray(random.randint(0, 256, (64, 64, 3)).astype(np.uint8)).save(buffer, "JPEG")
        pictures.append(buffer.getvalue())
    captions = [f"a picture of noise, number {number:010d}, for a benchmark" for number in range(count)]
    if form == "tar":
        return _tar(folder / "pairs.tar", pictures, captions)
    if form == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = folder / "pairs.parquet"
        schema = pa.schema({"image": pa.binary(), "text": pa.string()})
        with pq.ParquetWriter(path, schema, use_dictionary=False) as writer:
            for start in range(0, count, 1000):
                part = captions[start : start + 1000]
                images = [pictures[(start + n) % 100] for n in range(len(part))]
                writer.write_table(pa.table({"image": images, "text": part}, schema))
        return path
    for number, caption in enumerate(captions):
        (folder / f"{number:06d}.jpg").write_bytes(pictures[number % 100])
        (folder / f"{number:06d}.txt").write_text(caption)
    return folder


def _tar(path: Path, pictures: list[bytes], captions: list[str]) -> Path:
    with tarfile.open(path, "w") as tar:
        for number, caption in enumerate(captions):
            for ending, data in (("jpg", pictures[number % 100]), ("txt", caption.encode())):
                info = tarfile.TarInfo(f"{number:06d}.{ending}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return path


def run(source: str, batches: int) -> None:
    """Index, stream, and print the peak in MiB, the seconds to index and the images a second after that."""
    from clipsan.pairs import BatchStream, ImageReader, open_pairs, order_of

    start = time.perf_counter()
    pairs = open_pairs(source)
    indexed = time.perf_counter() - start
    reader = ImageReader(pairs, {}, (32, 32), keep="none")
    start = time.perf_counter()
    with BatchStream(reader, len(pairs), 64, 0, order=order_of(pairs, 0)) as stream:
        for _, _ in zip(range(batches), stream, strict=False):
            continue
    speed = batches * 64 / (time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{peak:.0f} {indexed:.1f} {speed:.0f}")


def main() -> None:
    """Print both peaks and their difference."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", type=int, default=1000)
    parser.add_argument("--large", type=int, default=100_000)
    parser.add_argument("--form", choices=("tar", "parquet", "files"), default="tar")
    parser.add_argument("--batches", type=int, default=200)
    parser.add_argument("--one", default="", help="measure this source only (used by this script)")
    options = parser.parse_args()
    if options.one:
        run(options.one, options.batches)
        return
    peaks = []
    for count in (options.small, options.large):
        with tempfile.TemporaryDirectory() as folder:
            source = make(Path(folder), options.form, count)
            command = [sys.executable, __file__, "--one", str(source), "--batches", str(options.batches)]
            done = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        peaks.append(int(done[0]))
        peak, seconds, speed = done
        print(f"{count:7} pairs ({options.form}): {peak} MiB peak, indexed in {seconds} s, {speed} images/s")
    print(f"difference: {peaks[1] - peaks[0]} MiB")


if __name__ == "__main__":
    main()
