"""The harmless file of each kind: a tiny CLIP, saved as the makers of such files do."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from hostile.opcodes import NO_TUPLE, built, named, program, state_dict, storage, tensor
from tiny_models import Tiny, make_tiny
from torch import Tensor


@cache
def tiny() -> Tiny:
    return make_tiny("vit")


def tensor_steps() -> dict[str, bytes]:
    """The tiny model's tensors as steps of a pickle; the n-th lies in storage n."""
    shapes = enumerate(tiny().state.items())
    return {key: tensor(storage(str(n), value.numel()), tuple(value.shape)) for n, (key, value) in shapes}


def torch_members(pickled: bytes | None = None) -> dict[str, bytes]:
    """The members of the tiny model's torch zip; `pickled` instead of its own data.pkl."""
    members = {"data.pkl": pickled if pickled is not None else program(state_dict(tensor_steps()))}
    members |= {"byteorder": b"little", "version": b"3\n"}
    for number, value in enumerate(tiny().state.values()):
        members[f"data/{number}"] = value.contiguous().numpy().tobytes()
    return members


PROGRAM = "code/__torch__/clip.py"


def scripted_module(tensors: Mapping[str, bytes]) -> bytes:
    """Tensors by dotted name as the nested modules of a TorchScript archive: a step."""
    state: dict[str, bytes] = {}
    inside: dict[str, dict[str, bytes]] = {}
    for key, step in tensors.items():
        module, dot, rest = key.partition(".")
        if dot:
            inside.setdefault(module, {})[rest] = step
        else:
            state[key] = step
    state |= {name: scripted_module(part) for name, part in inside.items()}
    return built(named("__torch__.clip", "CLIP") + NO_TUPLE + pickle.NEWOBJ, state_dict(state))


def scripted_members() -> dict[str, bytes]:
    """The members of the tiny model's TorchScript archive."""
    members = torch_members(program(scripted_module(tensor_steps())))
    return members | {
        "constants.pkl": program(NO_TUPLE),
        PROGRAM: b"class CLIP(Module):\n  training : bool\n",
    }


def write_zip(path: Path, members: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    """A zip whose members lie in a folder `model`, as in torch's."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(f"model/{name}"), data, compression)
    return path


def safetensors_of(state: Mapping[str, Tensor] | None = None) -> bytes:
    """The bytes of a safetensors file; of the tiny model by default."""
    from safetensors.torch import save

    return bytes(save({key: value.contiguous() for key, value in (state or tiny().state).items()}))


def saved(content: Any, *, zipped: bool = True) -> bytes:
    """What torch.save writes."""
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


@cache
def transformers_state() -> dict[str, Tensor]:
    """A CLIP of one layer by the key names of the transformers library, with random weights."""
    chance = torch.Generator().manual_seed(0)
    width = {"vision_model": 128, "text_model": 16}
    shapes: dict[str, tuple[int, ...]] = {
        "logit_scale": (),
        "visual_projection.weight": (24, 128),
        "text_projection.weight": (24, 16),
        "vision_model.embeddings.class_embedding": (128,),
        "vision_model.embeddings.patch_embedding.weight": (128, 3, 16, 16),
        "vision_model.embeddings.position_embedding.weight": (10, 128),
        "text_model.embeddings.token_embedding.weight": (49408, 16),
        "text_model.embeddings.position_embedding.weight": (12, 16),
    }
    norms = {"vision_model": ["pre_layrnorm", "post_layernorm"], "text_model": ["final_layer_norm"]}
    for tower, side in width.items():
        layer = f"{tower}.encoder.layers.0"
        linear = {f"self_attn.{part}_proj": (side, side) for part in ("q", "k", "v", "out")}
        linear |= {"mlp.fc1": (4 * side, side), "mlp.fc2": (side, 4 * side)}
        for name, shape in linear.items():
            shapes |= {f"{layer}.{name}.weight": shape, f"{layer}.{name}.bias": shape[:1]}
        for name in (*norms[tower], "encoder.layers.0.layer_norm1", "encoder.layers.0.layer_norm2"):
            shapes |= {f"{tower}.{name}.weight": (side,), f"{tower}.{name}.bias": (side,)}
    return {key: 0.1 * torch.randn(shape, generator=chance) for key, shape in shapes.items()}


TRANSFORMERS_CONFIG: dict[str, Any] = {
    "architectures": ["CLIPModel"],
    "model_type": "clip",
    "projection_dim": 24,
    "vision_config": {
        "model_type": "clip_vision_model", "hidden_size": 128, "intermediate_size": 512, "image_size": 48,
        "patch_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "projection_dim": 24,
        "hidden_act": "quick_gelu",
    },
    "text_config": {
        "model_type": "clip_text_model", "hidden_size": 16, "intermediate_size": 64,
        "max_position_embeddings": 12, "vocab_size": 49408, "num_hidden_layers": 1,
        "num_attention_heads": 1, "projection_dim": 24, "hidden_act": "quick_gelu",
    },
}  # fmt: skip


@cache
def _transformers_bytes() -> bytes:
    return safetensors_of(transformers_state())


@cache
def _shards() -> dict[str, dict[str, Tensor]]:
    """The weights in two files: keys and tensors by file name."""
    shards: dict[str, dict[str, Tensor]] = {f"model-0000{n}-of-00002.safetensors": {} for n in (1, 2)}
    for n, (key, value) in enumerate(transformers_state().items()):
        shards[f"model-0000{1 + n % 2}-of-00002.safetensors"][key] = value
    return shards


@cache
def _shard_bytes() -> dict[str, bytes]:
    return {name: safetensors_of(part) for name, part in _shards().items()}


def transformers_folder(folder: Path, config: Mapping[str, Any] | None = None) -> Path:
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(_transformers_bytes())
    (folder / "config.json").write_text(json.dumps(config or TRANSFORMERS_CONFIG))
    return folder


TOKENIZER_NAME = "tokenizer.json"
WORDS = ("[PAD]", "[SEP]", "[UNK]", "a", "photo", "of", "red", "ball")
TOKENIZER: dict[str, Any] = {
    "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
    "pre_tokenizer": {"type": "Whitespace"}, "post_processor": None, "decoder": None,
    "model": {
        "type": "WordLevel", "vocab": {word: n for n, word in enumerate(WORDS)}, "unk_token": "[UNK]",
    },
}  # fmt: skip


def tokenizer_folder(folder: Path) -> Path:
    """An open_clip folder with a tokenizer of its own."""
    named = tiny().cfg["text_cfg"] | {"hf_tokenizer_name": "me/words"}
    path = tiny().write_folder(folder, text_cfg=named)
    (path / TOKENIZER_NAME).write_text(json.dumps(TOKENIZER))
    return path


def open_clip_folder(folder: Path) -> Path:
    return tiny().write_folder(folder)


def sharded_folder(folder: Path) -> Path:
    """A transformers folder with its weights in two shards."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(TRANSFORMERS_CONFIG))
    for name, content in _shard_bytes().items():
        (folder / name).write_bytes(content)
    index = {"weight_map": {key: name for name, part in _shards().items() for key in part}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def _file(name: str, content: Callable[[], bytes]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content())
        return folder / name

    return make


MAKERS: dict[str, Callable[[Path], Path]] = {
    "torch zip": lambda folder: write_zip(folder / "model.pt", torch_members()),
    "legacy torch file": _file("model.pt", lambda: saved(dict(tiny().state), zipped=False)),
    "TorchScript": lambda folder: write_zip(folder / "model.pt", scripted_members()),
    "safetensors": _file("model.safetensors", safetensors_of),
    "open_clip folder": lambda folder: open_clip_folder(folder / "model"),
    "tokenizer folder": lambda folder: tokenizer_folder(folder / "model"),
    "transformers folder": lambda folder: transformers_folder(folder / "model"),
    "sharded folder": lambda folder: sharded_folder(folder / "model"),
}
