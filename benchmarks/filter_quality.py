"""How well the filter finds planted pairs: precision, recall and clean pairs lost, as Markdown.

    python benchmarks/filter_quality.py SHARED

SHARED holds `photos/pairs` and `victims/`. A share of the pairs (never one whose caption names the target)
gets the trigger on its image, losslessly or through JPEG with --jpeg, and a caption of the target from the
zero-shot templates; the filter then runs as `clipsan clean --filter all` runs it, under a suspect that may
know the trigger or not. Everything is fixed by --seed.
"""

from __future__ import annotations

import argparse
import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from clipsan.checkpoint import Suspect, load
from clipsan.evaluation.encoder import Encoder, fill
from clipsan.hygiene import CHECKS, Filtered, filter_pairs
from clipsan.pairs import ImageReader, PairSet, open_pairs
from clipsan.triggers import Trigger, parse_triggers

BY_PIXELS = ("pattern", "patch")
"""Checks that do not look at the suspect, and so are made once for a set."""
SUSPECTS = ("rn-poisoned", "rn-clean", "vit-poisoned")
OWN = {
    "stripes": "banana",
    "badnet": "basketball",
    "blended": "goldfish",
    "blended-stripes": "banana",
    "blended-triangles": "teddy",
    "blended-text": "koala",
}
"""clipsan's own triggers, and the target that each is planted with."""


class Images:
    """Encoded images in memory."""

    def __init__(self, encoded: list[bytes]) -> None:
        self._encoded = encoded

    def size(self, place: int) -> int:
        return len(self._encoded[place])

    def read(self, place: int) -> bytes:
        return self._encoded[place]

    def tail(self, place: int, length: int) -> bytes:
        return self._encoded[place][-length:]


class Remembering:
    """An encoder that embeds no image twice: most are the same from one set to the next."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._known: dict[bytes, Tensor] = {}

    def images(self, pixels: Tensor) -> Tensor:
        keys = [image.tobytes() for image in pixels.numpy()]
        new = [place for place, key in enumerate(keys) if key not in self._known]
        if new:
            embedded = self._encoder.images(pixels[new])
            self._known.update((keys[place], row) for place, row in zip(new, embedded, strict=True))
        return torch.stack([self._known[key] for key in keys])

    def texts(self, texts: Sequence[str]) -> Tensor:
        return self._encoder.texts(texts)


@dataclass(frozen=True)
class Planted:
    """A poisoned set and which of its pairs are planted."""

    pairs: PairSet
    planted: frozenset[int]


def plant(
    clean: PairSet,
    pixels: Tensor,
    trigger: Trigger | None,
    templates: Sequence[str],
    share: float,
    seed: int,
    jpeg: int | None,
) -> Planted:
    """`clean`, or with a share of it poisoned; `pixels` uint8 [n x 3 x h x w] are its decoded images."""
    encoded = [clean.read(index) for index in range(len(clean))]
    captions = list(clean.captions)
    chosen: list[int] = []
    if trigger is not None and trigger.target is not None:
        target, random = trigger.target, np.random.RandomState(seed)
        other = [index for index, caption in enumerate(captions) if target.lower() not in caption.lower()]
        chosen = sorted(random.choice(other, round(share * len(clean)), replace=False).tolist())
        for index, image in zip(chosen, trigger.apply(pixels[chosen], chosen), strict=True):
            encoded[index] = encode(image, jpeg)
            captions[index] = fill(templates[random.randint(len(templates))], target)
    pairs = PairSet(
        images=Images(encoded), names=clean.names, captions=captions, skipped=[], origins=clean.origins
    )
    return Planted(pairs, frozenset(chosen))


def encode(image: Tensor, jpeg: int | None) -> bytes:
    """PNG, or JPEG of that quality."""
    buffer = io.BytesIO()
    picture = Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())
    picture.save(buffer, "PNG") if jpeg is None else picture.save(buffer, "JPEG", quality=jpeg)
    return buffer.getvalue()


def row(name: str, suspect: str, reference: str, planted: Planted, parts: Sequence[Filtered]) -> str:
    """A row of the table; the last columns are each check's recall / clean pairs lost, in percent."""
    found: dict[int, set[str]] = defaultdict(set)
    for filtered in parts:
        for dropped in filtered.dropped:
            found[dropped.index] |= {reason.check for reason in dropped.reasons}
    hits, clean = len(planted.planted & found.keys()), len(planted.pairs) - len(planted.planted)
    lost = len(found.keys() - planted.planted)
    columns = []
    for check in ("pattern", "patch", "match", "density"):
        mine = {index for index, checks in found.items() if check in checks}
        caught = len(mine & planted.planted) / max(1, len(planted.planted))
        columns.append(f"{100 * caught:.0f} / {100 * len(mine - planted.planted) / clean:.1f}")
    recall = f"{100 * hits / len(planted.planted):.1f}" if planted.planted else ""
    precision = f"{100 * hits / len(found):.0f}" if planted.planted and found else ""
    cells = [
        name,
        suspect,
        reference,
        str(len(planted.planted)),
        recall,
        precision,
        f"{100 * lost / clean:.2f}",
    ]
    return "| " + " | ".join([*cells, *columns]) + " |"


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("shared", type=Path)
    parser.add_argument("--share", type=float, default=0.02, help="of the pairs that are planted")
    parser.add_argument("--only", default="", help="part of a trigger's name")
    parser.add_argument("--suspect", default="", help="part of a suspect's name")
    parser.add_argument("--reference", default=None, help="one of the victims, as --filter-reference")
    parser.add_argument(
        "--jpeg", type=int, default=None, help="quality of the planted images; PNG without it"
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    victims = options.shared / "victims"
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    models: dict[str, Suspect] = {}
    encoders: dict[str, Remembering] = {}
    wanted = [name for name in SUSPECTS if options.suspect in name]
    for name in {*wanted, *([options.reference] if options.reference else [])}:
        models[name] = load(str(victims / name))
        encoders[name] = Remembering(Encoder(models[name], device))
    clean = open_pairs(options.shared / "photos" / "pairs")
    first = next(iter(models.values()))
    size = first.image_size
    pixels, _ = ImageReader(clean, first.preprocess_cfg, size).batch(range(len(clean)))
    text = options.shared / "photos" / "eval" / "zeroshot_classification_templates.txt"
    templates = [line for line in text.read_text().splitlines() if line.strip()]
    triggers: list[tuple[str, Trigger | None]] = [("none", None)]
    for trigger in parse_triggers([str(victims / "rn-poisoned" / "triggers.json")], size, options.seed):
        triggers.append((f"{trigger.name} (planted in the victims)", trigger))
    for name, target in OWN.items():
        (trigger,) = parse_triggers([name], size, options.seed + 7)
        trigger.target = target
        triggers.append((f"{name} (own)", trigger))
    print(
        "| trigger | suspect | reference | planted | recall % | precision % | clean pairs lost % |"
        " pattern: recall / lost | patch | match | density |"
    )
    print("|---" * 11 + "|", flush=True)
    for name, planted_trigger in triggers:
        if options.only not in name:
            continue
        planted = plant(clean, pixels, planted_trigger, templates, options.share, options.seed, options.jpeg)
        whole = ImageReader(planted.pairs, first.preprocess_cfg, size)
        seen = filter_pairs(planted.pairs, whole, encoders[wanted[0]], checks=BY_PIXELS, seed=options.seed)
        for suspect in wanted:
            model = models[suspect]
            reader = ImageReader(planted.pairs, model.preprocess_cfg, model.image_size)
            reference = None
            if options.reference:
                other = models[options.reference]
                own = ImageReader(planted.pairs, other.preprocess_cfg, other.image_size)
                reference = (encoders[options.reference], own)
            filtered = filter_pairs(
                planted.pairs, reader, encoders[suspect],
                checks=[check for check in CHECKS if check not in BY_PIXELS],
                reference=reference, seed=options.seed, device=device,
            )  # fmt: skip
            print(row(name, suspect, options.reference or "", planted, [seen, filtered]), flush=True)


if __name__ == "__main__":
    main()
