"""Floating-point operations and bytes per pair of a PAR update, counted without computing anything.

    python benchmarks/count_flops.py [MODEL ...] [--measure PAIRS] [--batch 256] [--steps 4]

MODEL is an open_clip architecture, built without weights, or a checkpoint; by default RN50, ViT-B-32 and
ViT-L-14-336. Everything runs on meta tensors: torch's counter adds up matrix products, convolutions and
attention (a multiplication and an addition are two operations); bytes are the sizes of what each operator
reads and writes in float32, as they are without fusion. Two batch sizes separate what each pair costs from
what each update costs once. With --measure the last MODEL, a checkpoint, is trained on PAIRS on the CPU and
the rate of its operations is set against that of a large matrix product, before and after.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.model import CLIP
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

ARCHITECTURES = ("RN50", "ViT-B-32", "ViT-L-14-336")
RATES = {"1 TFLOP/s": 1e12, "100 TFLOP/s": 1e14, "300 TFLOP/s": 3e14, "600 TFLOP/s": 6e14}
"""Round rates, of no device in particular; a device's own is measured by `gpu_table.py`."""
ADAMW_BYTES = 28
"""Per float32 parameter: weight, gradient and two moments read, weight and moments written."""


@dataclass(frozen=True)
class Counted:
    """Of one pair.

    Attributes:
        name: of the model.
        parameters: of the model.
        image: operations of the image tower's forward pass.
        text: operations of the text tower's forward pass.
        student: operations of both towers, forward and backward.
        moved: bytes that student and frozen image tower read and write, in float32 without fusion.
        moved_once: bytes of the same that an update moves once, whatever its batch, with AdamW.
        sent: bytes that go to the device: pixels as uint8 and token ids.
        kept: bytes that the student keeps for its backward pass, in float32.
    """

    name: str
    parameters: int
    image: float
    text: float
    student: float
    moved: float
    moved_once: float
    sent: int
    kept: float

    @property
    def update(self) -> float:
        """Operations of a PAR update per pair whose caption is known: student and the frozen image tower."""
        return self.student + self.image

    @property
    def cached(self) -> float:
        """The same with cached gradients, which embed each pair once more."""
        return self.update + self.image + self.text

    @property
    def plain(self) -> float:
        """The same where the frozen copy embeds the caption each time."""
        return self.update + self.text


class BytesMoved(TorchDispatchMode):
    """Adds up the sizes of what operators that are no views read and write."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if not func.is_view:
            tensors = (leaf for leaf in tree_leaves((args, kwargs, out)) if isinstance(leaf, Tensor))
            self.total += sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        return out


def built(architecture: str) -> tuple[nn.Module, tuple[int, int]]:
    """The architecture's CLIP on the meta device, and (height, width) of its images."""
    config = dict(open_clip.get_model_config(architecture))
    config.pop("custom_text", None)
    with torch.device("meta"):
        model = CLIP(**config)
    size = config["vision_cfg"]["image_size"]
    return model, (size, size)


def count(name: str, model: nn.Module, size: tuple[int, int]) -> Counted:
    """Count what a pair costs `model`, which is moved to the meta device; `size`: (height, width)."""
    model = model.to("meta").train()
    length = int(model.context_length)  # type: ignore[arg-type]
    moved, kept, operations = [], [], []
    for batch in (2, 4):
        images = torch.empty(batch, 3, *size, device="meta")
        tokens = torch.empty(batch, length, dtype=torch.long, device="meta")
        moved.append(_bytes(model, images, tokens))
        kept.append(_kept(model, images, tokens))
        operations.append(_operations(model, images, tokens))
    per_pair = [(more - less) / 2 for less, more in zip(*operations, strict=True)]
    slope = (moved[1] - moved[0]) / 2
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Counted(
        name=name,
        parameters=parameters,
        image=per_pair[0],
        text=per_pair[1],
        student=per_pair[2],
        moved=slope,
        moved_once=moved[0] - 2 * slope + ADAMW_BYTES * parameters,
        sent=3 * size[0] * size[1] + 8 * length,
        kept=(kept[1] - kept[0]) / 2,
    )


def _student(model: nn.Module, images: Tensor, tokens: Tensor) -> None:
    x, t = model.encode_image(images), model.encode_text(tokens)  # type: ignore[operator]
    (x.sum() + t.sum()).backward()
    model.zero_grad(set_to_none=True)


def _operations(model: nn.Module, images: Tensor, tokens: Tensor) -> tuple[int, int, int]:
    def counted(run: Callable[[], object]) -> int:
        with FlopCounterMode(display=False) as counter:
            run()
        return int(counter.get_total_flops())

    with torch.no_grad():
        image = counted(lambda: model.encode_image(images))  # type: ignore[operator]
        text = counted(lambda: model.encode_text(tokens))  # type: ignore[operator]
    return image, text, counted(lambda: _student(model, images, tokens))


def _bytes(model: nn.Module, images: Tensor, tokens: Tensor) -> int:
    with BytesMoved() as counter:
        _student(model, images, tokens)
        with torch.no_grad():
            model.encode_image(images)  # type: ignore[operator]
    return counter.total


def _kept(model: nn.Module, images: Tensor, tokens: Tensor) -> int:
    """Bytes saved for the backward pass, each tensor once and none of the parameters."""
    own = {id(parameter) for parameter in model.parameters()}
    seen: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        if id(tensor) not in own:
            seen[tensor.untyped_storage()._cdata] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = model.encode_image(images).sum() + model.encode_text(tokens).sum()  # type: ignore[operator]
    total = sum(tensor.untyped_storage().nbytes() for tensor in seen.values())
    del out
    return total


def of(name: str) -> Counted:
    """Count an architecture of open_clip, or a checkpoint."""
    if not Path(name).exists():
        return count(name, *built(name))
    from clipsan.checkpoint import load

    suspect = load(name)
    return count(Path(name).name, suspect.model, suspect.image_size)


def table(rows: list[list[str]]) -> str:
    """Rows, the header first, as Markdown."""
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)


def operations_table(counts: list[Counted]) -> str:
    """Operations per pair, in units of 10⁹."""
    header = ["GFLOP a pair", "student, forward + backward", "frozen image side", "**PAR update**"]
    header += ["caption, once each", "with cached gradients", "frozen text side each time"]
    rows = [header]
    for c in counts:
        parts = (c.student, c.image, c.update, c.text, c.cached, c.plain)
        rows.append([c.name, *(f"{part / 1e9:.2f}" for part in parts)])
    return table(rows)


def bytes_table(counts: list[Counted]) -> str:
    """Bytes per pair and per update."""
    header = [
        "model",
        "parameters, millions",
        "sent to the device, kB a pair",
        "kept for backward, MB a pair",
    ]
    header += ["read and written, MB a pair", "the same once an update, GB", "operations a byte"]
    rows = [header]
    for c in counts:
        row = [c.name, f"{c.parameters / 1e6:.1f}", f"{c.sent / 1e3:.0f}", f"{c.kept / 1e6:.0f}"]
        row += [f"{c.moved / 1e6:.0f}", f"{c.moved_once / 1e9:.2f}", f"{c.update / c.moved:.0f}"]
        rows.append(row)
    return table(rows)


def floor_table(counts: list[Counted]) -> str:
    """Pairs per second that a rate of operations allows at most, and microseconds a pair."""
    rows = [["at most, pairs/s (at least, µs a pair)", *RATES]]
    for c in counts:
        row = [f"{r / c.update:,.0f} ({1e6 * c.update / r:,.1f})" for r in RATES.values()]
        rows.append([c.name, *(cell.replace(",", " ") for cell in row)])
    return table(rows)


def matmul_rate(device: torch.device, dtype: torch.dtype, n: int, seconds: float = 1.0) -> float:
    """Operations per second of n x n matrix products, the best of those made in so many seconds."""
    a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))

    def once() -> float:
        start = time.perf_counter()
        for _ in range(4):
            a @ b
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - start

    once()
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        best = min(best, once())
    return 4 * 2 * n**3 / best


def measured_share(model: str, source: str, counted: Counted, batch: int, steps: int) -> str:
    """Train on the CPU, and say which share of the rate of matrix products it had."""
    from clipsan.checkpoint import load
    from clipsan.pairs import ImageReader, open_pairs
    from clipsan.training.loop import train
    from clipsan.training.settings import TrainSettings

    suspect, pairs, cpu = load(model), open_pairs(source), torch.device("cpu")
    reader = ImageReader(pairs, suspect.preprocess_cfg, suspect.image_size, exact=False)
    settings = TrainSettings(batch_size=batch, micro_batch=batch, steps=steps, precision="fp32")
    before = matmul_rate(cpu, torch.float32, 1024)
    seconds = train(suspect, pairs, reader, settings, cpu).seconds
    after = matmul_rate(cpu, torch.float32, 1024)
    speed = batch * steps / seconds
    rate = speed * counted.update
    return (
        f"{counted.name}: {speed:.0f} pairs/s of batch {batch} are {rate / 1e9:.1f} GFLOP/s, "
        f"{100 * rate / max(before, after):.0f} % of the matrix product's {before / 1e9:.1f} (before) and "
        f"{after / 1e9:.1f} (after) GFLOP/s; {torch.get_num_threads()} threads, torch {torch.__version__}"
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", default=list(ARCHITECTURES), metavar="MODEL")
    parser.add_argument("--measure", metavar="PAIRS")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=4)
    options = parser.parse_args()
    counts = [of(name) for name in options.models]
    for text in (operations_table(counts), bytes_table(counts), floor_table(counts)):
        print(text, end="\n\n")
    if options.measure:
        print(measured_share(options.models[-1], options.measure, counts[-1], options.batch, options.steps))


if __name__ == "__main__":
    main()
