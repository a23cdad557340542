"""One table of training on this machine's GPU: clipsan beside a plain loop, with random weights.

    python benchmarks/gpu_table.py [--tiny] [--out gpu_table]

Writes OUT.md and OUT.json. Each row trains on 500-pixel JPEGs made here: pairs per second, the share of the
measured rate of matrix products, peak memory, and the share of the time that waits for data, of a profiled
run of its own. The first update of each is not timed; batches read ahead meanwhile are a head start for both
loops, so where input is the limit, few updates flatter both. The plain loop (`training_speed.py`) takes its
turn in the rows where it fits. --tiny: the same with a small model, few images and the CPU.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import open_clip
import torch
from count_flops import count, matmul_rate, table
from open_clip.model import CLIP
from PIL import Image
from training_speed import plain_loop

from clipsan.checkpoint import Suspect, load
from clipsan.checkpoint.write import write_weights
from clipsan.pairs import ImageReader, PairSet, open_pairs
from clipsan.pairs.reader import available_cores
from clipsan.training.loop import train
from clipsan.training.profile import Profile
from clipsan.training.settings import TrainSettings

# architecture, batch, micro-batch, updates, precision, whether the plain loop takes its turn
ROWS = (
    ("ViT-B-32", 1024, 1024, 12, "bf16", True),
    ("ViT-B-32", 1024, 1024, 8, "fp32", False),
    ("RN50", 512, 512, 8, "bf16", True),
    ("ViT-L-14-336", 64, 64, 8, "bf16", True),
    ("ViT-L-14-336", 2048, 64, 1, "bf16", False),
)
TINY = (("tiny", 16, 16, 3, "fp32", True), ("tiny", 32, 8, 2, "fp32", False))
TINY_CONFIG = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 1, "layers": 1},
}


def make_pairs(folder: Path, images: int) -> None:
    """Pairs in img2dataset's form: smooth random pictures of 500 by 375."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for i in range(images):
        small = random.integers(0, 256, (24, 32, 3), dtype=np.uint8)
        Image.fromarray(small).resize((500, 375), Image.Resampling.BICUBIC).save(folder / f"{i:06}.jpg")
        (folder / f"{i:06}.txt").write_text(f"picture number {i}")


def make_model(folder: Path, name: str) -> None:
    """An open_clip folder with random weights."""
    folder.mkdir(exist_ok=True)
    config = TINY_CONFIG if name == "tiny" else open_clip.get_model_config(name)
    torch.manual_seed(0)
    model = CLIP(**config)
    write_weights(folder / "open_clip_model.safetensors", model.state_dict(), {})
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))


def ours(
    suspect: Suspect, pairs: PairSet, settings: TrainSettings, device: torch.device, profile: Profile | None
) -> float:
    """Seconds of all updates but the first, which starts what the others use."""
    reader = ImageReader(pairs, suspect.preprocess_cfg, suspect.image_size, exact=False, cache_bytes=0)
    curve = train(suspect, pairs, reader, settings, device, profile=profile).curve
    return curve[-1].seconds - curve[0].seconds


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--out", default="gpu_table")
    options = parser.parse_args()
    device = torch.device("cpu" if options.tiny else "cuda")
    dtype = torch.float32 if options.tiny else torch.bfloat16
    rate = matmul_rate(device, dtype, 512 if options.tiny else 8192)
    name = "cpu" if options.tiny else torch.cuda.get_device_name(device)
    workers = min(8, available_cores())
    found = []
    with tempfile.TemporaryDirectory() as folder:
        make_pairs(Path(folder) / "pairs", 64 if options.tiny else 4096)
        pairs = open_pairs(Path(folder) / "pairs")
        for architecture, batch, micro, steps, precision, beside in TINY if options.tiny else ROWS:
            place = Path(folder) / architecture
            make_model(place, architecture)
            settings = TrainSettings(
                batch_size=batch, micro_batch=micro, steps=steps + 1, precision=precision
            )
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(device)
            ours(load(place), pairs, settings, device, None)  # warms up
            speed = batch * steps / ours(load(place), pairs, settings, device, None)
            peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
            profile = Profile()
            ours(load(place), pairs, settings, device, profile)
            plain = None
            if beside:
                plain = batch * steps / plain_loop(load(place), pairs, settings, steps, device, workers)
            suspect = load(place)
            update = count(architecture, suspect.model, suspect.image_size).update
            found.append({
                "model": architecture, "batch": batch, "micro_batch": micro, "precision": precision,
                "pairs_per_second": speed, "share_of_matmul_rate": speed * update / rate,
                "peak_bytes": peak, "data_wait": profile.parts()["wait for data"] / profile.seconds,
                "plain_pairs_per_second": plain,
            })  # fmt: skip
            print(json.dumps(found[-1]), flush=True)
    facts = {"device": name, "matmul_rate": rate, "dtype": str(dtype), "torch": torch.__version__}
    Path(f"{options.out}.json").write_text(json.dumps({**facts, "rows": found}, indent=2))
    rows = [list(found[0]), *([_cell(value) for value in row.values()] for row in found)]
    words = f"{name}, {dtype} products at {rate / 1e12:.3g} TFLOP/s, torch {torch.__version__}\n\n"
    Path(f"{options.out}.md").write_text(words + table(rows) + "\n")
    print(words + table(rows))


def _cell(value: object) -> str:
    return "" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
