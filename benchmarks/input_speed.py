"""Images per second from encoded JPEGs to the model's input: clipsan beside plain Pillow and torchvision.

    python benchmarks/input_speed.py [--images 48] [--rounds 9] [--target 224] [--no-processes]

It makes photo-like JPEGs itself, pins itself to one core for the first table, and lets all ways take turns
in every round, so that a noisy machine slows all of them; the ratio to plain Pillow (median over rounds) is
what to quote. The way with simplejpeg is measured where that is installed (extra `speed`). Everything ends
in uint8 pixels but plain Pillow, whose open_clip transform also converts to float and normalises; clipsan
does that for the whole batch, on the device, in `augment`, whose cost stands below.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import os
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.shared_memory import SharedMemory

import numpy as np
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.transforms import v2

from clipsan.pairs import ImageReader, decode, training_images
from clipsan.pairs.reader import available_cores
from clipsan.pairs.training_images import decode_for_training
from clipsan.training.augment import augment

SIZES = ((500, 375), (640, 480), (1024, 768))
QUALITIES = (85, 90, 95)
OCTAVES = ((4, 80), (8, 45), (16, 30), (40, 18), (120, 14), (250, 10))
"""Cells across a picture, and their contrast of 255: about the spectrum of a photograph."""

Way = Callable[[bytes], object]


@dataclass
class Encoded:
    """An `ImageSource` in memory."""

    files: list[bytes]

    @property
    def names(self) -> list[str]:
        return [str(number) for number in range(len(self.files))]

    def __len__(self) -> int:
        return len(self.files)

    def read(self, index: int) -> bytes:
        return self.files[index]


def photo(width: int, height: int, seed: int) -> bytes:
    """A JPEG as large as a photograph's, of smooth shapes and fine texture, every third one upright."""
    if seed % 3 == 0:
        width, height = height, width
    random = np.random.RandomState(seed)
    pixels = random.normal(128, 6, (height, width, 1)).repeat(3, 2)
    for cells, contrast in OCTAVES:
        grid = random.normal(0, contrast, (max(2, cells * height // width), cells, 3))
        grid = 1.1 * grid.mean(2, keepdims=True) + 0.35 * grid  # mostly light and dark, some colour
        for channel in range(3):
            layer = Image.fromarray(grid[:, :, channel].astype(np.float32))
            pixels[:, :, channel] += np.asarray(layer.resize((width, height), Image.Resampling.BICUBIC))
    file = io.BytesIO()
    picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    picture.save(file, "JPEG", quality=QUALITIES[seed % len(QUALITIES)])
    return file.getvalue()


def ways(target: int) -> dict[str, Way]:
    """Every way to the model's input, plain Pillow first."""
    size = (target, target)
    transform = image_transform_v2(PreprocessCfg(size=size), is_train=False)
    resize = v2.Compose(
        [
            v2.Resize(target, interpolation=v2.InterpolationMode.BICUBIC, antialias=True),
            v2.CenterCrop(target),
        ]
    )

    def plain(data: bytes) -> object:
        return transform(Image.open(io.BytesIO(data)).convert("RGB"))

    def torchvision_reader(data: bytes) -> object:
        encoded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        return resize(decode_jpeg(encoded, ImageReadMode.RGB)).contiguous()

    def with_pillow(data: bytes) -> object:
        found, training_images._simplejpeg = training_images._simplejpeg, lambda: None
        try:
            return decode_for_training(data, {}, size)
        finally:
            training_images._simplejpeg = found

    def pillow_alone(data: bytes) -> object:
        picture = Image.open(io.BytesIO(data))
        picture.load()
        return picture

    table: dict[str, Way] = {
        "Pillow used plainly (open, convert, open_clip's transform)": plain,
        "torchvision (decode_jpeg, v2.Resize antialias, crop)": torchvision_reader,
        "clipsan, exact (all measuring)": lambda data: decode(data, {}, size),
        "clipsan, training, Pillow decodes": with_pillow,
    }
    bounds: dict[str, Way] = {"bound: Pillow decodes, nothing else": pillow_alone}
    simplejpeg = training_images._simplejpeg()
    if simplejpeg is not None:
        table["clipsan, training, simplejpeg decodes"] = lambda data: decode_for_training(data, {}, size)
        bounds["bound: simplejpeg decodes, nothing else"] = simplejpeg
    return table | bounds


def take_turns(table: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each, round by round, after one round to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in table}
    for number in range(rounds + 1):
        for name, run in table.items():
            start = time.perf_counter()
            run()
            if number:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def _all(way: Way, files: Sequence[bytes]) -> None:
    for data in files:
        way(data)


def per_core(target: int, count: int, rounds: int) -> None:
    """The table of one core."""
    print(f"One core, to {target} px; {count} JPEGs of each size, {rounds} rounds in turns.\n")
    print("| from | way | images/s, best round | × plain Pillow, median | mean difference to exact, of 255 |")
    print("|---|---|---|---|---|")
    for width, height in SIZES:
        files = [photo(width, height, seed) for seed in range(count)]
        table = ways(target)
        runs = {name: partial(_all, way, files) for name, way in table.items()}
        seconds = take_turns(runs, rounds)
        plain = next(iter(seconds.values()))
        exact = [decode(data, {}, (target, target)).astype(int) for data in files]
        kilobytes = sum(map(len, files)) / count / 1000
        for name, times in seconds.items():
            ratio = statistics.median(base / own for base, own in zip(plain, times, strict=True))
            off = ""
            if name.startswith(("clipsan", "torchvision")):
                images = (np.asarray(table[name](data)).astype(int) for data in files)
                off = f"{np.mean([np.abs(i - e).mean() for i, e in zip(images, exact, strict=True)]):.3f}"
            print(
                f"| {width}×{height}, {kilobytes:.0f} kB | {name} | {count / min(times):.0f} | {ratio:.2f} "
                f"| {off} |"
            )


def where_time_goes(target: int, rounds: int) -> None:
    """Parts of one 500 px picture's time, and of the augmentation of a batch, on one core."""
    size = (target, target)
    dot = io.BytesIO()
    Image.new("RGB", (16, 8)).save(dot, "JPEG")
    pixels = torch.from_numpy(np.asarray(Image.open(io.BytesIO(photo(500, 375, 1)))).copy())
    batch = torch.randint(0, 256, (64, 3, *size), dtype=torch.uint8)
    generator = torch.Generator().manual_seed(0)
    names = ("brightening-noise", "erase")
    repeats = 50
    resized = training_images.resized_size((500, 375), size, "shortest")
    assert resized is not None
    parts: dict[str, tuple[int, Callable[[], object]]] = {
        "resizing and cropping 500×375": (
            repeats,
            lambda: [
                training_images._fit(pixels, (375, 500), resized, size, "bicubic") for _ in range(repeats)
            ],
        ),
        "all of a 16×8 picture: what Python costs, at most": (
            repeats,
            lambda: [decode_for_training(dot.getvalue(), {}, (12, 12)) for _ in range(repeats)],
        ),
        f"augmenting and normalising, {target} px, batch of 64": (
            len(batch),
            lambda: augment(batch, names, (0.5,) * 3, (0.3,) * 3, generator),
        ),
    }
    seconds = take_turns({name: run for name, (_, run) in parts.items()}, rounds)
    print("\n| part | ms an image, best round |\n|---|---|")
    for name, times in seconds.items():
        print(f"| {name} | {min(times) / parts[name][0] * 1e3:.3f} |")


def _decode_part(job: tuple[str, tuple[int, ...], Sequence[int], Sequence[bytes]]) -> None:
    """In a worker process: decodes `files` into rows of the shared batch."""
    name, shape, rows, files = job
    memory = SharedMemory(name)
    pixels: np.ndarray = np.ndarray(shape, np.uint8, memory.buf)
    for row, data in zip(rows, files, strict=True):
        pixels[row] = decode_for_training(data, {}, (shape[2], shape[3]))
    del pixels
    memory.close()


def workers(target: int, count: int, rounds: int, number: int) -> None:
    """Threads that write into the batch, beside processes that write into shared memory."""
    files = [photo(500, 375, seed) for seed in range(count)]
    size = (target, target)
    one = ImageReader(Encoded(files), {}, size, exact=False, threads=1, keep="none")
    many = ImageReader(Encoded(files), {}, size, exact=False, threads=number, keep="none")
    shape = (count, 3, *size)
    memory = SharedMemory(create=True, size=int(np.prod(shape)))
    try:
        with multiprocessing.get_context("spawn").Pool(number) as pool:
            starts = range(number * 4)
            jobs = [
                (memory.name, shape, list(range(count))[s :: number * 4], files[s :: number * 4])
                for s in starts
            ]
            seconds = take_turns(
                {
                    "1 thread": lambda: one.batch(range(count)),
                    f"{number} threads": lambda: many.batch(range(count)),
                    f"{number} processes, shared memory": lambda: pool.map(_decode_part, jobs, chunksize=1),
                },
                rounds,
            )
            pixels: np.ndarray = np.ndarray(shape, np.uint8, memory.buf)
            assert np.array_equal(pixels, many.batch(range(count))[0].numpy())
            del pixels
    finally:
        memory.close()
        memory.unlink()
    single = next(iter(seconds.values()))
    print(f"\n{number} cores, 500×375 to {target} px, training, batches of {count}.\n")
    print("| workers | images/s, best round | × one thread, median |\n|---|---|---|")
    for name, times in seconds.items():
        ratio = statistics.median(base / own for base, own in zip(single, times, strict=True))
        print(f"| {name} | {count / min(times):.0f} | {ratio:.2f} |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--target", type=int, default=224)
    parser.add_argument("--no-processes", action="store_true", help="leave the table of workers out")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", message=".*TorchVision are.*deprecated")
    torch.set_num_threads(1)
    cores = available_cores()
    before = None
    with suppress(AttributeError):  # not every system can pin
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {max(before)})
    per_core(options.target, options.images, options.rounds)
    where_time_goes(options.target, options.rounds)
    if before is not None:
        os.sched_setaffinity(0, before)
    if cores > 1 and not options.no_processes:
        workers(options.target, options.images * 4, options.rounds, min(cores, 8))


if __name__ == "__main__":
    main()
