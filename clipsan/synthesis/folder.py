"""The loop that fills a folder with pairs: requests to a maker, a judge over what comes back, files.

    images/000000.jpg …    metadata.jsonl    contact-sheet.png    synth.json

`metadata.jsonl` comes last: a folder without it is unfinished, and the same call goes on with it. The same
arguments give the same bytes, however often a run was killed.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clipsan.errors import UsageError
from clipsan.synthesis.captions import describe
from clipsan.synthesis.concepts import Schedule
from clipsan.synthesis.dice import derive_seed
from clipsan.synthesis.journal import PARTIAL, PROGRESS, Journal, Settled, claim, write_whole
from clipsan.synthesis.maker import Judge, Made, Maker, Request

METADATA = "metadata.jsonl"
SHEET = "contact-sheet.png"
IMAGES = "images"
ATTEMPTS = 3
"""How often an image is made, at most, until there is one and the judge lets it pass."""

_SHEET_SIDE, _SHEET_COLUMNS, _SHEET_IMAGES = 112, 10, 100


@dataclass(frozen=True)
class Filled:
    """What a folder holds.

    Attributes:
        written: pairs in it.
        dropped: images that the maker never made, or the judge never let pass.
        again: images that were made again, each time counted.
        resumed: pairs that an earlier run had settled.
        failed: of the dropped ones, those that the maker made no image of.
    """

    written: int
    dropped: int
    again: int
    resumed: int
    failed: int = 0


def encode(pixels: NDArray[np.uint8], image_format: str) -> bytes:
    """RGB [h x w x 3] as `jpg` (quality 92, full colour resolution) or `png`, quickly rather than small."""
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    if image_format == "jpg":
        image.save(buffer, format="JPEG", quality=92, subsampling=0)
    elif image_format == "png":
        image.save(buffer, format="PNG", compress_level=1)
    else:
        raise UsageError(f"there is no image format {image_format!r}; choose jpg or png")
    return buffer.getvalue()


def fill(
    folder: Path,
    num: int,
    seed: int,
    names: Sequence[str],
    maker: Maker,
    judge: Judge | None,
    image_format: str,
    settings: dict[str, object],
    tell: Callable[[int], None],
) -> Filled:
    """Make what is missing of `num` pairs.

    Args:
        folder: new, empty, or begun by an equal call.
        names: the concepts.
        settings: what `synth.json` says and a later call must agree with.
        tell: hears after each call of the maker how many pairs are settled.

    Raises:
        OutputError: the folder is in use otherwise, or by a run with other settings.
        OSError: it cannot be written.
    """
    claim(folder, settings)
    if (folder / METADATA).is_file():
        (folder / PROGRESS).unlink(missing_ok=True)
        written = (folder / METADATA).read_bytes().count(b"\n")
        return Filled(written, num - written, 0, num)
    (folder / IMAGES).mkdir(exist_ok=True)
    journal = Journal(folder, num, maker.batch)
    resumed = len(journal.settled)
    schedule = Schedule(names, seed)
    tell(resumed)
    for start in range(resumed, num, maker.batch):
        indices = range(start, min(num, start + maker.batch))
        journal.add(_settle(folder, indices, seed, schedule, maker, judge, image_format))
        tell(len(journal.settled))
    rows = [entry.row for entry in journal.settled if entry.row is not None]
    names_of_files = [str(row["file_name"]) for row in rows]
    write_whole(folder / SHEET, contact_sheet([folder / name for name in names_of_files]))
    for rest in (*folder.glob(f".*{PARTIAL}"), *(folder / IMAGES).glob(f".*{PARTIAL}")):
        rest.unlink(missing_ok=True)
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_whole(folder / METADATA, lines.encode())
    journal.remove()
    again = sum(entry.again for entry in journal.settled)
    failed = sum(entry.failed for entry in journal.settled)
    return Filled(len(rows), num - len(rows), again, resumed, failed)


def _settle(
    folder: Path,
    indices: Sequence[int],
    seed: int,
    schedule: Schedule,
    maker: Maker,
    judge: Judge | None,
    image_format: str,
) -> list[Settled]:
    """Make, judge and write the images of one call."""
    open_: list[int] = list(indices)
    settled: dict[int, Settled] = {}
    failed: set[int] = set()  # in the latest attempt
    for attempt in range(ATTEMPTS):
        requests = [request_of(index, seed, attempt, schedule) for index in open_]
        images = list(zip(requests, maker.make(requests), strict=True))
        made = [(request, one) for request, one in images if one is not None]
        failed = {request.index for request, one in images if one is None}
        passed = np.ones(len(made), dtype=bool)
        if judge is not None and made:
            passed = judge.scores([one for _, one in made]) >= judge.threshold
        for (request, one), good in zip(made, passed, strict=True):
            if good:
                row = _write(folder, request, one, maker.name, image_format)
                settled[request.index] = Settled(request.index, row, attempt)
        open_ = [index for index in open_ if index not in settled]
        if not open_:
            break
    return [settled.get(at, Settled(at, None, ATTEMPTS - 1, at in failed)) for at in indices]


def request_of(index: int, seed: int, attempt: int, schedule: Schedule) -> Request:
    """The request for image `index`; each attempt has a seed, and so a caption, of its own."""
    own = derive_seed(seed, index, attempt)
    concepts = schedule.concepts(index)
    return Request(index, own, concepts, describe(concepts, own))


def _write(folder: Path, request: Request, made: Made, maker: str, image_format: str) -> dict[str, object]:
    """Write one image; its row of `metadata.jsonl`."""
    name = f"{IMAGES}/{request.index:06d}.{image_format}"
    write_whole(folder / name, encode(made.pixels, image_format))
    return {
        "file_name": name,
        "text": made.caption,
        "concepts": list(request.concepts),
        "seed": request.seed,
        "maker": maker,
        **made.record,
    }


def contact_sheet(files: Sequence[Path]) -> bytes:
    """A PNG of up to 100 of the images, spread evenly over all of them."""
    shown = min(len(files), _SHEET_IMAGES)
    columns = max(1, min(_SHEET_COLUMNS, shown))
    rows = max(1, -(-shown // columns))
    step = _SHEET_SIDE + 4
    sheet = Image.new("RGB", (columns * step + 4, rows * step + 4), "white")
    for at in range(shown):
        with Image.open(files[at * len(files) // shown]) as image:
            image.thumbnail((_SHEET_SIDE, _SHEET_SIDE))
            sheet.paste(image, (4 + at % columns * step, 4 + at // columns * step))
    buffer = io.BytesIO()
    sheet.save(buffer, format="PNG")
    return buffer.getvalue()
