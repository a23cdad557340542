"""One table of training on this machine's GPU: clipsan beside a plain loop, with random weights.

    python benchmarks/gpu_table.py [--tiny] [--out gpu_table]

Writes OUT.md, OUT.json and OUT.png. Each row trains on 500-pixel JPEGs made here, decoded each time or,
where its input is cached, once before: pairs per second, the share of the measured rate of matrix products
that the update's counted operations make, peak memory, and the share of the time that waits for data, of a
profiled run of its own. The first update of each is not timed; batches read ahead meanwhile are a head start
for both loops. In a compiled row the student's blocks go through torch.compile. The plain loop
(`training_speed.py`) takes its turn in the rows where it fits, with as many processes for its input as there
are cores and room in shared memory. On an H200 all of it is to take less than 8 minutes, by estimate. --tiny:
the same with a small model, few images and the CPU.
"""

from __future__ import annotations

import argparse
import copy
import json
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from count_flops import count, matmul_rate, table
from open_clip.model import CLIP
from PIL import Image
from plots import draw_bars
from torch import nn
from training_speed import plain_loop

from clipsan.checkpoint import Suspect, load
from clipsan.checkpoint.write import write_weights
from clipsan.pairs import ImageReader, PairSet, open_pairs
from clipsan.pairs.reader import available_cores
from clipsan.training.loop import train
from clipsan.training.profile import Profile
from clipsan.training.settings import TrainSettings


@dataclass(frozen=True)
class Row:
    """What is measured.

    Attributes:
        model: an architecture of open_clip, or `tiny`.
        batch, micro: pairs in the loss, and in memory at once.
        updates: that are timed.
        precision: `bf16` or `fp32`.
        cached: images are decoded before.
        compiled: through torch.compile.
        plain: updates of the plain loop; 0: it does not take its turn.
    """

    model: str
    batch: int
    micro: int
    updates: int
    precision: str = "bf16"
    cached: bool = False
    compiled: bool = False
    plain: int = 0

    @property
    def label(self) -> str:
        """In a picture."""
        parts = (f"{self.model}, {self.batch}", self.precision, *(self.compiled * ("compiled",)))
        return " ".join((*parts, "cached" if self.cached else "decoded"))


ROWS = (
    Row("ViT-B-32", 1024, 1024, 20, plain=8),
    Row("ViT-B-32", 1024, 1024, 20, cached=True),
    Row("ViT-B-32", 1024, 1024, 20, cached=True, compiled=True),
    Row("ViT-B-32", 1024, 1024, 4, "fp32", cached=True),
    Row("RN50", 512, 512, 12, plain=8),
    Row("RN50", 512, 512, 12, cached=True),
    Row("ViT-L-14-336", 64, 64, 20, cached=True, plain=8),
    Row("ViT-L-14-336", 64, 64, 20, cached=True, compiled=True),
    Row("ViT-L-14-336", 2048, 8, 1, cached=True),
)
TINY = (
    Row("tiny", 16, 16, 3, "fp32", plain=2),
    Row("tiny", 32, 8, 2, "fp32", cached=True, compiled=True),
)
IMAGES, TINY_IMAGES = 4096, 64
TINY_CONFIG: dict[str, Any] = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 1, "layers": 1},
}


@dataclass(frozen=True)
class Measured:
    """Of a row.

    Attributes:
        pairs_per_second: of clipsan.
        matmul_share: its counted operations a second over those of matrix products.
        peak_bytes: of the device's memory; None: not on a CPU.
        data_wait: share of the time of a profiled run.
        plain_pairs_per_second: of the plain loop; None: it did not take its turn.
        plain_workers: processes for its input; 0: it did that itself.
    """

    pairs_per_second: float
    matmul_share: float
    peak_bytes: int | None
    data_wait: float
    plain_pairs_per_second: float | None
    plain_workers: int | None


def make_pairs(folder: Path, images: int, size: tuple[int, int] = (500, 375)) -> None:
    """Pairs in img2dataset's form: smooth random pictures; `size`: (width, height)."""
    folder.mkdir()

    def make(i: int) -> None:
        small = np.random.default_rng(i).integers(0, 256, (24, 32, 3), dtype=np.uint8)
        Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).save(folder / f"{i:06}.jpg")
        (folder / f"{i:06}.txt").write_text(f"picture number {i}")

    with ThreadPoolExecutor(available_cores()) as pool:
        list(pool.map(make, range(images)))


def make_model(folder: Path, config: dict[str, Any]) -> Path:
    """An open_clip folder with random weights of this architecture."""
    folder.mkdir(exist_ok=True)
    torch.manual_seed(0)
    model = CLIP(**config)
    write_weights(folder / "open_clip_model.safetensors", model.state_dict(), {})
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    return folder


def compile_blocks(model: nn.Module, backend: str) -> None:
    """Each block of both transformers, in place; equal blocks share what is compiled."""
    for part in (model.visual.transformer, model.transformer):  # type: ignore[union-attr]
        for block in part.resblocks:  # type: ignore[union-attr]
            block.compile(backend=backend)


def measure(row: Row, suspect: Suspect, pairs: PairSet, device: torch.device, rate: float) -> Measured:
    """Train a copy of the suspect: a warm-up, the timed run, a profiled one, and the plain loop."""
    settings = TrainSettings(
        batch_size=row.batch, micro_batch=row.micro, steps=row.updates + 1, precision=row.precision
    )
    reader = ImageReader(
        pairs,
        suspect.preprocess_cfg,
        suspect.image_size,
        exact=False,
        keep="memory" if row.cached else "none",
    )
    if row.cached:
        reader.batch(range(len(pairs)))
    own = replace(suspect, model=copy.deepcopy(suspect.model))
    if row.compiled:
        compile_blocks(own.model, "inductor" if device.type == "cuda" else "eager")

    def seconds(updates: int, profile: Profile | None = None) -> float:
        """Of all updates but the first, which starts what the others use."""
        curve = train(own, pairs, reader, replace(settings, steps=updates + 1), device, profile=profile).curve
        return curve[-1].seconds - curve[0].seconds

    if row.updates > 1:  # else the first, untimed one has to do as a warm-up: it is long
        seconds(1)
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    speed = row.batch * row.updates / seconds(row.updates)
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
    profile = Profile()
    seconds(min(row.updates, 8), profile)
    own.model.cpu()  # makes room
    plain = workers = None
    if row.plain:
        model = replace(suspect, model=copy.deepcopy(suspect.model))
        workers = workers_for(row.batch, suspect.image_size) if device.type == "cuda" else 0
        plain = row.batch * row.plain / plain_loop(model, pairs, settings, row.plain, device, workers)
    operations = count(row.model, copy.deepcopy(suspect.model), suspect.image_size).update
    wait = profile.parts()["wait for data"] / profile.seconds
    return Measured(speed, speed * operations / rate, peak, wait, plain, workers)


def workers_for(batch: int, size: tuple[int, int]) -> int:
    """As many as there are cores, and no more than shared memory has room for two float32 batches of each."""
    room = shutil.disk_usage("/dev/shm").free // (2 * batch * 12 * size[0] * size[1])
    return min(available_cores(), room)


def targets(found: dict[Row, Measured]) -> list[str]:
    """What the project asks for on one H200, and whether this run has it."""
    decoded, cached, large, whole = (found[ROWS[number]] for number in (0, 1, 6, 8))
    compiled = found[ROWS[7]]
    ratio = decoded.pairs_per_second / (decoded.plain_pairs_per_second or 1)
    share = max(large.matmul_share, compiled.matmul_share)
    minutes = 2 * 250_000 / decoded.pairs_per_second / 60
    memory = (whole.peak_bytes or 0) / 1e9
    rows = (
        (f"ViT-B-32 with its input, over the plain loop: {ratio:.2f} times, at least 2", ratio >= 2),
        (f"ViT-L-14-336, cached: {100 * share:.1f} % of matrix products, at least 45", share >= 0.45),
        (f"ViT-B-32, 250 000 pairs twice: {minutes:.1f} minutes, below 10", minutes < 10),
        (f"ViT-L-14-336, batch 2048: {memory:.1f} GB, below 24", memory < 24),
    )
    waits = (f"{100 * of.data_wait:.1f} %" for of in (decoded, cached))
    words = "ViT-B-32 waits for data {} of the time, with cached input {}".format(*waits)
    return [*(f"{aim}: {'met' if met else 'missed'}" for aim, met in rows), words]


def written(out: str, facts: dict[str, Any], found: dict[Row, Measured]) -> str:
    """Write the three files; the text of the table."""
    rows = [{**asdict(row), **asdict(measured)} for row, measured in found.items()]
    Path(f"{out}.json").write_text(json.dumps({**facts, "rows": rows}, indent=2))
    lines = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    text = (
        "\n".join(f"{name}: {_cell(value)}" for name, value in facts.items()) + "\n\n" + table(lines) + "\n"
    )
    Path(f"{out}.md").write_text(text)
    bars = []
    for row, of in found.items():
        ours, each = 100 * of.matmul_share, 100 * of.matmul_share / of.pairs_per_second
        plain = None if of.plain_pairs_per_second is None else each * of.plain_pairs_per_second
        bars.append((f"{row.label}: {of.pairs_per_second:.4g}/s", (ours, plain)))
    title = f"The same work in % of the rate of matrix products, {facts['device']}"
    draw_bars(title, ("clipsan", "plain loop"), bars, Path(f"{out}.png"))
    return text


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--out", default="gpu_table")
    options = parser.parse_args()
    start = time.perf_counter()
    device = torch.device("cpu" if options.tiny else "cuda")
    dtype = torch.float32 if options.tiny else torch.bfloat16
    rate = matmul_rate(device, dtype, 512 if options.tiny else 8192, 0.2 if options.tiny else 2.0)
    facts = {
        "device": "cpu" if options.tiny else torch.cuda.get_device_name(device), "matmul_rate": rate,
        "dtype": str(dtype), "cores": available_cores(), "torch": torch.__version__,
    }  # fmt: skip
    found: dict[Row, Measured] = {}
    with tempfile.TemporaryDirectory() as folder:
        make_pairs(Path(folder) / "pairs", TINY_IMAGES if options.tiny else IMAGES)
        pairs = open_pairs(Path(folder) / "pairs")
        suspect, loaded = None, ""
        for row in TINY if options.tiny else ROWS:
            if suspect is None or loaded != row.model:
                config = TINY_CONFIG if options.tiny else dict(open_clip.get_model_config(row.model))
                suspect, loaded = load(make_model(Path(folder) / row.model, config)), row.model
            found[row] = measure(row, suspect, pairs, device, rate)
            print(f"{time.perf_counter() - start:4.0f} s  {row.label}: {found[row]}", flush=True)
            written(options.out, facts, found)  # what is measured stays, whatever comes
    facts["seconds"] = time.perf_counter() - start
    print(written(options.out, facts, found))
    if not options.tiny:
        print("\n".join(targets(found)))


def _cell(value: object) -> str:
    return "" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
