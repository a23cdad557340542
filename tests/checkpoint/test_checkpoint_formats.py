"""Each format gives back the model that was put in, RN and ViT alike."""

from __future__ import annotations

import argparse
import json

import pytest
import torch

from clipsan.checkpoint import load, with_activation
from clipsan.checkpoint.write import write_weights
from clipsan.errors import CheckpointError, UnsafeFileError, UsageError


def save_safetensors(tiny, folder):
    write_weights(folder / "model.safetensors", tiny.state, {"made": "here"})
    return folder / "model.safetensors"


def save_wrapped_safetensors(tiny, folder):
    state = {f"module._orig_mod.{key}": value for key, value in tiny.state.items()}
    write_weights(folder / "wrapped.safetensors", state, {})
    return folder / "wrapped.safetensors"


def save_torch(tiny, folder):
    torch.save(tiny.state, folder / "model.pt")
    return folder / "model.pt"


def save_legacy_torch(tiny, folder):
    torch.save(tiny.state, folder / "old.pth", _use_new_zipfile_serialization=False)
    return folder / "old.pth"


def save_parameters(tiny, folder):
    torch.save(dict(tiny.model.named_parameters()) | dict(tiny.model.named_buffers()), folder / "p.bin")
    state = torch.load(folder / "p.bin", weights_only=True)
    state.pop("attn_mask")  # not in a state dict
    torch.save(state, folder / "p.bin")
    return folder / "p.bin"


def save_training(tiny, folder):
    state = {f"_orig_mod.module.{key}": value for key, value in tiny.state.items()}
    settings = argparse.Namespace(lr=1e-5, name="run")
    torch.save({"epoch": 3, "state_dict": state, "args": settings, "name": "run"}, folder / "epoch_3.ckpt")
    return folder / "epoch_3.ckpt"


def save_folder(tiny, folder):
    return tiny.write_folder(folder / "folder")


def save_pickle_folder(tiny, folder):
    place = tiny.write_folder(folder / "bin")
    (place / "open_clip_model.safetensors").unlink()
    torch.save(tiny.state, place / "open_clip_pytorch_model.bin")
    return place


FORMATS = {
    save_safetensors: "safetensors file",
    save_wrapped_safetensors: "safetensors file",
    save_torch: "torch state dict",
    save_legacy_torch: "torch state dict",
    save_parameters: "torch state dict",
    save_training: "training checkpoint",
    save_folder: "open_clip folder",
    save_pickle_folder: "open_clip folder",
}


@pytest.mark.parametrize("save", FORMATS, ids=lambda save: save.__name__)
def test_format_gives_back_the_model(save, tiny, tmp_path):
    suspect = load(save(tiny, tmp_path))
    assert suspect.provenance.format == FORMATS[save]
    assert not suspect.model.training
    assert suspect.context_length == 12
    size = tiny.cfg["vision_cfg"]["image_size"]
    assert suspect.image_size == (size, size)
    assert torch.equal(tiny.image_embedding(suspect.model), tiny.image_embedding(tiny.model))
    texts = tiny.text_embedding(suspect.model, suspect.tokenizer)
    assert torch.equal(texts, tiny.text_embedding(tiny.model, suspect.tokenizer))
    assert suspect.activation_settled == (FORMATS[save] == "open_clip folder")
    assert all(parameter.requires_grad for parameter in suspect.model.parameters())


def test_provenance(tiny_vit, tmp_path):
    path = save_safetensors(tiny_vit, tmp_path)
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
    path = save_torch(tiny_vit, tmp_path)
    suspect = load(path)
    path.write_bytes(b"\0" * path.stat().st_size)
    assert torch.equal(suspect.model.state_dict()["visual.proj"], tiny_vit.state["visual.proj"])


def test_config_beside_a_file_is_used(tiny_vit, tmp_path):
    folder = tiny_vit.write_folder(tmp_path / "model", quick_gelu=True)
    suspect = load(folder / "open_clip_model.safetensors")
    assert suspect.activation_settled
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


def test_activation_flag_and_swap(tiny_vit, tmp_path):
    path = save_safetensors(tiny_vit, tmp_path)
    asked = load(path, activation="quickgelu")
    assert asked.activation_settled
    assert asked.model_cfg["quick_gelu"] is True
    swapped = with_activation(load(path), "quickgelu")
    assert not swapped.activation_settled
    image = tiny_vit.image_embedding(asked.model)
    assert torch.equal(image, tiny_vit.image_embedding(swapped.model))
    assert not torch.equal(image, tiny_vit.image_embedding(tiny_vit.model))
    back = with_activation(swapped, "gelu")
    assert torch.equal(tiny_vit.image_embedding(back.model), tiny_vit.image_embedding(tiny_vit.model))
    with torch.no_grad():
        back.model.visual.proj.zero_()
    assert swapped.model.visual.proj.abs().sum() > 0
    with pytest.raises(UsageError, match="gelu or quickgelu"):
        with_activation(swapped, "relu")


def test_formats_of_a_later_version_are_named(tiny_vit, tmp_path):
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="checkpoint of the transformers library"):
        load(tmp_path / "hf")
    write_weights(tmp_path / "hf.safetensors", {"vision_model.x": torch.zeros(1)}, {})
    with pytest.raises(CheckpointError, match="checkpoint of the transformers library"):
        load(tmp_path / "hf.safetensors")
    torch.save({"vision_encoder_state_dict": {"conv1.weight": torch.zeros(1)}}, tmp_path / "fare.pt")
    with pytest.raises(CheckpointError, match="image tower without its text tower"):
        load(tmp_path / "fare.pt")
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "ViT-B-32.pt"))
    with pytest.raises(UnsafeFileError, match="TorchScript archive with program code inside"):
        load(tmp_path / "ViT-B-32.pt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="is a folder without open_clip_config"):
        load(tmp_path / "empty")


@pytest.mark.photos
@pytest.mark.parametrize("victim", ["rn-poisoned", "rn-clean", "vit-poisoned"])
def test_victims_are_inferred_from_bare_weights(victim, shared, tmp_path):
    configured = load(shared / "victims" / victim)
    bare = tmp_path / "hidden.safetensors"
    bare.write_bytes((shared / "victims" / victim / "open_clip_model.safetensors").read_bytes())
    inferred = load(bare)
    assert inferred.model_cfg == configured.model_cfg
    assert inferred.preprocess_cfg == configured.preprocess_cfg
    assert configured.activation_settled
    assert not inferred.activation_settled
    pixels = torch.rand(2, 3, 64, 64)
    assert torch.equal(inferred.model.encode_image(pixels), configured.model.encode_image(pixels))
