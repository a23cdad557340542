"""The table of checkpoint formats. A new format is one row here and one reader.

Rows are tried in order; the first that recognises what was opened reads it, or refuses it in a sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from clipsan.checkpoint.config import CONFIG_NAME, Config, read_config
from clipsan.checkpoint.header import read_tensor
from clipsan.checkpoint.opened import Opened, open_path
from clipsan.checkpoint.shards import open_shards, shards_of
from clipsan.checkpoint.suspect import Family
from clipsan.checkpoint.tensors import Tensors
from clipsan.checkpoint.torch_files import from_state_dict, is_training, read_scripted, training_state
from clipsan.checkpoint.transformers_clip import is_transformers, read_clip_config, to_open_clip
from clipsan.errors import CheckpointError

INDEX = ".index.json"  # after the name of the weights: where they lie in several files
# The order in which each library looks itself, without the names of others; safetensors before pickles.
WEIGHT_NAMES: dict[Family, tuple[str, ...]] = {
    "open_clip": (
        "open_clip_model.safetensors",
        "open_clip_pytorch_model.safetensors",
        "open_clip_pytorch_model.bin",
        "open_clip_pytorch_model.pth",
    ),
    "transformers": ("model.safetensors", "pytorch_model.bin"),
}


IMAGE_PREFIX = "visual."


@dataclass(frozen=True)
class Weights:
    """The tensors of one checkpoint with what the file and its folder say of them."""

    format: str
    path: Path
    tensors: Tensors
    config: Config | None
    metadata: dict[str, str]
    evidence: tuple[str, ...] = ()
    activation: tuple[str, str] | None = None  # what the file itself shows of it, and how
    family: Family = "open_clip"
    shards: tuple[Path, ...] = ()  # where the weights lie in several files; `path` is then their index
    image_tower_only: bool = False
    text_sha256: str | None = None  # of the files that completed an image tower

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that hold the tensors."""
        return self.shards or (self.path,)


@dataclass(frozen=True)
class Format:
    """One row: its name in reports, how it is recognised, and how it is read."""

    name: str
    recognises: Callable[[Opened], bool]
    read: Callable[[Opened], Weights]


def recognise(opened: Opened) -> Format:
    """The format of what was opened.

    Raises:
        CheckpointError: no row recognises it.
        UnsafeFileError: telling what it is would need reading a pickle that could run code.
    """
    for row in TABLE:
        if row.recognises(opened):
            return row
    if opened.kind == "folder":
        raise CheckpointError(
            f"{str(opened.path)!r} is a folder without {CONFIG_NAME}; give the path of its weights file."
        )
    raise CheckpointError(
        f"{opened.path.name} is neither safetensors nor a file of torch.save, so clipsan cannot read it."
    )


def read(path: Path, config: Config | None = None) -> Weights:
    """Open a path, recognise its format and read it, without the prefixes of training wrappers.

    Args:
        path: a file or a folder.
        config: the configuration to take where the checkpoint brings none.
    """
    opened = open_path(path)
    weights = recognise(opened).read(opened)
    if weights.config is None and config is not None:
        weights = replace(weights, config=config)
    return _unwrapped(weights)


def read_family(folder: Path, family: Family) -> Weights:
    """Read a folder that may hold a model in two layouts as one of them."""
    opened = open_path(folder)
    reader = _read_open_clip_folder if family == "open_clip" else _read_transformers_folder
    return _unwrapped(reader(opened))


def _unwrapped(weights: Weights) -> Weights:
    """The weights under open_clip's keys, without what training wrappers and other libraries put around."""
    tensors, dropped = weights.tensors.without_wrappers()
    lines = [f"prefix {prefix} of all keys: dropped" for prefix in dropped]
    config, family = weights.config, weights.family
    if is_transformers(tensors.infos):
        tensors, more = to_open_clip(tensors, weights.path.name)
        lines += ["keys of the transformers library: renamed to open_clip's", *more]
        family = "transformers"
        if config is None and (weights.path.parent / "config.json").is_file():
            config = read_clip_config(weights.path.parent)
    elif _is_bare_image_tower(tensors.infos):
        tensors = tensors.renamed({f"{IMAGE_PREFIX}{key}": key for key in tensors.infos})
        lines.append("keys of an image tower alone: put under visual.")
    return replace(
        weights,
        tensors=tensors,
        evidence=(*weights.evidence, *lines),
        config=config,
        family=family,
        image_tower_only=all(key.startswith(IMAGE_PREFIX) for key in tensors.infos) and bool(tensors.infos),
    )


def _is_bare_image_tower(keys: Container[str]) -> bool:
    """open_clip's `model.visual.state_dict()`, of a ViT or a ResNet."""
    return "conv1.weight" in keys and ("class_embedding" in keys or "attnpool.positional_embedding" in keys)


def weight_files(opened: Opened) -> list[Opened]:
    """The files that hold the tensors of what was opened; none for a folder that is no checkpoint.

    Raises:
        CheckpointError: a folder has a configuration but no weights, or lacks a shard.
    """
    if opened.kind != "folder":
        return [opened]
    family = _family_of(opened)
    if family is None:
        return []
    path = _main_file(opened, family)
    return [open_path(found) for found in (shards_of(path) if path.name.endswith(INDEX) else [path])]


def _family_of(folder: Opened) -> Family | None:
    if CONFIG_NAME in folder.names:
        return "open_clip"
    return "transformers" if "config.json" in folder.names else None


def _main_file(folder: Opened, family: Family) -> Path:
    """The weights file, or the index of several."""
    for name in WEIGHT_NAMES[family]:
        for found in (name, name + INDEX):
            if found in folder.names:
                return folder.path / found
    config = CONFIG_NAME if family == "open_clip" else "config.json"
    raise CheckpointError(
        f"The folder {str(folder.path)!r} has {config} but no weights such as {WEIGHT_NAMES[family][0]}."
    )


def _read_folder(folder: Opened, family: Family) -> Weights:
    path = _main_file(folder, family)
    if path.name.endswith(INDEX):
        weights = _read_shards(path)
    else:
        inner = open_path(path)
        weights = recognise(inner).read(inner)
    line = f"weights in {path.name}: {weights.format}"
    config = (
        read_config(folder.path / CONFIG_NAME) if family == "open_clip" else read_clip_config(folder.path)
    )
    return replace(
        weights, format=f"{family} folder", family=family, config=config, evidence=(line, *weights.evidence)
    )


def _read_shards(index: Path) -> Weights:
    """Weights in several files. Their metadata must agree; that of the first is taken."""
    parts: dict[Path, Weights] = {}

    def open_one(path: Path) -> Tensors:
        inner = open_path(path)
        parts[path] = recognise(inner).read(inner)
        return parts[path].tensors

    tensors = open_shards(index, open_one)
    first = next(iter(parts.values()))
    kind = f"{len(parts)} files, each a {first.format}"
    return replace(first, format=kind, path=index, tensors=tensors, shards=tuple(parts))


def _read_open_clip_folder(opened: Opened) -> Weights:
    return _read_folder(opened, "open_clip")


def _read_transformers_folder(opened: Opened) -> Weights:
    return _read_folder(opened, "transformers")


def _read_image_tower(opened: Opened) -> Weights:
    """`{"vision_encoder_state_dict": ...}` of TeCoA's and FARE's training."""
    inner = opened.content["vision_encoder_state_dict"]
    if not isinstance(inner, dict):
        raise CheckpointError(
            f"{opened.path.name}: its vision_encoder_state_dict is a {type(inner).__name__}, not a dict."
        )
    return _from_torch(opened, inner, "image tower alone", ())


def _read_safetensors(opened: Opened) -> Weights:
    header = opened.header
    tensors = Tensors(header.infos, partial(read_tensor, opened.path, header), owned=True)
    return Weights("safetensors file", opened.path, tensors, _config_beside(opened), header.metadata)


def _read_training(opened: Opened) -> Weights:
    """`{"state_dict": ..., "epoch": ...}` of open_clip's, CleanCLIP's and PAR's training."""
    state, evidence = training_state(opened.content, opened.path.name)
    return _from_torch(opened, state, "training checkpoint", evidence)


def _read_state_dict(opened: Opened) -> Weights:
    return _from_torch(opened, opened.content, "torch state dict", ())


def _from_torch(opened: Opened, state: dict[Any, Any], name: str, evidence: tuple[str, ...]) -> Weights:
    tensors = from_state_dict(state, opened.torch_file.storages, opened.path.name)
    return Weights(name, opened.path, tensors, _config_beside(opened), {}, evidence)


def _read_torchscript(opened: Opened) -> Weights:
    """An archive of torch.jit.save, as OpenAI published CLIP: its tensors, without running its program."""
    scripted = read_scripted(opened.torch_file)
    return Weights(
        "TorchScript archive",
        opened.path,
        scripted.tensors,
        _config_beside(opened),
        {},
        scripted.evidence,
        scripted.activation,
    )


def _config_beside(opened: Opened) -> Config | None:
    beside = opened.path.parent / CONFIG_NAME
    return read_config(beside) if beside.is_file() else None


def _refuse(what: str, instead: str) -> Callable[[Opened], NoReturn]:
    def refuse(opened: Opened) -> NoReturn:
        raise CheckpointError(f"{opened.path.name} is {what}, which this version does not read; {instead}.")

    return refuse


TABLE: tuple[Format, ...] = (
    Format(
        "open_clip folder",
        lambda o: CONFIG_NAME in o.names,
        _read_open_clip_folder,
    ),
    Format(
        "transformers folder",
        lambda o: "config.json" in o.names,
        _read_transformers_folder,
    ),
    Format(
        "TorchScript archive",
        lambda o: o.kind == "TorchScript",
        _read_torchscript,
    ),
    Format(
        "safetensors file",
        lambda o: o.kind == "safetensors",
        _read_safetensors,
    ),
    Format(
        "image tower alone",
        lambda o: "vision_encoder_state_dict" in o.keys,
        _read_image_tower,
    ),
    Format(
        "training checkpoint",
        lambda o: o.kind == "torch" and is_training(o.content),
        _read_training,
    ),
    Format(
        "torch state dict",
        lambda o: o.kind == "torch" and isinstance(o.content, dict),
        _read_state_dict,
    ),
    Format(
        "torch file of another kind",
        lambda o: o.kind == "torch",
        _refuse("a file of torch.save without a state dict", "save model.state_dict() and use that"),
    ),
)
