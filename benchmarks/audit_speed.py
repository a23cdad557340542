"""Seconds of one audit with every image trigger against a plain loop over them, side by side in one run.

    python benchmarks/audit_speed.py MODEL EVAL [--rounds 3] [--batch 256]

The plain loop is written as one writes it first: for each trigger it goes over the set twice, clean and
triggered, decoding every image each time, and counts the answers. Both load the model, use the same
triggers, batch size and threads, and take turns, so that a noisy machine slows both; the ratio is what to
quote. It also counts how often an image goes through the image tower in each.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does; here for both

import torch
from open_clip.model import CLIP
from open_clip.zero_shot_classifier import build_zero_shot_classifier

import clipsan
from clipsan.checkpoint import load
from clipsan.evaluation.labelled import open_labelled
from clipsan.pairs import ImageReader
from clipsan.triggers import FAMILIES, parse_triggers


def plain_loop(source: str, folder: str, target: str, batch: int) -> None:
    """Clean accuracy and ASR of one trigger after the other."""
    suspect = load(source)
    model: Any = suspect.model
    labelled = open_labelled(folder)
    triggers = parse_triggers(list(FAMILIES), suspect.image_size)
    weights = build_zero_shot_classifier(
        model, suspect.tokenizer, labelled.classnames,
        [lambda name, t=template: t.replace("{c}", name) for template in labelled.templates],
    )  # fmt: skip
    labels = torch.tensor(labelled.labels)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (suspect.mean, suspect.std))
    goal = labelled.classnames.index(target)
    for trigger in triggers:
        for triggered in (False, True):
            reader = ImageReader(
                labelled.images, suspect.preprocess_cfg, suspect.image_size, threads=1, keep="none"
            )
            answers = []
            for first in range(0, len(labels), batch):
                pixels, indices = reader.batch(range(first, min(first + batch, len(labels))))
                if triggered:
                    pixels = trigger.apply(pixels, indices)
                with torch.no_grad():
                    images = model.encode_image((pixels.float() / 255 - mean) / std, normalize=True)
                    answers.append((images @ weights).argmax(dim=1))
            found = torch.cat(answers)
            rate = (found == (goal if triggered else labels)).float().mean()
            print(f"    {trigger.name}: {'ASR' if triggered else 'CA'} {rate:.3f}", flush=True)


def one_audit(model: str, folder: str, target: str, batch: int) -> None:
    """The same and more, in one call."""
    report = clipsan.audit(model, eval=folder, trigger=list(FAMILIES), target=target, batch_size=batch).report
    assert report.evaluation is not None and len(report.evaluation.triggers) == len(FAMILIES)


@contextmanager
def counted() -> Iterator[list[int]]:
    """Counts the images that go through a CLIP's image tower: one number for each call."""
    calls: list[int] = []
    original = CLIP.encode_image

    def counting(self: Any, image: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        calls.append(len(image))
        embedded: torch.Tensor = original(self, image, *args, **kwargs)
        return embedded

    CLIP.encode_image = counting  # type: ignore[method-assign]
    try:
        yield calls
    finally:
        CLIP.encode_image = original  # type: ignore[method-assign]


def timed(run: Callable[[], None]) -> tuple[float, int]:
    """Seconds, and images embedded."""
    with counted() as calls:
        start = time.perf_counter()
        run()
        return time.perf_counter() - start, sum(calls)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("eval")
    parser.add_argument("--target", default="banana")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    count = len(open_labelled(Path(options.eval)).labels)
    arguments = (options.model, options.eval, options.target, options.batch)
    ours, plain = [], []
    for _ in range(options.rounds):
        ours.append(timed(lambda: one_audit(*arguments)))
        plain.append(timed(lambda: plain_loop(*arguments)))
    print(f"{len(FAMILIES)} triggers, {count} images, {torch.get_num_threads()} threads")
    for name, runs in (("one audit", ours), ("plain loop", plain)):
        seconds = statistics.median(s for s, _ in runs)
        print(f"{name:<12} {seconds:7.1f} s (median of {options.rounds}), {runs[0][1] / count:.2f} passes")
    ratios = [b / a for (a, _), (b, _) in zip(ours, plain, strict=True)]
    print(f"plain loop / one audit, round by round: {', '.join(f'{r:.2f}' for r in ratios)}")


if __name__ == "__main__":
    main()
