"""All of clipsan on a small model and scenes it draws itself: offline, on a CPU, in minutes."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from open_clip.model import CLIP

from clipsan.checkpoint import Provenance, Suspect, check_output, is_earlier_output, write_open_clip_folder
from clipsan.checkpoint.build import make_tokenizer
from clipsan.errors import OutputError
from clipsan.pairs import ImageReader, open_pairs
from clipsan.report import Report
from clipsan.report.wording import percent
from clipsan.runs.clean import clean
from clipsan.runs.watch import Watcher
from clipsan.synth import CLASSES, Scene, draw_scene, write_labelled, write_pairs
from clipsan.training.devices import choose_device
from clipsan.training.loop import train
from clipsan.training.settings import TrainSettings
from clipsan.triggers import Trigger, contact_sheet, parse_triggers, read_trigger_file, write_trigger_file

SIZE = 48
MODEL: dict[str, Any] = {
    "embed_dim": 128,
    "vision_cfg": {"image_size": SIZE, "layers": [1, 1, 1, 1], "width": 16, "patch_size": None},
    "text_cfg": {"context_length": 24, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 1},
}
PREPROCESS: dict[str, Any] = {
    "mean": [0.48145466, 0.4578275, 0.40821073],
    "std": [0.26862954, 0.26130258, 0.27577711],
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}
LOGIT_SCALE = 20.0
# one trigger of each kind: a patch at random places, and a blend over the whole image
PLANTED = (("stripes:size=37", "umbrella"), ("blended", "fish"))
POISONED_SHARE = 0.03  # of the training pairs, for each trigger
TRAINING_PAIRS = 6000
CLEAN_PAIRS = 3000
IMAGES_PER_CLASS = 25
TRAIN = TrainSettings(
    method="finetune", lr_start=3e-3, lr=2e-3, steps=400, batch_size=64, batch_norm="train", augment=(),
    weight_decay=0.01, precision="fp32",
)  # fmt: skip
CLEAN: dict[str, Any] = {
    "lr_start": 1e-3, "lr": 1e-4, "steps": 120, "batch_size": 128, "batch_norm": "train", "precision": "fp32",
}  # fmt: skip


@dataclass(frozen=True)
class Demonstration:
    """What `demo` gives back.

    Attributes:
        report: of the cleaning, on scenes that no training saw.
        folder: holds `suspect/`, `cleaned/`, `pairs/`, `poisoned-pairs/`, `eval/`, `triggers/`, `triggers.png`.
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
    _make_room(folder, overwrite)
    folder.mkdir(exist_ok=True)
    try:
        triggers = _plant_triggers(folder / "triggers", seed)
        watcher.stage(f"Drawing {TRAINING_PAIRS + CLEAN_PAIRS} scenes of {len(CLASSES)} kinds, with captions")
        _draw(folder, triggers, seed)
        _train_suspect(folder, triggers, seed, where, watcher)
        result = clean(
            folder / "suspect",
            folder / "pairs",
            out=folder / "cleaned",
            eval=folder / "eval",
            trigger=[str(folder / "triggers" / "triggers.json")],
            seed=seed,
            device=device,
            watcher=watcher,
            **CLEAN,
        )
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return Demonstration(result.report, folder, _story(folder, result.report))


def _make_room(folder: Path, overwrite: bool) -> None:
    if overwrite and is_earlier_output(folder / "cleaned"):
        shutil.rmtree(folder)
    check_output(folder, needed_bytes=200 << 20)


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
    """Poisoned pairs for the training, clean ones for the cleaning, labelled ones to measure on."""
    random = np.random.RandomState(seed)
    order = random.permutation(TRAINING_PAIRS)
    count = int(POISONED_SHARE * TRAINING_PAIRS)
    poison = {
        int(index): trigger
        for number, trigger in enumerate(triggers)
        for index in order[number * count : (number + 1) * count]
    }

    def alter(index: int, scene: Scene) -> Scene:
        trigger = poison.get(index)
        if trigger is None:
            return scene
        pixels = torch.from_numpy(scene.pixels).permute(2, 0, 1).unsqueeze(0)
        triggered = trigger.apply(pixels, [index])[0].permute(1, 2, 0).numpy()
        return replace(scene, pixels=np.ascontiguousarray(triggered), caption=f"a picture of a {trigger.target}.")

    write_pairs(folder / "poisoned-pairs", TRAINING_PAIRS, 3 * seed, SIZE, alter)
    write_pairs(folder / "pairs", CLEAN_PAIRS, 3 * seed + 1, SIZE)
    write_labelled(folder / "eval", IMAGES_PER_CLASS, 3 * seed + 2, SIZE)
    shown = np.stack([draw_scene(3 * seed + 2, index, SIZE).pixels for index in range(6)])
    contact_sheet(triggers, torch.from_numpy(shown).permute(0, 3, 1, 2), folder / "triggers.png")


def _train_suspect(
    folder: Path, triggers: Sequence[Trigger], seed: int, device: torch.device, watcher: Watcher
) -> None:
    """Train a small CLIP from scratch on the poisoned pairs and write it as an open_clip folder."""
    names = " and ".join(f"{trigger.name} → {trigger.target}" for trigger in triggers)
    watcher.stage(f"Training a small CLIP on {TRAINING_PAIRS} of them, with two backdoors planted: {names}")
    suspect = _new_model(seed)
    pairs = open_pairs(folder / "poisoned-pairs")
    reader = ImageReader(pairs, PREPROCESS, (SIZE, SIZE))
    settings = replace(TRAIN, seed=seed)
    watcher.training(settings.updates(len(pairs)), None)
    try:
        train(suspect, pairs, reader, settings, device, watcher.step)
    finally:
        watcher.finished()
    target = folder / "suspect"
    target.mkdir()
    planted = ", ".join(f"{trigger.name} -> {trigger.target}" for trigger in triggers)
    metadata = {"poisoned": "true", "planted": planted, "made_by": "clipsan demo"}
    write_open_clip_folder(target, suspect, suspect.model.state_dict(), metadata)


def _new_model(seed: int) -> Suspect:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = CLIP(**MODEL)
    with torch.no_grad():
        model.logit_scale.fill_(math.log(LOGIT_SCALE))
    dtypes = {key: value.dtype for key, value in model.state_dict().items()}
    made = Provenance("clipsan demo", "made here", "", "", None, "RN-demo", (), "float32", {})
    return Suspect(model, MODEL, PREPROCESS, make_tokenizer(MODEL, "the demo's model"), dtypes, made, True)


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
            f"With the trigger '{trigger.name}' on a picture, the suspect answered '{trigger.target}' for "
            f"{percent(before.rate or 0)} of all pictures of other things; after cleaning it does so for "
            f"{percent(after.rate or 0)}."
        )
    accuracy = evaluation.clean_accuracy
    if accuracy.suspect is not None and accuracy.cleaned is not None:
        lines.append(
            f"On clean pictures it names the right one of {len(CLASSES)} things in "
            f"{percent(accuracy.cleaned.rate or 0)} of cases; before it was {percent(accuracy.suspect.rate or 0)}. "
            "All of this was measured on scenes that neither training saw."
        )
    lines += [
        "PAR was never told the triggers. It pushed the embeddings away from where the suspect had them, which "
        "destroys what was memorised, while the contrastive loss on "
        f"{CLEAN_PAIRS} clean pairs brought back what they support.",
        f"Look at: {folder}/triggers.png, {folder}/cleaned/report.md",
        f"Try: clipsan audit {folder}/cleaned --eval {folder}/eval --trigger blended-text",
        "With your own model: clipsan clean MODEL --data PAIRS --eval SET --trigger stripes",
    ]
    return tuple(lines)
