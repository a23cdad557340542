"""What `inspect` says of a file from outside."""

from __future__ import annotations

import hashlib
import json

import torch

from clipsan.checkpoint import inspect
from clipsan.checkpoint.write import write_weights


def test_a_safetensors_file(tiny_vit, tmp_path):
    path = tmp_path / "m.safetensors"
    state = {k: v.half() if v.ndim == 2 else v for k, v in tiny_vit.state.items()}
    write_weights(path, state, {"by": "me"})
    found = inspect(path)
    assert (found.format, found.size) == ("safetensors file", path.stat().st_size)
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.tensors == len(state)
    assert found.parameters == sum(v.numel() for v in state.values())
    assert found.dtypes == {
        "float16": sum(v.numel() for v in state.values() if v.ndim == 2),
        "float32": sum(v.numel() for v in state.values() if v.ndim != 2),
    }
    assert found.architecture == "ViT-custom width 128 layers 2 patch 16 48px"
    assert (found.image_size, found.context_length) == ((48, 48), 12)
    assert found.activation is None
    assert found.activation_reason.startswith("activation gelu: assumed")
    assert found.metadata == {"format": "pt", "by": "me"}
    assert (found.unsafe, found.loadable, found.problem) == ((), True, None)
    assert json.loads(json.dumps(found.to_dict()))["image_size"] == [48, 48]


def test_a_training_file(tiny, tmp_path):
    torch.save(
        {"epoch": 2, "state_dict": {f"module.{k}": v for k, v in tiny.state.items()}}, tmp_path / "e.pt"
    )
    found = inspect(tmp_path / "e.pt")
    assert (found.format, found.tensors) == ("training checkpoint", len(tiny.state))
    assert "prefix module. of all keys: dropped" in found.evidence
    assert "trained for 2 epochs: from the file" in found.evidence


def test_a_folder_takes_the_activation_from_its_config(tiny, tmp_path):
    found = inspect(tiny.write_folder(tmp_path / "f", quick_gelu=True))
    assert found.format == "open_clip folder"
    assert found.activation == "quickgelu"
    assert found.path.endswith("open_clip_model.safetensors")


def test_torchscript_code_is_listed(tmp_path):
    with torch.no_grad():
        torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)).save(str(tmp_path / "openai.pt"))
    found = inspect(tmp_path / "openai.pt")
    assert found.format == "TorchScript archive"
    assert any("/code/" in name for name in found.unsafe)
    assert not found.loadable
    assert "does not hold a CLIP that clipsan knows" in found.problem


def test_weights_of_something_else(tmp_path):
    write_weights(tmp_path / "x.safetensors", {"layer.weight": torch.zeros(2, 3)}, {})
    found = inspect(tmp_path / "x.safetensors")
    assert (found.tensors, found.parameters, found.architecture) == (1, 6, None)
    assert "does not hold a CLIP" in found.problem


def test_huge_claims_cost_nothing(tmp_path):
    # Shapes are read from the header; only a real file of that size would pass the check of its offsets.
    write_weights(tmp_path / "v.safetensors", {"a": torch.zeros(10), "b": torch.zeros(0, 2**40)}, {})
    assert inspect(tmp_path / "v.safetensors").parameters == 10
