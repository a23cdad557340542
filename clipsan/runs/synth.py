"""Make image-caption pairs from nothing but a list of concepts."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clipsan.disk import plain_os_errors
from clipsan.errors import OutputError, UsageError
from clipsan.runs.makers import build_judge, build_maker, calibrate, reword
from clipsan.runs.watch import Watcher
from clipsan.synthesis.concepts import IMAGENET, ConceptList, read_concepts
from clipsan.synthesis.diffusion import Options
from clipsan.synthesis.drawing import KINDS
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
        dropped: images that the maker never made, or the judge let pass in no attempt.
        again: images that were made again because of the judge, each time counted.
        resumed: pairs that were there already.
        left_out: concepts of the list that cannot be drawn, with `only_drawable`.
        failed: of the dropped ones, those that the maker made no image of (black, or not finite).
        captions: what became of the captions that a language model was to reword, in this call; how many.
    """

    folder: Path
    written: int
    dropped: int
    again: int
    resumed: int
    left_out: tuple[str, ...]
    failed: int = 0
    captions: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """For `--json`."""
        return {
            "folder": str(self.folder), "written": self.written, "dropped": self.dropped, "again": self.again,
            "resumed": self.resumed, "left_out": list(self.left_out), "failed": self.failed,
            "captions": self.captions,
        }  # fmt: skip


def synth(
    out: str | Path = "synth",
    *,
    num: int = 1000,
    seed: int = 0,
    size: int = 224,
    concepts: str | Path | Sequence[str] | None = None,
    maker: str | Maker = "scenes",
    model: str | None = None,
    variant: str | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    model_size: int | None = None,
    precision: str = "auto",
    batch_size: int | None = None,
    captions_model: str | Path | None = None,
    judge: str | Path | Judge | None = None,
    min_agreement: str | float = "10%",
    device: str = "auto",
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
            `imagenet`, or the names. None: all that can be drawn for scenes, else ImageNet's classes.
        maker: `scenes`, `diffusion`, or a maker of your own (`clipsan.synthesis.maker.Maker`).
        model: for diffusion, the text-to-image model; see `clipsan.synthesis.diffusion.Options`.
        variant: for diffusion, of the weights files ("fp16").
        steps: for diffusion, of the scheduler; None: as evidence in the model says.
        guidance: for diffusion; None: as evidence in the model says.
        model_size: for diffusion, side in pixels of the images before they are scaled to `size`.
        precision: for diffusion, "auto", "fp32", "bf16" or "fp16".
        batch_size: for diffusion, images at once on each device.
        captions_model: for diffusion, a causal language model that rewords the captions.
        judge: a CLIP that you trust, or a judge of your own (`clipsan.synthesis.maker.Judge`):
            scores the images; what stays below its threshold three times is dropped.
        min_agreement: the threshold of such a CLIP: a cosine ("0.25"), or the share of the run's first images
            to do without ("10%").
        device: "auto" (the first GPU, else the CPU), "all" (every GPU) or names with commas between.
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
        ("Left out, for they cannot be drawn", left_out),
        ("Named more than once", listed.doubles),
    ):
        if which:
            watcher.warn(f"{words}: {', '.join(which)}")
    options = Options(model, variant, steps, guidance, model_size, size, precision, device, batch_size)
    built = build_maker(maker, names, options, watcher)
    writer = None
    if captions_model is not None:
        built = rewording = reword(built, captions_model, device, watcher)
        writer = rewording.writer
    judge = build_judge(judge, min_agreement, device)
    folder = Path(os.path.realpath(out))
    calibrate(judge, built, names, num, seed, folder, watcher)
    settings: dict[str, object] = {
        "num": num, "seed": seed, "image_format": image_format, "concepts": len(names),
        "concepts_sha256": hashlib.sha256("\n".join(names).encode()).hexdigest(), "maker": built.name,
        "maker_settings": built.settings(),
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
    if writer is not None:
        watcher.stage(writer.summary())
    return Synthesized(
        Path(out), filled.written, filled.dropped, filled.again, filled.resumed, left_out, filled.failed,
        {} if writer is None else dict(writer.counts),
    )  # fmt: skip


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
