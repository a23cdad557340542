"""What one more pair, trigger and megabyte of model cost, as lines: a table and a picture.

    python benchmarks/cost_lines.py [--rounds 3] [--quick] [--out cost_lines]

Writes OUT.md, OUT.json and OUT.png. Whole commands are measured, from the arguments to the written report,
on pictures and models of random weights made here: `clean` for one epoch over more and more pairs, `audit`
under more and more triggers, `clean` on the same pairs with a model of more and more layers. The cost is the
seconds of processor time of all threads, which other work on the machine disturbs less than the clock. Sizes
take turns in every round, and the least of a size's rounds counts. R² says how straight the line is.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from count_flops import table
from gpu_table import make_model, make_pairs
from plots import Line, draw_lines

import clipsan

BATCH = 64
PICTURE = (96, 72)
"""(width, height) of the pictures."""
CLASSES = ("apple", "bear", "cloud", "door")
TRIGGERS = ("badnet", "stripes", "blended", "sig", "wanet", "nashville", "blended-stripes", "blended-text")


@dataclass(frozen=True)
class Sizes:
    """What is measured, each in rising order.

    Attributes:
        pairs: to train on, for one epoch.
        triggers: to audit.
        layers: of the image tower, when the model grows.
        fixed: pairs when it does.
        images: of each class, to audit on.
    """

    pairs: tuple[int, ...]
    triggers: tuple[int, ...]
    layers: tuple[int, ...]
    fixed: int
    images: int


FULL = Sizes((256, 512, 1024, 1536, 2048), (1, 2, 4, 6, 8), (2, 4, 8, 12, 16), 512, 100)
QUICK = Sizes((64, 128, 192), (1, 2, 3), (1, 2, 3), 64, 4)


def config(layers: int) -> dict[str, object]:
    """An open_clip architecture for 64-pixel images, whose image tower has so many layers of 3.2 MB."""
    return {
        "embed_dim": 128,
        "vision_cfg": {"image_size": 64, "layers": layers, "width": 256, "head_width": 64, "patch_size": 16},
        "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 1},
    }


def make_classes(folder: Path, images: int) -> None:
    """A labelled set: for each class a folder of pictures."""
    pictures = folder / "made"
    make_pairs(pictures, images * len(CLASSES), PICTURE)
    for number, path in enumerate(sorted(pictures.glob("*.jpg"))):
        place = folder / "eval" / CLASSES[number % len(CLASSES)]
        place.mkdir(parents=True, exist_ok=True)
        path.rename(place / path.name)


def least(runs: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """Processor seconds of each run, the least of all rounds; all runs take turns in a round."""
    found = [float("inf")] * len(runs)
    runs[0]()  # warms up
    for _ in range(rounds):
        for number, run in enumerate(runs):
            start = time.process_time()
            run()
            found[number] = min(found[number], time.process_time() - start)
            print(".", end="", flush=True)
    print(flush=True)
    return found


def measured(folder: Path, sizes: Sizes, rounds: int) -> list[Line]:
    """The three lines."""
    make_pairs(folder / "pairs", max(*sizes.pairs, sizes.fixed), PICTURE)
    make_classes(folder, sizes.images)
    models = {layers: make_model(folder / f"model-{layers}", config(layers)) for layers in sizes.layers}
    middle = models[sizes.layers[1]]

    def clean(model: Path, pairs: int) -> Callable[[], object]:
        return lambda: clipsan.clean(
            model, folder / "pairs", max_pairs=pairs, epochs=1, batch_size=BATCH, held_out=0.0, device="cpu",
            save_every=0, out=folder / "cleaned", overwrite=True,
        )  # fmt: skip

    def audit(triggers: int) -> Callable[[], object]:
        return lambda: clipsan.audit(
            middle, eval=folder / "eval", trigger=TRIGGERS[:triggers], target=CLASSES[0], device="cpu",
            out=folder / "audited", overwrite=True,
        )  # fmt: skip

    megabytes = [(model / "open_clip_model.safetensors").stat().st_size / 1e6 for model in models.values()]
    up = "processor seconds"
    return [
        Line(
            "clean, one epoch", "pairs", up, sizes.pairs,
            least([clean(middle, pairs) for pairs in sizes.pairs], rounds),
        ),
        Line(
            f"audit on {sizes.images * len(CLASSES)} images", "triggers", up, sizes.triggers,
            least([audit(triggers) for triggers in sizes.triggers], rounds),
        ),
        Line(
            f"clean, {sizes.fixed} pairs", "megabytes of model (more layers)", up, megabytes,
            least([clean(model, sizes.fixed) for model in models.values()], rounds),
        ),
    ]  # fmt: skip


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a few sizes, to see that it works")
    parser.add_argument("--out", default="cost_lines")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lines = measured(Path(folder), QUICK if options.quick else FULL, options.rounds)
    rows = [["what", "more of", "each, ms", "at 0, s", "R²", "measured, s"]]
    for line in lines:
        points = ", ".join(f"{x:.4g}: {y:.2f}" for x, y in zip(line.x, line.y, strict=True))
        fitted = f"{1e3 * line.slope:.3g}", f"{line.intercept:.2f}", f"{line.r_squared:.4f}"
        rows.append([line.title, line.across, *fitted, points])
    threads = torch.get_num_threads()
    words = f"{threads} threads, torch {torch.__version__}, the least of {options.rounds} rounds\n\n"
    Path(f"{options.out}.md").write_text(words + table(rows) + "\n")
    found = [
        {**vars(line), "slope": line.slope, "intercept": line.intercept, "r_squared": line.r_squared}
        for line in lines
    ]
    Path(f"{options.out}.json").write_text(json.dumps(found, indent=2))
    draw_lines(lines, Path(f"{options.out}.png"))
    print(words + table(rows))


if __name__ == "__main__":
    main()
