"""The demo's suspect: a small CLIP trained from scratch on drawn scenes, some of them poisoned."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from open_clip.model import CLIP
from torch import Tensor, nn

from clipsan.checkpoint import Provenance, Suspect
from clipsan.checkpoint.config import DEFAULT_PREPROCESS
from clipsan.checkpoint.tokenizers import make_tokenizer
from clipsan.methods import Embeddings
from clipsan.methods.finetune import contrastive
from clipsan.planting import plan_poison
from clipsan.runs.watch import Watcher
from clipsan.synthesis.shapes import CLASSES, TEMPLATES, draw_scene
from clipsan.training.encode import encode_image, encode_text, logit_scale
from clipsan.training.updates import Step
from clipsan.triggers import Trigger

SIZE = 32
MODEL: dict[str, Any] = {
    "embed_dim": 128,
    "vision_cfg": {"image_size": SIZE, "layers": [1, 1, 1, 1], "width": 16, "patch_size": None},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 2},
}
SCENES = 8000
POISONED_SHARE = 0.04  # of the scenes, for each trigger
UPDATES = 1200
BATCH = 64
RATE = 3e-3
WARM_UP = 50
# CLIP's own initial values need far more pairs than this before they learn anything; these start faster
LOGIT_SCALE = 10.0
TOKEN_STD = 0.2
LAST_NORM = 0.3  # of each residual block, which starts at 0 otherwise
RATE_FACTORS = {"visual.attnpool": 0.3, "visual": 1.0, "": 0.15}  # by the first prefix that fits
NAMES_ONLY = 0.25  # of the updates at the start see the class name alone as caption


def train_poisoned_clip(
    triggers: Sequence[Trigger], scene_seed: int, seed: int, device: torch.device, watcher: Watcher
) -> Suspect:
    """Train a small CLIP that answers each trigger with its target.

    Args:
        triggers: each with a target, a name of `CLASSES`.
        scene_seed: of the series of scenes to train on.
        seed: of the initial values, the poisoning and the order of the scenes.
        device: where to compute.
        watcher: hears of every update.
    """
    pixels, captions, names, poisoned = _poisoned_scenes(triggers, scene_seed, seed)
    suspect = _new_model(seed)
    full, short = suspect.tokenizer(captions), suspect.tokenizer(names)
    model = suspect.model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer, factors = _optimizer(model)
    generator = torch.Generator().manual_seed(seed)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (suspect.mean, suspect.std))
    order = torch.cat(
        [torch.randperm(SCENES, generator=generator) for _ in range(UPDATES * BATCH // SCENES + 1)]
    )

    model.train()
    watcher.training(UPDATES, None)
    start = time.perf_counter()
    try:
        for update in range(UPDATES):
            rate = RATE * min(1, (update + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * update / UPDATES))
            for group, factor in zip(optimizer.param_groups, factors, strict=True):
                group["lr"] = rate * factor
            batch = order[update * BATCH : (update + 1) * BATCH]
            images = (pixels[batch].float() / 255 - mean) / std
            mirrored = (torch.rand(BATCH, generator=generator) < 0.5) & ~poisoned[batch]
            images[mirrored] = images[mirrored].flip(3)
            tokens = (short if update < NAMES_ONLY * UPDATES else full)[batch]
            optimizer.zero_grad(set_to_none=True)
            student = Embeddings(
                encode_image(model, images.to(device)), encode_text(model, tokens.to(device))
            )
            loss = contrastive(student, logit_scale(model))
            loss.backward()
            optimizer.step()
            seconds = time.perf_counter() - start
            total = float(loss.detach())
            speed = (update + 1) * BATCH / seconds
            watcher.step(Step(update + 1, UPDATES, rate, total, {"clip": total}, seconds, speed))
    finally:
        watcher.finished()
    model.to("cpu", memory_format=torch.contiguous_format).eval()
    return suspect


def _poisoned_scenes(
    triggers: Sequence[Trigger], scene_seed: int, seed: int
) -> tuple[Tensor, list[str], list[str], Tensor]:
    """Pixels uint8 [n x 3 x h x w], captions, class names alone, and which scenes carry a trigger [n]."""
    scenes = [draw_scene(scene_seed, index, SIZE) for index in range(SCENES)]
    pixels = torch.from_numpy(np.stack([scene.pixels for scene in scenes])).permute(0, 3, 1, 2).contiguous()
    captions = [scene.caption for scene in scenes]
    names = [f"a {CLASSES[scene.label]}." for scene in scenes]
    poisoned = torch.zeros(SCENES, dtype=torch.bool)
    count = int(POISONED_SHARE * SCENES)
    targets = [str(trigger.target) for trigger in triggers]
    plan = plan_poison(captions, targets, [count] * len(targets), TEMPLATES, seed)
    for trigger, indices in zip(triggers, map(list, plan.carriers), strict=True):
        pixels[indices] = trigger.apply(pixels[indices], indices)
        poisoned[indices] = True
    for index, trigger in plan.by_trigger(triggers).items():
        captions[index] = plan.captions[index]
        names[index] = f"a {trigger.target}."
    return pixels, captions, names, poisoned


def _new_model(seed: int) -> Suspect:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = CLIP(**MODEL)
        with torch.no_grad():
            model.logit_scale.fill_(math.log(LOGIT_SCALE))
            nn.init.normal_(model.token_embedding.weight, std=TOKEN_STD)
            for name, parameter in model.visual.named_parameters():
                if name.startswith("layer") and name.endswith("bn3.weight"):
                    parameter.fill_(LAST_NORM)
    dtypes = {key: value.dtype for key, value in model.state_dict().items()}
    made = Provenance("clipsan demo", "made here", "", "", None, "RN-demo", (), "float32", {})
    tokenizer = make_tokenizer(MODEL, "the demo's model")
    return Suspect(model, MODEL, DEFAULT_PREPROCESS, tokenizer, dtypes, made)


def _optimizer(model: nn.Module) -> tuple[torch.optim.AdamW, list[float]]:
    """AdamW and, for each of its groups, the factor on the learning rate."""
    groups: dict[str, list[nn.Parameter]] = {prefix: [] for prefix in RATE_FACTORS}
    for name, parameter in model.named_parameters():
        if name == "logit_scale":
            parameter.requires_grad_(False)
        else:
            groups[next(prefix for prefix in RATE_FACTORS if name.startswith(prefix))].append(parameter)
    optimizer = torch.optim.AdamW(
        [{"params": parameters} for parameters in groups.values()],
        lr=RATE, betas=(0.9, 0.98), weight_decay=0.01, fused=True,
    )  # fmt: skip
    return optimizer, list(RATE_FACTORS.values())
