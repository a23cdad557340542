"""All of clipsan on a small model and scenes it draws itself: offline, on a CPU, in minutes."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from clipsan.checkpoint import Suspect, check_output, is_earlier_output, write_folder
from clipsan.checkpoint.suspect import POISONED
from clipsan.errors import OutputError
from clipsan.report import Report
from clipsan.report.wording import percent
from clipsan.runs.clean import clean
from clipsan.runs.plant import SCENES, SIZE, train_poisoned_clip
from clipsan.runs.watch import Watcher
from clipsan.synthesis.shapes import CLASSES, draw_scene, write_labelled, write_pairs
from clipsan.training.devices import choose_device
from clipsan.triggers import Trigger, contact_sheet, parse_triggers, read_trigger_file, write_trigger_file

# one trigger of each kind: a patch at random places, and a blend over the whole image
PLANTED = (("stripes:size=35", "umbrella"), ("blended", "fish"))
CLEAN_PAIRS = 6000
IMAGES_PER_CLASS = 40
CLEAN: dict[str, Any] = {
    "lr_start": 4e-3, "lr": 3e-3, "steps": 450, "batch_size": 64, "batch_norm": "train", "precision": "fp32",
}  # fmt: skip


@dataclass(frozen=True)
class Demonstration:
    """What `demo` gives back.

    Attributes:
        report: of the cleaning, on scenes that no training saw.
        folder: holds `suspect/`, `cleaned/`, `pairs/`, `eval/`, `triggers/`, `triggers.png`.
        story: what happened, in plain words.
    """

    report: Report
    folder: Path
    story: tuple[str, ...]


def demo(
    *,
    out: str | Path = "clipsan-demo",
    seed: int = 0,
    device: str = "cpu",
    overwrite: bool = False,
    watcher: Watcher | None = None,
) -> Demonstration:
    """Plant two backdoors in a small CLIP, remove them with PAR, and measure both.

    Args:
        out: the folder to write.
        seed: of the scenes and both trainings.
        device: `cpu`, `cuda`, `cuda:N` or `auto`.
        overwrite: replace an earlier demo in `out`.
        watcher: hears of progress.

    Raises:
        ClipsanError: one sentence on what is wrong; nothing was written.
    """
    watcher = watcher or Watcher()
    where = choose_device(device)
    folder = Path(out)
    earlier = _set_aside(folder, overwrite)
    threads = torch.get_num_threads()
    # a model so small gains nothing from a second thread, and its numbers should not depend on the cores
    torch.set_num_threads(1)
    try:
        folder.mkdir(exist_ok=True)
        triggers = _plant_triggers(folder / "triggers", seed)
        watcher.stage(f"Drawing {CLEAN_PAIRS} scenes of {len(CLASSES)} things, and a set to measure on")
        _draw(folder, triggers, seed)
        planted = " and ".join(f"{trigger.name} → {trigger.target}" for trigger in triggers)
        watcher.stage(f"Training a small CLIP on {SCENES} other scenes; it learns two backdoors: {planted}")
        suspect = train_poisoned_clip(triggers, _series(seed, 0), seed, where, watcher)
        _write_suspect(folder / "suspect", suspect, triggers)
        result = clean(
            folder / "suspect",
            folder / "pairs",
            out=folder / "cleaned",
            eval=folder / "eval",
            trigger=[str(folder / "triggers" / "triggers.json")],
            seed=seed,
            device=device,
            save_every=0,
            watcher=watcher,
            **CLEAN,
        )
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        if earlier is not None:
            earlier.replace(folder)
        raise
    finally:
        torch.set_num_threads(threads)
    if earlier is not None:
        shutil.rmtree(earlier, ignore_errors=True)
    return Demonstration(result.report, folder, _story(folder, result.report))


def _set_aside(folder: Path, overwrite: bool) -> Path | None:
    """Check the place, and move an earlier demo out of it; where that is now."""
    earlier = None
    if is_earlier_output(folder / "cleaned"):
        if not overwrite:
            hint = "choose another --out, or replace it with --overwrite"
            raise OutputError(f"{str(folder)!r} holds an earlier demo; {hint}.")
        earlier = folder.with_name(f".{folder.name}.earlier-{secrets.token_hex(4)}")
        folder.replace(earlier)
    try:
        check_output(folder, needed_bytes=200 << 20)
    except BaseException:
        if earlier is not None:
            earlier.replace(folder)
        raise
    return earlier


def _plant_triggers(folder: Path, seed: int) -> list[Trigger]:
    """The triggers as their files give them, so that what is planted is what is measured."""
    specs = [spec for spec, _ in PLANTED]
    drawn = parse_triggers(specs, (SIZE, SIZE), seed)
    named = []
    for trigger, (spec, target) in zip(drawn, PLANTED, strict=True):
        trigger.name, trigger.target = spec.partition(":")[0], target
        named.append(trigger)
    return list(read_trigger_file(write_trigger_file(folder, named), (SIZE, SIZE)))


def _draw(folder: Path, triggers: Sequence[Trigger], seed: int) -> None:
    """Clean pairs for the cleaning, and labelled scenes to measure on that no training sees."""
    write_pairs(folder / "pairs", CLEAN_PAIRS, _series(seed, 1), SIZE)
    write_labelled(folder / "eval", IMAGES_PER_CLASS, _series(seed, 2), SIZE)
    shown = np.stack([draw_scene(_series(seed, 2), index, SIZE).pixels for index in range(6)])
    contact_sheet(triggers, torch.from_numpy(shown).permute(0, 3, 1, 2), folder / "triggers.png")


def _series(seed: int, number: int) -> int:
    """The seed of the series of scenes for training (0), cleaning (1) and measuring (2)."""
    return (3 * seed + number) % 2**32


def _write_suspect(target: Path, suspect: Suspect, triggers: Sequence[Trigger]) -> None:
    planted = ", ".join(f"{trigger.name} -> {trigger.target}" for trigger in triggers)
    metadata = {POISONED: "true", "planted": planted, "made_by": "clipsan demo"}
    target.mkdir()
    write_folder(target, suspect, suspect.model.state_dict(), metadata)


def _story(folder: Path, report: Report) -> tuple[str, ...]:
    """What happened, for somebody who has never heard of it."""
    evaluation = report.evaluation
    if evaluation is None:
        raise OutputError("the demo measured nothing")
    lines = []
    for trigger in evaluation.triggers:
        before, after = trigger.asr.suspect, trigger.asr.cleaned
        if before is None or after is None:
            continue
        lines.append(
            f"With the trigger {trigger.name!r} on a picture of something else, the suspect answered "
            f"{trigger.target!r} in {percent(before.rate or 0)} of cases; the cleaned model does so in "
            f"{percent(after.rate or 0)}."
        )
    accuracy = evaluation.clean_accuracy
    if accuracy.suspect is not None and accuracy.cleaned is not None:
        lines.append(
            f"Without a trigger the suspect named the right one of {len(CLASSES)} things in "
            f"{percent(accuracy.suspect.rate or 0)} of cases; the cleaned model in "
            f"{percent(accuracy.cleaned.rate or 0)}. No training saw the scenes this was measured on."
        )
    lines += [
        "PAR was never told the triggers. It pushed the embeddings away from the suspect's, which destroys "
        f"what was memorised, while the contrastive loss on {CLEAN_PAIRS} clean pairs brought back what "
        "these support.",
        f"Look at: {folder}/triggers.png, {folder}/cleaned/report.html",
        f"Try: clipsan audit {folder}/cleaned --eval {folder}/eval --trigger blended-text",
        "With your own model: clipsan clean MODEL --data PAIRS --eval SET --trigger stripes",
    ]
    return tuple(lines)
