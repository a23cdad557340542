"""Make image-caption pairs from nothing but a list of concepts."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from clipsan.checkpoint.output import plain_os_errors
from clipsan.errors import OutputError, UsageError
from clipsan.runs.watch import Watcher
from clipsan.synthesis.concepts import IMAGENET, ConceptList, read_concepts
from clipsan.synthesis.drawing import KINDS, SceneMaker
from clipsan.synthesis.drawing.maker import undrawable
from clipsan.synthesis.folder import fill
from clipsan.synthesis.maker import Judge, Maker

FORMATS = ("jpg", "png")
LARGEST_NUM = 10_000_000
LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True)
class Synthesized:
    """What `synth` gives back.

    Attributes:
        folder: with `metadata.jsonl`, `images/`, `contact-sheet.png` and `synth.json`.
        written: pairs in it.
        dropped: images that the judge let pass in no attempt.
        again: images that were made again because of the judge, each time counted.
        resumed: pairs that were there already.
        left_out: concepts of the list that cannot be drawn, with `only_drawable`.
    """

    folder: Path
    written: int
    dropped: int
    again: int
    resumed: int
    left_out: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """For `--json`."""
        return {
            "folder": str(self.folder), "written": self.written, "dropped": self.dropped, "again": self.again,
            "resumed": self.resumed, "left_out": list(self.left_out),
        }  # fmt: skip


def _scenes(concepts: Sequence[str], size: int) -> Maker:
    return SceneMaker(concepts, size)


MAKERS: dict[str, Callable[[Sequence[str], int], Maker]] = {"scenes": _scenes}
"""Makers by the name that `--maker` takes, each built from the concepts and the size of the images."""


def synth(
    out: str | Path = "synth",
    *,
    num: int = 1000,
    seed: int = 0,
    size: int = 224,
    concepts: str | Path | Sequence[str] | None = None,
    maker: str | Maker = "scenes",
    judge: Judge | None = None,
    image_format: str = "jpg",
    only_drawable: bool = False,
    watcher: Watcher | None = None,
) -> Synthesized:
    """Make image-caption pairs; a call that was interrupted goes on when it is repeated.

    Args:
        out: the folder to write: new, empty, or begun by an equal call.
        num: pairs to make.
        seed: of everything; pair i depends on (seed, i) only.
        size: height and width of the images in pixels.
        concepts: what the pairs are about: a file with a name a line, a folder of labelled images,
            `imagenet`, or the names themselves. None: everything that can be drawn for scenes, else ImageNet's classes.
        maker: `scenes`, or a maker of your own (`clipsan.synthesis.maker.Maker`).
        judge: scores the images; what stays below its threshold three times is dropped.
        image_format: `jpg` (quality 92, colours at full resolution) or `png`.
        only_drawable: leave out the concepts that cannot be drawn, and name them.
        watcher: hears of progress.

    Raises:
        ClipsanError: one sentence on what is wrong.
    """
    watcher = watcher or Watcher()
    if not 1 <= num <= LARGEST_NUM:
        raise UsageError(f"{num} pairs cannot be made; choose a --num from 1 to {LARGEST_NUM}")
    if not 0 <= seed <= LARGEST_SEED:
        raise UsageError(f"the seed {seed} is out of range; choose a --seed from 0 to {LARGEST_SEED}")
    if image_format not in FORMATS:
        raise UsageError(f"there is no image format {image_format!r}; choose {' or '.join(FORMATS)}")
    listed = _concepts(concepts, maker)
    left_out = tuple(undrawable(listed.names)) if only_drawable else ()
    names = [name for name in listed.names if name not in left_out]
    if not names:
        raise UsageError(f"none of the concepts of {listed.source} can be drawn; choose another --maker")
    for words, which in (
        ("cannot be drawn and are left out", left_out),
        ("occur more than once", listed.doubles),
    ):
        if which:
            watcher.warn(f"{len(which)} concepts {words}: {', '.join(which)}")
    built = _maker(maker, names, size)
    folder = Path(os.path.realpath(out))
    settings: dict[str, object] = {
        "num": num, "seed": seed, "image_format": image_format, "concepts": len(names),
        "concepts_sha256": hashlib.sha256("\n".join(names).encode()).hexdigest(), "maker": built.name,
        "batch": built.batch, "maker_settings": built.settings(),
        "judge": None if judge is None else {"threshold": judge.threshold, **judge.settings()},
    }  # fmt: skip
    watcher.stage(f"Making {num} pairs of {len(names)} concepts with {built.name}")
    try:
        with plain_os_errors(folder):
            _check_space(folder, num, size, image_format)
            filled = fill(
                folder,
                num,
                seed,
                names,
                built,
                judge,
                image_format,
                settings,
                lambda done: watcher.making(done, num),
            )
    finally:
        watcher.finished()
    return Synthesized(Path(out), filled.written, filled.dropped, filled.again, filled.resumed, left_out)


def _concepts(concepts: str | Path | Sequence[str] | None, maker: str | Maker) -> ConceptList:
    if concepts is None:
        return (
            ConceptList("everything that can be drawn", tuple(KINDS))
            if maker == "scenes"
            else read_concepts(IMAGENET)
        )
    if isinstance(concepts, (str, Path)):
        return read_concepts(concepts)
    return ConceptList("the given names", tuple(dict.fromkeys(concepts)))


def _maker(maker: str | Maker, names: Sequence[str], size: int) -> Maker:
    if not isinstance(maker, str):
        return maker
    if maker not in MAKERS:
        raise UsageError(f"there is no maker {maker!r}; choose {' or '.join(MAKERS)}")
    return MAKERS[maker](names, size)


def _check_space(folder: Path, num: int, size: int, image_format: str) -> None:
    """Refuse at once what would fail after hours; what is there already counts as free."""
    if not folder.parent.is_dir():
        return
    # drawn scenes take 0.5 bytes a pixel as JPEG and 2 as PNG; half of that is surely needed
    needed = num * size * size * (0.25 if image_format == "jpg" else 1.0)
    held = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) if folder.is_dir() else 0
    free = shutil.disk_usage(folder.parent).free
    if free + held < needed:
        raise OutputError(
            f"{num} images take about {needed / 1e6:.0f} MB and {str(folder.parent)!r} has "
            f"{free / 1e6:.0f} MB free; make room or choose another --out."
        )
