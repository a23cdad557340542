"""The weights of a TorchScript archive, as OpenAI published CLIP, read without its program.

Its `data.pkl` describes the module as an object whose attributes are tensors, numbers and further modules:
the tree that `state_dict()` walks. The program text beside it is searched for a few words and never parsed:
which attributes of a class are parameters or buffers, and which activation it computes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from clipsan.checkpoint.tensors import Tensors, name_some
from clipsan.checkpoint.torch_files.archive import Archive
from clipsan.checkpoint.torch_files.reading import TorchFile
from clipsan.checkpoint.torch_files.records import Call, StoredTensor, spoken
from clipsan.checkpoint.torch_files.state_dict import from_state_dict
from clipsan.checkpoint.torch_files.storages import Storages, numel
from clipsan.errors import CheckpointError, UnsafeFileError

MOST_ATTRIBUTES = 200_000
MOST_CLASSES = 50_000
MOST_CHARACTERS = 16 << 20  # of all dotted names
DEEPEST = 64  # modules inside one another
MOST_CONSTANTS = 10_000
LONGEST_CONTEXT = 1024  # tokens; CLIP has 77
SETTINGS = ("input_resolution", "context_length", "vocab_size")  # OpenAI's archives hold them as tensors
QUICKGELU_FACTOR = 1.702  # of x * sigmoid(1.702 x)
_NEAR = 2e-3  # 1.702 is 1.7021 in float16, and 1.7031 in bfloat16
_CLASS = re.compile(rb"^class (\w{1,200})\(Module\):$", re.MULTILINE)
_LISTS = re.compile(
    rb"\n  __parameters__ = \[(.{0,100000})\]\n  __buffers__ = \[(.{0,100000})\]$", re.MULTILINE
)
_QUOTED = re.compile(rb'"([^"]{1,1000})"')


@dataclass(frozen=True)
class Scripted:
    """What a program archive holds besides its program.

    Args:
        tensors: parameters and buffers, named as in `state_dict()`.
        activation: ("gelu" or "quickgelu", where it was seen); None where the text does not say.
        evidence: what was read, left out and found, a line each.
    """

    tensors: Tensors
    activation: tuple[str, str] | None
    evidence: tuple[str, ...]


def read_scripted(file: TorchFile) -> Scripted:
    """The parameters and buffers of a scripted or traced module.

    Raises:
        UnsafeFileError: its pickle does not describe a module, or its tensors cannot be what they claim.
    """
    try:
        return _read(file)
    except CheckpointError as error:
        raise UnsafeFileError(
            f"{file.name} is a TorchScript archive with program code inside, as OpenAI published CLIP, and"
            f" cannot be read without running it ({str(error).rstrip('.')}); the same weights are on the hub,"
            " e.g. hf-hub:timm/vit_base_patch32_clip_224.openai."
        ) from None


def _read(file: TorchFile) -> Scripted:
    module = file.content
    attributes = _attributes(module)
    if attributes is None or file.archive is None:
        raise CheckpointError("its data.pkl does not describe a module.")
    program = _look_through(file.archive)
    found, left_out = _flatten(module, program.declared)
    said = _settings(attributes, file.storages)
    for key in said:
        found.pop(key, None)
    lines = ["TorchScript archive: tensors read as data, its program was not run"]
    if said:
        settings = ", ".join(f"{key} {value}" for key, value in said.items())
        lines.append(f"{settings}: said by the archive")
    if left_out:
        lines.append(f"{name_some(left_out)}: left out, neither parameter nor buffer of the program")
    if _is_causal_mask(found.get("attn_mask"), file.storages):
        del found["attn_mask"]
        lines.append("attn_mask: left out, the causal mask that every text tower makes itself")
    if not found:
        raise CheckpointError("its module has no parameters.")
    tensors = from_state_dict(dict(found), file.storages, file.name)
    return Scripted(tensors, _activation(program, file), tuple(lines))


def _attributes(value: object) -> dict[object, object] | None:
    """The attributes of a module of the program; None for anything else."""
    if isinstance(value, Call) and value.name.startswith("__torch__.") and isinstance(value.state, dict):
        return value.state
    return None


def _flatten(
    root: object, declared: Mapping[str, frozenset[str]]
) -> tuple[dict[str, StoredTensor], list[str]]:
    """The tensors of a module by dotted name, and the names of tensors that are plain attributes.

    A module may hold another one under two names, or itself, so the walk is bounded.
    """
    found: dict[str, StoredTensor] = {}
    left_out: list[str] = []
    waiting = [("", root, 0)]
    seen = characters = 0
    while waiting:
        prefix, module, depth = waiting.pop()
        listed = declared.get(module.name) if isinstance(module, Call) else None
        for name, value in (_attributes(module) or {}).items():
            seen += 1
            characters += len(prefix) + (len(name) if isinstance(name, str) else 0)
            if seen > MOST_ATTRIBUTES or characters > MOST_CHARACTERS or depth > DEEPEST:
                raise CheckpointError("its modules hold one another without end")
            if not isinstance(name, str):
                continue
            if _attributes(value) is not None:
                waiting.append((f"{prefix}{name}.", value, depth + 1))
            elif isinstance(value, StoredTensor) and (listed is None or name in listed):
                found[prefix + name] = value
            elif isinstance(value, StoredTensor):
                left_out.append(spoken(prefix + name))
    return found, left_out


@dataclass
class _Program:
    """What the program text shows.

    Args:
        declared: names of parameters and buffers by class ("__torch__.torch.nn.modules.linear.Linear").
            A class without both lists, as torch wrote it before 1.6, is left out: all its tensors count.
        has_factor: the factor of QuickGELU stands in it.
        calls_gelu: GELU is called by its name.
    """

    declared: dict[str, frozenset[str]] = field(default_factory=dict)
    has_factor: bool = False
    calls_gelu: bool = False


def _look_through(archive: Archive) -> _Program:
    program = _Program()
    for member, text in archive.texts():
        program.has_factor |= str(QUICKGELU_FACTOR).encode() in text
        program.calls_gelu |= b"gelu(" in text
        package = member.partition("code/")[2].removesuffix(".py").replace("/", ".")
        for found in _CLASS.finditer(text):
            lists = _LISTS.match(text, found.end())
            if lists:
                names = _QUOTED.findall(lists[1] + lists[2])
                name = f"{package}.{found[1].decode('utf-8', 'replace')}"
                program.declared[name] = frozenset(own.decode("utf-8", "replace") for own in names)
            if len(program.declared) > MOST_CLASSES:
                raise CheckpointError(f"its program has over {MOST_CLASSES} classes")
    return program


def _settings(attributes: Mapping[object, object], storages: Storages) -> dict[str, int]:
    """The numbers of OpenAI's archives that are no weights, from tensors or plain attributes."""
    said: dict[str, int] = {}
    for key in SETTINGS:
        value = attributes.get(key)
        if isinstance(value, StoredTensor):
            value = _number(value, storages)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if type(value) is int and abs(value) < 2**31:
            said[key] = value
    return said


def _number(stored: StoredTensor, storages: Storages) -> float | None:
    """The value of a tensor with one element."""
    if numel(stored) != 1 or storages.fault(stored):
        return None
    return storages.read(stored).item()


def _is_causal_mask(stored: StoredTensor | None, storages: Storages) -> bool:
    """True for the square [s, s] of zeros with -inf above its diagonal."""
    if stored is None or len(stored.size) != 2 or stored.size[0] != stored.size[1]:
        return False
    if stored.size[0] > LONGEST_CONTEXT or storages.fault(stored):
        return False
    mask = storages.read(stored).float()
    return torch.equal(mask, torch.full(tuple(mask.shape), -torch.inf).triu_(1))


def _activation(program: _Program, file: TorchFile) -> tuple[str, str] | None:
    """What program text and constants say: QuickGELU is x * sigmoid(1.702 x), GELU has a name."""
    quick = program.has_factor or _has_factor(file)
    if quick == program.calls_gelu:
        return None
    if program.calls_gelu:
        return "gelu", "from the program text of the archive, which calls gelu"
    if program.has_factor:
        return "quickgelu", f"from the program text of the archive, which holds {QUICKGELU_FACTOR}"
    return "quickgelu", f"from the constants of the archive, which hold {QUICKGELU_FACTOR}"


def _has_factor(file: TorchFile) -> bool:
    constants = file.constants
    if not isinstance(constants, (tuple, list)) or file.constant_storages is None:
        return False
    for value in constants[:MOST_CONSTANTS]:
        number = _number(value, file.constant_storages) if isinstance(value, StoredTensor) else value
        if isinstance(number, float) and abs(number - QUICKGELU_FACTOR) < _NEAR:
            return True
    return False
