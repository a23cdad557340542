"""What a checkpoint is, without building it and without reading anything unsafe.

Code in a file and a backdoor in its weights are different things: this looks for the first only.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipsan.checkpoint.architecture import Architecture, settle
from clipsan.checkpoint.build import check_vocabulary
from clipsan.checkpoint.config import CONFIG_NAME
from clipsan.checkpoint.formats import Weights, read, recognise, weights_file
from clipsan.checkpoint.load import locate
from clipsan.checkpoint.opened import Opened, file_digest, open_path
from clipsan.checkpoint.pickles import scan
from clipsan.checkpoint.suspect import image_size_of
from clipsan.checkpoint.tensors import dtype_name
from clipsan.errors import CheckpointError


@dataclass(frozen=True)
class Inspection:
    """What can be said of a checkpoint. A field is None where it cannot be known without running code."""

    source: str
    format: str
    path: str  # the weights file
    size: int  # bytes
    sha256: str
    revision: str | None
    tensors: int | None
    parameters: int | None
    dtypes: dict[str, int]  # dtype -> elements
    architecture: str | None
    image_size: tuple[int, int] | None  # height, width
    context_length: int | None
    activation: str | None  # "gelu" or "quickgelu"; None where the file does not say
    activation_reason: str
    evidence: tuple[str, ...]
    metadata: dict[str, str]
    unsafe: tuple[str, ...]  # globals of its pickle that could run code, and archive members with code
    loadable: bool  # clipsan recognises its format and architecture and found nothing unsafe
    problem: str | None  # the sentence that `load` would refuse it with, as far as seen from outside

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form: tuples become lists."""
        plain = dataclasses.asdict(self)
        return {key: list(value) if isinstance(value, tuple) else value for key, value in plain.items()}


def inspect(source: str | Path) -> Inspection:
    """Look at a checkpoint from outside: headers, opcodes and shapes.

    Args:
        source: as for `load`; a hub repository is downloaded into the hub's cache.

    Raises:
        CheckpointError: nothing is there, or the file is damaged.
    """
    located = locate(source)
    opened = open_path(located.path)
    file = opened
    if opened.kind == "folder" and CONFIG_NAME in opened.names:
        file = open_path(weights_file(opened.path, opened.names))
    unsafe = _unsafe(file)
    name, weights, plan, problem = _read_shapes(opened, file, unsafe)
    settled = plan is not None and plan.activation_settled
    evidence = (*located.evidence, *(weights.evidence if weights else ()), *(plan.evidence if plan else ()))
    infos = weights.tensors.infos if weights else None
    dtypes: Counter[str] = Counter()
    for info in (infos or {}).values():
        dtypes[dtype_name(info.dtype)] += info.numel
    is_file = file.kind != "folder"
    return Inspection(
        source=str(source),
        format=name if located.revision is None else f"hub repository ({name})",
        path=str(file.path),
        size=file.path.stat().st_size if is_file else 0,
        sha256=file_digest(file.path) if is_file else "",
        revision=located.revision,
        tensors=None if infos is None else len(infos),
        parameters=None if infos is None else sum(info.numel for info in infos.values()),
        dtypes=dict(sorted(dtypes.items())),
        architecture=plan.name if plan else None,
        image_size=image_size_of(plan.model_cfg) if plan else None,
        context_length=int(plan.model_cfg["text_cfg"].get("context_length", 77)) if plan else None,
        activation=_activation(plan) if settled else None,
        activation_reason=next((e for e in evidence if e.startswith("activation ")), "not known"),
        evidence=evidence,
        metadata=weights.metadata if weights else {},
        unsafe=unsafe,
        loadable=problem is None,
        problem=problem,
    )


def _unsafe(file: Opened) -> tuple[str, ...]:
    if file.kind not in ("torch", "TorchScript"):
        return ()
    found = scan(file.path)
    return (*found.unsafe, *found.code)


def _read_shapes(
    opened: Opened, file: Opened, unsafe: tuple[str, ...]
) -> tuple[str, Weights | None, Architecture | None, str | None]:
    """(format, weights, architecture, problem), as far as each can be told safely."""
    if file.kind == "torch" and unsafe:
        sentence = f"{file.path.name} holds a pickle that could run code, so it is not read."
        return "pickle with code", None, None, sentence
    name = "unknown"
    weights = plan = None
    try:
        if file.kind == "safetensors":
            _ = file.header  # damaged headers are this command's own error, not a remark
        name = recognise(opened).name
        weights = read(opened.path)
        plan = settle(weights.tensors.infos, weights.config, weights.path.name)
        check_vocabulary(plan.model_cfg, weights.path.name)
    except CheckpointError as error:
        if name == "unknown":
            raise
        return name, weights, plan, str(error)
    return name, weights, plan, None


def _activation(plan: Architecture | None) -> str | None:
    if plan is None:
        return None
    return "quickgelu" if plan.model_cfg.get("quick_gelu") else "gelu"
