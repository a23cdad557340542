"""Who makes the images of `synth` and who judges them, from what the user typed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from clipsan.errors import UsageError
from clipsan.runs.watch import Watcher
from clipsan.synthesis.concepts import Schedule
from clipsan.synthesis.diffusion import Options, open_maker
from clipsan.synthesis.drawing import SceneMaker
from clipsan.synthesis.folder import request_of
from clipsan.synthesis.journal import SETTINGS
from clipsan.synthesis.maker import Judge, Made, Maker

if TYPE_CHECKING:
    from clipsan.synthesis.judge import ReferenceJudge
    from clipsan.synthesis.rewording import RewordingMaker

SHARED = ("size", "device")
"""Of `Options`: what is not for diffusion alone."""


def _scenes(names: Sequence[str], options: Options, watcher: Watcher) -> Maker:
    given = [
        f"--{each.name.replace('_', '-')}"
        for each in fields(options)
        if each.name not in SHARED and getattr(options, each.name) != each.default
    ]
    if given:
        raise UsageError(f"{', '.join(given)} is for --maker diffusion; scenes are drawn without a model")
    watcher.warn(DRAWN)
    return SceneMaker(names, options.size or 224)


def _diffusion(names: Sequence[str], options: Options, watcher: Watcher) -> Maker:
    maker = open_maker(options)
    for note in maker.notes:
        watcher.stage(note)
    for warning in maker.warnings:
        watcher.warn(warning)
    return maker


DRAWN = (
    "drawn scenes are for trying clipsan and testing pipelines; a model of photographs that is cleaned on "
    "them forgets what photographs look like: to clean it, use photographs"
)

MAKERS: dict[str, Callable[[Sequence[str], Options, Watcher], Maker]] = {
    "scenes": _scenes,
    "diffusion": _diffusion,
}
"""Makers by the name that `--maker` takes, each built from the concepts and what was chosen."""


def build_maker(maker: str | Maker, names: Sequence[str], options: Options, watcher: Watcher) -> Maker:
    """The maker of that name; one that was given is taken as it is.

    Raises:
        UsageError: there is none of that name, or an option is not for it.
    """
    if not isinstance(maker, str):
        return maker
    if maker not in MAKERS:
        raise UsageError(f"there is no maker {maker!r}; choose {' or '.join(MAKERS)}")
    return MAKERS[maker](names, options, watcher)


def reword(maker: Maker, model: str | Path, device: str, watcher: Watcher) -> RewordingMaker:
    """A maker whose captions a language model rewords first.

    Raises:
        UsageError: the maker draws, and would not draw what the model makes up.
    """
    if isinstance(maker, SceneMaker):
        raise UsageError(
            "--captions-model is for --maker diffusion; a drawn scene's caption says what is drawn"
        )
    from clipsan.synthesis.diffusion.options import devices_of
    from clipsan.synthesis.language_model import LanguageModel
    from clipsan.synthesis.rewording import CaptionWriter, RewordingMaker

    writer = CaptionWriter(LanguageModel(model, devices_of(device)[0]))
    for warning in writer.warnings:
        watcher.warn(warning)
    return RewordingMaker(maker, writer)


def build_judge(judge: str | Path | Judge | None, minimum: str | float, device: str) -> Judge | None:
    """The CLIP of that name as a judge; one that was given is taken as it is."""
    if judge is None or not isinstance(judge, str | Path):
        return judge
    from clipsan.synthesis.diffusion.options import devices_of
    from clipsan.synthesis.judge import open_judge

    return open_judge(judge, minimum, devices_of(device)[0])


def calibrate(
    judge: Judge | None,
    maker: Maker,
    names: Sequence[str],
    num: int,
    seed: int,
    folder: Path,
    watcher: Watcher,
) -> None:
    """Fix a judge's threshold before the first pair is written, or take over that of the folder.

    The run's first images are made for it, and made again when their turn comes.
    """
    if judge is None:
        return  # without importing torch
    from clipsan.synthesis.judge import ReferenceJudge

    if not isinstance(judge, ReferenceJudge) or not judge.first:
        return
    earlier = _earlier_threshold(folder, judge)
    if earlier is not None:
        judge.resume(earlier)
        return
    first = min(num, judge.first)
    watcher.stage(f"Measuring the judge's threshold on the first {first} images")
    schedule = Schedule(names, seed)
    requests = [request_of(index, seed, 0, schedule) for index in range(first)]
    made: list[Made] = []
    try:
        for start in range(0, first, maker.batch):
            found = maker.make(requests[start : start + maker.batch])
            made += [each for each in found if each is not None]
            watcher.making(min(first, start + maker.batch), first)
    finally:
        watcher.finished()
    watcher.stage(f"The judge's threshold is a cosine of {judge.calibrate(made):.3f}")


def _earlier_threshold(folder: Path, judge: ReferenceJudge) -> float | None:
    """The threshold that the folder was begun with, where the judge and its rule were the same."""
    try:
        found = json.loads((folder / SETTINGS).read_bytes())["judge"]
        same = all(found[name] == value for name, value in judge.settings().items())
        return float(found["threshold"]) if same else None
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None  # a folder that is broken is refused when it is claimed
