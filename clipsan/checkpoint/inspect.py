"""What a checkpoint is, without building it and without reading anything unsafe.

Code in a file and a backdoor in its weights are different things: this looks for the first only.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipsan.checkpoint.architecture import Architecture, settle
from clipsan.checkpoint.formats import Weights, recognise, weight_files
from clipsan.checkpoint.load import Located, locate, read_located
from clipsan.checkpoint.opened import Opened, files_digest, open_path
from clipsan.checkpoint.skeleton import check_fit
from clipsan.checkpoint.suspect import image_size_of
from clipsan.checkpoint.tensors import dtype_name
from clipsan.checkpoint.tokenizers import (
    TOKENIZER_NAME,
    check_vocabulary,
    make_tokenizer,
    tokenizer_files,
)
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
    candidates: tuple[str, ...]  # where several ways to build the model fit alike: each of them
    evidence: tuple[str, ...]
    metadata: dict[str, str]
    unsafe: tuple[str, ...]  # globals of its pickle that could run code, and archive members with code
    loadable: bool  # clipsan recognises its format and architecture and found nothing unsafe
    problem: str | None  # the sentence that `load` would refuse it with, as far as seen from outside

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form: tuples become lists."""
        plain = dataclasses.asdict(self)
        return {key: list(value) if isinstance(value, tuple) else value for key, value in plain.items()}


def inspect(source: str | Path, *, text_from: str | Path | None = None) -> Inspection:
    """Look at a checkpoint from outside: headers, opcodes and shapes.

    Args:
        source: as for `load`; a hub repository is downloaded into the hub's cache.
        text_from: as for `load`; needed only to see the whole model of an image tower alone.

    Raises:
        CheckpointError: nothing is there, or the file is damaged.
    """
    located = locate(source)
    opened = open_path(located.path)
    files = weight_files(opened)
    unsafe = tuple(found for file in files for found in _unsafe(file))
    name, weights, plan, problem = _read_shapes(located, opened, files, unsafe, text_from)
    evidence = (*located.evidence, *(weights.evidence if weights else ()), *(plan.evidence if plan else ()))
    infos = weights.tensors.infos if weights else None
    dtypes: Counter[str] = Counter()
    for info in (infos or {}).values():
        dtypes[dtype_name(info.dtype)] += info.numel
    paths = [file.path for file in files]
    return Inspection(
        source=str(source),
        format=name if located.revision is None else f"hub repository ({name})",
        path=str(weights.path if weights else paths[0] if paths else opened.path),
        size=sum(path.stat().st_size for path in paths),
        sha256=files_digest(paths) if paths else "",
        revision=located.revision,
        tensors=None if infos is None else len(infos),
        parameters=None if infos is None else sum(info.numel for info in infos.values()),
        dtypes=dict(sorted(dtypes.items())),
        architecture=plan.name if plan else None,
        image_size=image_size_of(plan.model_cfg) if plan else None,
        context_length=int(plan.model_cfg["text_cfg"].get("context_length", 77)) if plan else None,
        activation=plan.activation if plan else None,
        activation_reason=next((e for e in evidence if e.startswith("activation ")), "not known"),
        candidates=tuple(candidate.label for candidate in plan.candidates) if plan else (),
        evidence=evidence,
        metadata=weights.metadata if weights else {},
        unsafe=unsafe,
        loadable=problem is None,
        problem=problem,
    )


def _check_tokenizer(plan: Architecture, weights: Weights) -> None:
    """Try the tokenizer that lies beside the weights; one that is elsewhere is not asked for."""
    where, folder = weights.path.name, weights.path.parent
    check_vocabulary(plan.model_cfg, where)
    if (folder / TOKENIZER_NAME).is_file() and plan.model_cfg["text_cfg"].get("hf_tokenizer_name"):
        make_tokenizer(plan.model_cfg, where, tokenizer_files(plan.model_cfg, folder, where)[0])


def _unsafe(file: Opened) -> tuple[str, ...]:
    if file.kind not in ("torch", "TorchScript"):
        return ()
    found = file.look.scan()
    return (*found.unsafe, *found.code)


def _read_shapes(
    located: Located,
    opened: Opened,
    files: Sequence[Opened],
    unsafe: tuple[str, ...],
    text_from: str | Path | None,
) -> tuple[str, Weights | None, Architecture | None, str | None]:
    """(format, weights, architecture, problem), as far as each can be told safely."""
    dangerous = next((file for file in files if file.kind == "torch" and unsafe), None)
    if dangerous is not None:
        sentence = f"{dangerous.path.name} holds a pickle that could run code, so it is not read."
        return "pickle with code", None, None, sentence
    name = "unknown"
    weights = plan = None
    try:
        for file in files:
            if file.kind == "safetensors":
                _ = file.header  # damaged headers are this command's own error, not a remark
        name = recognise(opened).name
        weights = read_located(located, text_from)
        plan = settle(weights.tensors.infos, weights.config, weights.path.name, said=weights.activation)
        check_fit(plan.model_cfg, weights.tensors.infos, weights.path.name)
        _check_tokenizer(plan, weights)
    except CheckpointError as error:
        if name == "unknown":
            raise
        return name, weights, plan, str(error)
    return name, weights, plan, None
