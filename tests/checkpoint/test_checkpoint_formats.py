"""What a load says of a checkpoint beside its weights. Every form of input: test_checkpoint_matrix.py."""

from __future__ import annotations

import json

import pytest
import torch
from tiny_files import MAKERS, safetensors_file, torch_file
from tiny_models import make_tiny

from clipsan.checkpoint import load, with_candidate, write_weights
from clipsan.errors import CheckpointError, UsageError


def test_provenance(tiny_vit, tmp_path):
    path = safetensors_file(tiny_vit, tmp_path)
    provenance = load(str(path)).provenance
    assert (provenance.source, provenance.path) == (str(path), str(path))
    assert provenance.metadata == {"format": "pt", "made": "here"}
    assert provenance.architecture == "ViT-custom width 128 layers 2 patch 16 48px"
    assert len(provenance.sha256) == 64
    assert provenance.dtype == "float32"
    assert any("activation gelu: assumed" in line for line in provenance.evidence)


def test_half_precision_is_widened_exactly(tiny_vit, tmp_path):
    halves = {key: value.half() for key, value in tiny_vit.state.items()}
    write_weights(tmp_path / "half.safetensors", halves, {})
    suspect = load(tmp_path / "half.safetensors")
    assert suspect.provenance.dtype == "float16"
    assert set(suspect.dtypes.values()) == {torch.float16}
    for key, value in suspect.model.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, halves[key].float())


def test_the_file_is_not_aliased(tiny_vit, tmp_path):
    path = torch_file(tiny_vit, tmp_path)
    suspect = load(path)
    path.write_bytes(b"\0" * path.stat().st_size)
    assert torch.equal(suspect.model.state_dict()["visual.proj"], tiny_vit.state["visual.proj"])


def test_config_beside_a_file_is_used(tiny_vit, tmp_path):
    folder = tiny_vit.write_folder(tmp_path / "model", quick_gelu=True)
    suspect = load(folder / "open_clip_model.safetensors")
    assert suspect.candidates == ()
    assert suspect.activation == "quickgelu"
    assert "activation quickgelu: from open_clip_config.json" in suspect.provenance.evidence


def test_preprocess_of_the_config(tiny_vit, tmp_path):
    folder = tiny_vit.write_folder(tmp_path / "model")
    path = folder / "open_clip_config.json"
    config = json.loads(path.read_text())
    config["preprocess_cfg"] = {"mean": [0.5, 0.25, 0.125], "std": [1, 1, 0.5], "size": 48}
    path.write_text(json.dumps(config))
    suspect = load(folder)
    assert suspect.mean == (0.5, 0.25, 0.125)
    assert suspect.std == (1, 1, 0.5)
    assert suspect.preprocess_cfg["interpolation"] == "bicubic"


def test_activation_flag_and_candidates(tmp_path):
    tiny_rn = make_tiny("rn")
    path = safetensors_file(tiny_rn, tmp_path)
    asked = load(path, activation="quickgelu")
    assert asked.candidates == ()
    assert asked.model_cfg["quick_gelu"] is True
    both = load(path)
    assert [candidate.label for candidate in both.candidates] == ["activation gelu", "activation quickgelu"]
    swapped = with_candidate(both, both.candidates[1])

    def text(model):  # the image tower has ReLU
        return tiny_rn.text_embedding(model, both.tokenizer)

    assert torch.equal(text(swapped.model), text(asked.model))
    assert not torch.equal(text(swapped.model), text(tiny_rn.model))
    back = with_candidate(swapped, both.candidates[0])
    assert torch.equal(text(back.model), text(tiny_rn.model))
    with pytest.raises(UsageError, match="gelu or quickgelu"):
        load(path, activation="relu")


def test_image_towers_need_the_model_they_were_trained_from(tiny_vit, tmp_path):
    base = str(tiny_vit.write_folder(tmp_path / "base"))
    for form in ("image_tower", "image_tower_in_a_dict"):
        path = MAKERS[form](tiny_vit, tmp_path)
        with pytest.raises(
            CheckpointError, match=r"is an image tower without its text tower; name .*--text-from"
        ):
            load(path)
        evidence = load(path, text_from=base).provenance.evidence
        assert any(
            line.startswith(f"image tower alone: all other weights from {base} (SHA-256") for line in evidence
        )
        with pytest.raises(CheckpointError, match="is an image tower alone too"):
            load(path, text_from=str(path))
    with pytest.raises(UsageError, match="has a text tower of its own"):
        load(base, text_from=base)
    other = {key: torch.zeros(5) for key in tiny_vit.model.visual.state_dict()}
    torch.save(other, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match=r"does not fit into .*visual\.class_embedding"):
        load(tmp_path / "other.pt", text_from=base)


def test_folders_and_files_that_are_no_checkpoint(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="is a folder without open_clip_config"):
        load(tmp_path / "empty")
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "other.pt"))
    with pytest.raises(CheckpointError, match="does not hold a CLIP that clipsan knows"):
        load(tmp_path / "other.pt")


@pytest.mark.photos
@pytest.mark.parametrize("victim", ["rn-poisoned", "rn-clean", "vit-poisoned"])
def test_victims_are_inferred_from_bare_weights(victim, shared, tmp_path):
    configured = load(shared / "victims" / victim)
    bare = tmp_path / "hidden.safetensors"
    bare.write_bytes((shared / "victims" / victim / "open_clip_model.safetensors").read_bytes())
    inferred = load(bare)
    assert inferred.model_cfg == configured.model_cfg
    assert inferred.preprocess_cfg == configured.preprocess_cfg
    assert configured.candidates == ()
    assert len(inferred.candidates) > 1
    pixels = torch.rand(2, 3, 64, 64)
    assert torch.equal(inferred.model.encode_image(pixels), configured.model.encode_image(pixels))
