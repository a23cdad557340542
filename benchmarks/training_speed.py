"""Pairs per second of clipsan's training loop against a plain PyTorch loop, side by side in one run.

    python benchmarks/training_speed.py MODEL PAIRS [--batch 256] [--steps 10] [--rounds 3]

Both do one PAR update per step on the same model, pairs, batch size, precision and threads. The plain loop
is written as one writes it first: a torch DataLoader over (image, tokens), augmentation of each image with
torchvision there, both copies embed the batch, one backward pass, AdamW. The two take turns, so that a noisy
machine slows both; the ratio is what to quote, by the clock or, where other work wants the same cores, by the
processor time of all threads. The plain loop's first update is not timed, clipsan's is. Threads of both wait
without spinning.
"""

from __future__ import annotations

import argparse
import copy
import os
import statistics
import time

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does; here for both loops

import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchvision.transforms import v2

from clipsan.checkpoint import Suspect, load
from clipsan.pairs import ImageReader, PairSet, open_pairs
from clipsan.training.devices import autocast_for
from clipsan.training.encode import encode_image, encode_text
from clipsan.training.loop import train
from clipsan.training.optimizer import make_optimizer
from clipsan.training.settings import TrainSettings

CPU = torch.device("cpu")


class PlainPairs(Dataset):  # type: ignore[type-arg]
    """Decodes and augments an image and tokenises a caption each time it is asked."""

    def __init__(self, pairs: PairSet, suspect: Suspect) -> None:
        self.pairs = pairs
        self.tokenizer = suspect.tokenizer
        self.reader = ImageReader(pairs, suspect.preprocess_cfg, suspect.image_size, threads=1, keep="none")

        self.normalise = v2.Normalize(list(suspect.mean), list(suspect.std))
        self.erase = v2.RandomErasing(p=0.5, scale=(0.005, 0.01), ratio=(1.0, 1.0))

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        pixels, _ = self.reader.batch([index])
        image = pixels[0].float() / 255
        if torch.rand(()) < 0.5:
            image += (torch.randn_like(image) * 0.2).clamp(0, 1)
        return self.erase(self.normalise(image)), self.tokenizer([self.pairs.captions[index]])[0]


def plain_loop(
    suspect: Suspect,
    pairs: PairSet,
    settings: TrainSettings,
    steps: int,
    device: torch.device = CPU,
    workers: int = 0,
) -> float:
    """Seconds of so many updates after a first one; both copies in the settings' precision, weights in full.

    `workers`: processes that read and augment; 0: this one does.
    """
    model = suspect.model.to(device).train()
    autocast = autocast_for(settings.precision, device)
    frozen = copy.deepcopy(model).eval().requires_grad_(False)
    optimizer = make_optimizer(model, settings)
    data = PlainPairs(pairs, suspect)
    # one long epoch, so that no worker stands idle at the end of a short one
    sampler = RandomSampler(data, replacement=True, num_samples=settings.batch_size * (steps + 1))
    loader = DataLoader(
        data, settings.batch_size, sampler=sampler, num_workers=workers, pin_memory=device.type == "cuda",
        multiprocessing_context="fork" if workers else None,
    )  # fmt: skip
    start = 0.0
    for update, (images, tokens) in enumerate(loader):
        images, tokens = images.to(device, non_blocking=True), tokens.to(device, non_blocking=True)
        x, t = encode_image(model, images, autocast), encode_text(model, tokens, autocast)
        with torch.no_grad():
            x0, t0 = encode_image(frozen, images, autocast), encode_text(frozen, tokens, autocast)
        logits = model.logit_scale.detach().exp() * x @ t.T
        labels = torch.arange(len(logits), device=device)
        loss = (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2
        for s in ((x - x0).square().sum(-1).mean(), (t - t0).square().sum(-1).mean()):
            if s <= settings.tau:
                loss = loss - 0.5 * s
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if update == 0:  # with the workers' start, it is not timed
            float(loss.detach())  # waits for the device
            start = time.perf_counter()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("pairs")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    pairs = open_pairs(options.pairs)
    settings = TrainSettings(
        batch_size=options.batch,
        micro_batch=options.batch,
        steps=options.steps,
        precision="fp32",
        batch_norm="train",
    )
    ours, plain = [], []
    busy: tuple[list[float], list[float]] = ([], [])  # processor seconds an update
    for _ in range(options.rounds):
        suspect, other = load(options.model), load(options.model)
        reader = ImageReader(pairs, suspect.preprocess_cfg, suspect.image_size, exact=False)
        begin = time.process_time()
        ours.append(train(suspect, pairs, reader, settings, CPU).seconds)
        between = time.process_time()
        plain.append(plain_loop(other, pairs, settings, options.steps))
        busy[0].append((between - begin) / options.steps)
        busy[1].append((time.process_time() - between) / (options.steps + 1))
    count = options.batch * options.steps
    print(f"batch {options.batch}, {options.steps} updates a round, fp32, {torch.get_num_threads()} threads")
    for name, seconds in (("clipsan", ours), ("plain loop", plain)):
        print(f"{name:<12} {count / statistics.median(seconds):8.1f} pairs/s (median of {options.rounds})")
    for what, pairing in (("clock", (ours, plain)), ("processor time", busy)):
        ratios = ", ".join(f"{b / a:.2f}" for a, b in zip(*pairing, strict=True))
        print(f"ratio clipsan / plain by {what}, round by round: {ratios}")


if __name__ == "__main__":
    main()
