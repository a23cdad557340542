"""The table of checkpoint formats. A new format is one row here and one reader.

Rows are tried in order; the first that recognises what was opened reads it, or refuses it in a sentence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from safetensors import SafetensorError, safe_open

from clipsan.checkpoint.config import CONFIG_NAME, Config, read_config
from clipsan.checkpoint.opened import Opened, open_path
from clipsan.checkpoint.tensors import Tensors, from_state_dict
from clipsan.errors import CheckpointError, UnsafeFileError

# The order in which open_clip itself looks, without the names of other libraries.
WEIGHT_NAMES = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
)


@dataclass(frozen=True)
class Weights:
    """The tensors of one checkpoint with what the file and its folder say of them."""

    format: str
    path: Path
    tensors: Tensors
    config: Config | None
    metadata: dict[str, str]
    evidence: tuple[str, ...] = ()


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


def read(path: Path) -> Weights:
    """Open a path, recognise its format and read it, without the prefixes of training wrappers."""
    opened = open_path(path)
    weights = recognise(opened).read(opened)
    tensors, dropped = weights.tensors.without_wrappers()
    lines = tuple(f"prefix {prefix} of all keys: dropped" for prefix in dropped)
    return replace(weights, tensors=tensors, evidence=weights.evidence + lines)


def weights_file(folder: Path, names: frozenset[str]) -> Path:
    """The weights file of an open_clip folder.

    Raises:
        CheckpointError: it has none by open_clip's names.
    """
    for name in WEIGHT_NAMES:
        if name in names:
            return folder / name
    raise CheckpointError(
        f"The folder {str(folder)!r} has {CONFIG_NAME} but no weights such as {WEIGHT_NAMES[0]}."
    )


def _read_open_clip_folder(opened: Opened) -> Weights:
    inner = open_path(weights_file(opened.path, opened.names))
    weights = recognise(inner).read(inner)
    line = f"weights in {weights.path.name}: {weights.format}"
    return replace(weights, format="open_clip folder", evidence=(line, *weights.evidence))


def _read_safetensors(opened: Opened) -> Weights:
    header = opened.header

    def tensor(key: str) -> Any:
        try:
            with safe_open(opened.path, framework="pt", device="cpu") as file:
                return file.get_tensor(key)
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{opened.path.name}: {key} cannot be read ({error!s:.120}).") from None

    tensors = Tensors(header.infos, tensor)
    return Weights("safetensors file", opened.path, tensors, _config_beside(opened), header.metadata)


def _read_training(opened: Opened) -> Weights:
    """`{"state_dict": ..., "epoch": ...}` of open_clip's, CleanCLIP's and PAR's training."""
    inner = opened.content["state_dict"]
    if not isinstance(inner, dict):
        raise CheckpointError(f"{opened.path.name}: its state_dict is a {type(inner).__name__}, not a dict.")
    epoch = opened.content.get("epoch")
    line = f"trained for {epoch} epochs: from the file" if type(epoch) is int else ""
    return _from_torch(opened, inner, "training checkpoint", (line,) if line else ())


def _read_state_dict(opened: Opened) -> Weights:
    return _from_torch(opened, opened.content, "torch state dict", ())


def _from_torch(opened: Opened, state: dict[Any, Any], name: str, evidence: tuple[str, ...]) -> Weights:
    tensors = from_state_dict(state, opened.path.name, opened.path.stat().st_size)
    return Weights(name, opened.path, tensors, _config_beside(opened), {}, evidence)


def _config_beside(opened: Opened) -> Config | None:
    beside = opened.path.parent / CONFIG_NAME
    return read_config(beside) if beside.is_file() else None


def _refuse(
    what: str, instead: str, error: type[CheckpointError] = CheckpointError
) -> Callable[[Opened], NoReturn]:
    def refuse(opened: Opened) -> NoReturn:
        raise error(f"{opened.path.name} is {what}, which this version does not read; {instead}.")

    return refuse


def _is_transformers(opened: Opened) -> bool:
    if opened.kind == "folder":
        return "config.json" in opened.names
    return any(key.startswith(("vision_model.", "text_model.")) for key in opened.keys)


TABLE: tuple[Format, ...] = (
    Format(
        "open_clip folder",
        lambda o: CONFIG_NAME in o.names,
        _read_open_clip_folder,
    ),
    Format(
        "TorchScript archive",
        lambda o: o.kind == "TorchScript",
        _refuse(
            "a TorchScript archive with program code inside, as OpenAI published CLIP",
            "the same weights are on the hub, e.g. hf-hub:timm/vit_base_patch32_clip_224.openai",
            UnsafeFileError,
        ),
    ),
    Format(
        "transformers checkpoint",
        _is_transformers,
        _refuse("a checkpoint of the transformers library", "convert it to open_clip's form first"),
    ),
    Format(
        "safetensors file",
        lambda o: o.kind == "safetensors",
        _read_safetensors,
    ),
    Format(
        "image tower alone",
        lambda o: "vision_encoder_state_dict" in o.keys,
        _refuse(
            "an image tower without its text tower (vision_encoder_state_dict, as TeCoA and FARE save it)",
            "put it into the CLIP it was trained from and save that",
        ),
    ),
    Format(
        "training checkpoint",
        lambda o: "state_dict" in o.keys,
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
