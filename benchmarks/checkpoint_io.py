"""Load a checkpoint and write it back: clipsan beside a plain copy with the libraries themselves.

    python benchmarks/checkpoint_io.py [--models ViT-B-32 RN50 ViT-L-14-336] [--rounds 3]

A model with random weights is saved in each format. Then, each in a process of its own and in turns:
"plain" reads it with safetensors or torch, makes every tensor float32, and writes it with safetensors;
"checked" does the same, takes the SHA-256 of both files and compares what was written with what was meant;
"clipsan" loads it (inferring the architecture where the format does not say it) and writes an open_clip
folder, which it reads back and compares. Both are flushed to the disk. Time is without imports; memory is
the peak above what the process held before, over the size of the weights in float32. The best of the rounds
counts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

FORMATS = ("safetensors", "torch", "training", "open_clip", "transformers", "torchscript")


def make(name: str, kind: str, folder: Path) -> Path | None:
    """Save a model with random weights in one format; None where the format has no such model."""
    import copy

    import torch
    from open_clip.factory import get_model_config
    from open_clip.model import CLIP

    from clipsan.checkpoint import write_weights

    cfg = get_model_config(name)
    torch.manual_seed(0)
    model = CLIP(**copy.deepcopy(cfg)).eval()
    state = model.state_dict()
    path = folder / f"{name}-{kind}"
    if kind == "safetensors":
        path = path.with_suffix(".safetensors")
        write_weights(path, state, {})
    elif kind == "torch":
        path = path.with_suffix(".pt")
        torch.save(state, path)
    elif kind == "training":
        path = path.with_suffix(".ckpt")
        torch.save({"epoch": 1, "state_dict": {f"module.{key}": value for key, value in state.items()}}, path)
    elif kind == "torchscript":
        path = path.with_suffix(".ts")
        size = cfg["vision_cfg"]["image_size"]
        traced = torch.jit.trace_module(
            model,
            {
                "encode_image": torch.zeros(1, 3, size, size),
                "encode_text": torch.zeros(1, 77, dtype=torch.int64),
            },
            check_trace=False,
        )
        traced.save(str(path))
    else:
        from clipsan.checkpoint.folders import write_folder
        from clipsan.checkpoint.load import load

        if kind == "transformers" and name.startswith("RN"):
            return None
        bare = folder / f"{name}-for-{kind}.safetensors"
        write_weights(bare, state, {})
        path.mkdir()
        suspect = load(bare, arch=name, activation="gelu")
        write_folder(path, suspect, suspect.model.state_dict(), {}, (kind,))
        bare.unlink()
    return path


def plain(path: Path, out: Path, checked: bool = False) -> None:
    """What anybody would write: read, convert to float32, write; `checked`: also hash and read back."""
    import hashlib

    import torch
    from safetensors.torch import load_file, save_file

    def digest(file: Path) -> str:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()

    if path.is_dir():
        path = next(p for p in path.iterdir() if p.suffix == ".safetensors")
    if path.suffix == ".safetensors":
        state = load_file(path)
    elif path.suffix == ".ts":
        state = dict(torch.jit.load(path, map_location="cpu").state_dict())
    else:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        state = state.get("state_dict", state)
    copied = {
        key: value.to(torch.float32, copy=True) for key, value in state.items() if value.is_floating_point()
    }
    del state
    out.mkdir()
    save_file(copied, out / "model.safetensors")
    with (out / "model.safetensors").open("rb+") as file:
        os.fsync(file.fileno())
    if checked:
        digest(path)
        digest(out / "model.safetensors")
        again = load_file(out / "model.safetensors")
        assert all(torch.equal(again[key], value) for key, value in copied.items())


def with_clipsan(path: Path, out: Path) -> str:
    from clipsan.checkpoint import load, write_folder

    suspect = load(path)
    out.mkdir()
    write_folder(out, suspect, suspect.model.state_dict(), {}, ("open_clip",))
    return suspect.provenance.architecture


def measure(tool: str, path: Path, out: Path) -> None:
    """Run in a process of its own: prints seconds, peak bytes above the start, architecture."""
    import time

    import safetensors.torch  # noqa: F401  neither tool's imports are to be timed

    import clipsan.checkpoint  # noqa: F401

    def memory(name: str) -> int:
        """VmRSS now, or VmHWM at its peak, in bytes; getrusage would count the parent's before exec."""
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith(name)).split()[1])

    before = memory("VmRSS")
    start = time.perf_counter()
    found = with_clipsan(path, out) if tool == "clipsan" else plain(path, out, tool == "checked")
    seconds = time.perf_counter() - start
    peak = memory("VmHWM") - before
    print(json.dumps({"seconds": seconds, "peak": peak, "architecture": found}))


def run(tool: str, path: Path, folder: Path) -> dict[str, object]:
    out = folder / "out"
    subprocess.run(["rm", "-rf", out], check=True)
    command = [sys.executable, __file__, "--measure", tool, str(path), str(out)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["ViT-B-32", "RN50", "ViT-L-14-336"])
    parser.add_argument("--formats", nargs="+", default=FORMATS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", nargs=3, metavar=("TOOL", "PATH", "OUT"))
    asked = parser.parse_args()
    if asked.measure:
        measure(asked.measure[0], Path(asked.measure[1]), Path(asked.measure[2]))
        return
    tools = ("plain", "checked", "clipsan")
    columns = "model,format,plain s,checked s,clipsan s,over plain,over checked,plain memory,clipsan memory"
    print(f"| {' | '.join(columns.split(','))} | inferred |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name in asked.models:
        for kind in asked.formats:
            with tempfile.TemporaryDirectory() as place:
                folder = Path(place)
                path = make(name, kind, folder)
                if path is None:
                    continue
                rounds = [{tool: run(tool, path, folder) for tool in tools} for _ in range(asked.rounds)]
                weights = (folder / "out" / "open_clip_model.safetensors").stat().st_size
                best = {t: min(r[t]["seconds"] for r in rounds) for t in tools}
                peak = {t: max(r[t]["peak"] for r in rounds) / weights for t in tools}
                seconds = " | ".join(f"{best[tool]:.2f}" for tool in tools)
                print(
                    f"| {name} | {kind} | {seconds} |"
                    f" {best['clipsan'] / best['plain']:.2f} | {best['clipsan'] / best['checked']:.2f} |"
                    f" {peak['plain']:.2f} | {peak['clipsan']:.2f} |"
                    f" {rounds[0]['clipsan']['architecture']} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
