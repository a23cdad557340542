"""Two processes with the same batches give the weights of one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from clipsan.methods import METHODS


def weights(world, out, method, gpus):
    subprocess.run(
        [sys.executable, "-m", "clipsan", "clean", world / "model", "--data", world / "pairs", "--out", out,
         "--method", method, "--steps", "3", "--batch-size", "9", "--micro-batch", "3", "--held-out", "0",
         "--device", "cpu", "--gpus", str(gpus), "--quiet", "--save-every", "0"],
        check=False, timeout=120, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True,
    )  # fmt: skip
    state = load_file(out / "open_clip_model.safetensors")
    return torch.cat([value.double().flatten() for value in state.values()])


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_two_processes_give_the_weights_of_one(world, tmp_path, method):
    one, two = (weights(world, tmp_path / str(n), method, n) for n in (1, 2))
    assert (one - two).norm() <= 1e-5 * one.norm()
