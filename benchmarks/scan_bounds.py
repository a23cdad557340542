"""What clean models are led to by kinds of triggers at several bounds, to choose a scan's by.

    python benchmarks/scan_bounds.py IMAGES CLASSES CLEAN_MODEL... [--effort quick] [--seed 0]

Prints for each kind and model the largest z of a class and the largest ASR, and by which bound of a kind the
classes of all the models stand out least. No poisoned model has a say.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from clipsan.checkpoint import load
from clipsan.evaluation.encoder import Encoder
from clipsan.evaluation.labelled import DEFAULT_TEMPLATES
from clipsan.inversion import Kind, Strips, Tones, Warp, Waves, invert
from clipsan.inversion.evidence import robust_z
from clipsan.inversion.ladder import EFFORTS
from clipsan.pairs import Reading, open_pairs
from clipsan.runs.probes import class_names
from clipsan.runs.scan_images import read_images

TRIED: Mapping[str, Sequence[Kind]] = {
    "warp": (Warp(1), Warp(2), Warp(3)),
    "tones": (Tones(0.06), Tones(0.1), Tones(0.15)),
    "strips": (Strips(2), Strips(4)),
    "waves": (Waves(0.24), Waves(0.36), Waves(0.47)),
}
"""At 64 px."""


def main() -> None:
    """Look and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images")
    parser.add_argument("classes")
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL")
    parser.add_argument("--effort", default="quick", choices=list(EFFORTS))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    hard, names, cpu = EFFORTS[options.effort], class_names(options.classes), torch.device("cpu")
    pairs = open_pairs(options.images, Reading(seed=options.seed, captionless=True))
    worst: dict[str, float] = {}
    print("| kind | model | largest z | its class | largest ASR |\n|---|---|---|---|---|", flush=True)
    for model in options.models:
        suspect = load(model)
        images = read_images(pairs, suspect, hard.images, options.seed).pixels
        weights = Encoder(suspect, cpu).classifier(names, DEFAULT_TEMPLATES)
        for kind in (kind for kinds in TRIED.values() for kind in kinds):
            found = invert(suspect, images, names, weights, [kind], effort=hard.patterns, seed=options.seed)
            z = robust_z([each.gain for each in found])
            best = max(range(len(z)), key=z.__getitem__)
            reached = max(each.asr.rate or 0.0 for each in found)
            worst[kind.label] = max(worst.get(kind.label, 0.0), z[best])
            row = (kind.label, model.name, f"{z[best]:.1f}", found[best].target, f"{100 * reached:.0f} %")
            print(f"| {' | '.join(row)} |", flush=True)
    for name, kinds in TRIED.items():
        least = min((kind.label for kind in kinds), key=worst.__getitem__)
        print(f"{name}: {least}, at most {worst[least]:.1f}")


if __name__ == "__main__":
    main()
