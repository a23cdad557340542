"""Every form in which people hand around a CLIP, made from a tiny model: name -> maker(tiny, folder) -> path.

A maker leaves `model` as it is, or returns the path of a file that cannot say the activation; the makers in
`NEEDS_TEXT` write an image tower alone.
"""

from __future__ import annotations

import argparse
import copy
import json

import numpy
import torch

from clipsan.checkpoint.write import write_weights


def safetensors_file(tiny, folder):
    write_weights(folder / "model.safetensors", tiny.state, {"made": "here"})
    return folder / "model.safetensors"


def wrapped_safetensors(tiny, folder):
    state = {f"module._orig_mod.{key}": value for key, value in tiny.state.items()}
    write_weights(folder / "wrapped.safetensors", state, {})
    return folder / "wrapped.safetensors"


def torch_file(tiny, folder):
    torch.save(tiny.state, folder / "model.pt")
    return folder / "model.pt"


def torch_file_of_protocol_4(tiny, folder):
    torch.save(tiny.state, folder / "four.pt", pickle_protocol=4)
    return folder / "four.pt"


def legacy_torch_file(tiny, folder):
    torch.save(tiny.state, folder / "old.pth", _use_new_zipfile_serialization=False)
    return folder / "old.pth"


def parameters(tiny, folder):
    state = dict(tiny.model.named_parameters()) | dict(tiny.model.named_buffers())
    torch.save({key: value for key, value in state.items() if key in tiny.state}, folder / "p.bin")
    return folder / "p.bin"


def training_file(tiny, folder):
    """As open_clip, CleanCLIP and PAR save it: settings as a Namespace, the epoch as a NumPy number."""
    state = {f"_orig_mod.module.{key}": value for key, value in tiny.state.items()}
    settings = argparse.Namespace(lr=1e-5, name="run", best=numpy.float64(0.5))
    content = {"epoch": numpy.int64(3), "state_dict": state, "args": settings, "name": "run"}
    torch.save(content | {"optimizer": {"state": {0: {"step": torch.tensor(1.0)}}}}, folder / "epoch_3.ckpt")
    return folder / "epoch_3.ckpt"


def ema_file(tiny, folder):
    torch.save({"epoch": 3, "state_dict_ema": tiny.state}, folder / "ema.pth.tar")
    return folder / "ema.pth.tar"


def open_clip_folder(tiny, folder):
    return tiny.write_folder(folder / "folder")


def open_clip_folder_of_pickles(tiny, folder):
    place = tiny.write_folder(folder / "bin")
    (place / "open_clip_model.safetensors").unlink()
    torch.save(tiny.state, place / "open_clip_pytorch_model.bin")
    return place


def open_clip_folder_of_shards(tiny, folder):
    place = tiny.write_folder(folder / "shards")
    (place / "open_clip_model.safetensors").unlink()
    keys = sorted(tiny.state)
    parts = {"open_clip_model-00001-of-00002.safetensors": keys[::2]}
    parts["open_clip_model-00002-of-00002.safetensors"] = keys[1::2]
    for name, some in parts.items():
        write_weights(place / name, {key: tiny.state[key] for key in some}, {})
    table = {key: name for name, some in parts.items() for key in some}
    (place / "open_clip_model.safetensors.index.json").write_text(json.dumps({"weight_map": table}))
    return place


def torchscript(tiny, folder):
    """As OpenAI published CLIP: a traced program with its tensors, and three numbers among them."""
    module = copy.deepcopy(tiny.model)
    size = tiny.cfg["vision_cfg"]["image_size"]
    for name, value in (("input_resolution", size), ("context_length", 12), ("vocab_size", 49408)):
        module.__dict__.pop(name, None)  # a plain number here, a tensor in OpenAI's files
        module.register_buffer(name, torch.tensor(value))
    inputs = {
        "encode_image": torch.zeros(1, 3, size, size),
        "encode_text": torch.zeros(1, 12, dtype=torch.int64),
    }
    torch.jit.trace_module(module, inputs, check_trace=False).save(str(folder / "ViT-B-32.pt"))
    return folder / "ViT-B-32.pt"


def image_tower_in_a_dict(tiny, folder):
    """As TeCoA's and FARE's training saves it."""
    state = {f"module.{key}": value for key, value in tiny.model.visual.state_dict().items()}
    torch.save({"vision_encoder_state_dict": state, "step": 7}, folder / "tecoa.pt")
    return folder / "tecoa.pt"


def image_tower(tiny, folder):
    """As TeCoA and FARE are published."""
    torch.save(tiny.model.visual.state_dict(), folder / "fare.pt")
    return folder / "fare.pt"


MAKERS = {
    make.__name__: make
    for make in (
        safetensors_file, wrapped_safetensors, torch_file, torch_file_of_protocol_4, legacy_torch_file,
        parameters, training_file, ema_file, open_clip_folder, open_clip_folder_of_pickles,
        open_clip_folder_of_shards, torchscript, image_tower_in_a_dict, image_tower,
    )
}  # fmt: skip
NEEDS_TEXT = ("image_tower_in_a_dict", "image_tower")
FORMAT_NAMES = {
    "safetensors_file": "safetensors file",
    "wrapped_safetensors": "safetensors file",
    "torch_file": "torch state dict",
    "torch_file_of_protocol_4": "torch state dict",
    "legacy_torch_file": "torch state dict",
    "parameters": "torch state dict",
    "training_file": "training checkpoint",
    "ema_file": "training checkpoint",
    "open_clip_folder": "open_clip folder",
    "open_clip_folder_of_pickles": "open_clip folder",
    "open_clip_folder_of_shards": "open_clip folder",
    "torchscript": "TorchScript archive",
    "image_tower_in_a_dict": "image tower alone",
    "image_tower": "torch state dict",
}
