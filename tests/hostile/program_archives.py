"""TorchScript archives and packages: programs with tensors in them, whose text is never run."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hostile.bomb_files import exec_step
from hostile.entry import Entry, Maker
from hostile.harmless import PROGRAM, scripted_members, scripted_module, tensor_steps, write_zip
from hostile.opcodes import NO_TUPLE, built, mapping, named, one_pair, program, text
from hostile.pickle_bombs import EXEC, python

Members = Callable[[Path], Mapping[str, bytes]]  # from the canary's path


def _archive(members: Members) -> Maker:
    """The harmless TorchScript archive with members replaced and more of them."""

    def make(folder: Path, canary: Path) -> Path:
        return write_zip(folder / "model.pt", scripted_members() | dict(members(canary)))

    return make


def _packed(name: str, content: Callable[[], bytes]) -> Maker:
    """The harmless TorchScript archive with one member compressed, as torch does with program text only."""

    def make(folder: Path, canary: Path) -> Path:
        members = scripted_members()
        members.pop(name)
        path = write_zip(folder / "model.pt", members)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(zipfile.ZipInfo(f"model/{name}"), content(), zipfile.ZIP_DEFLATED)
        return path

    return make


def _bomb_then(step: bytes, canary: Path) -> bytes:
    """A pickle that runs code, drops what that gave, and goes on as if nothing was."""
    return program(exec_step(canary), pickle.POP, step)


def _module(state: bytes, kind: str = "CLIP") -> bytes:
    return built(named("__torch__.clip", kind) + NO_TUPLE + pickle.NEWOBJ, state)


def _python(canary: Path) -> dict[str, bytes]:
    """The CLIP's own tensors, and Python in place of the program: what a program says is nobody's concern."""
    return {PROGRAM: python(canary).encode()}


def _no_clip(canary: Path) -> dict[str, bytes]:
    """Python in place of the program, and no CLIP in the tensors."""
    keys = {"weight": next(iter(tensor_steps().values()))}
    return {"data.pkl": program(scripted_module(keys)), PROGRAM: python(canary).encode()}


def _foreign_class(canary: Path) -> dict[str, bytes]:
    """An object of a class in C++ that sets its own state."""
    made = named("__torch__.torch.classes.quantized", "LinearPackedParamsBase") + NO_TUPLE + pickle.NEWOBJ
    return {"data.pkl": program(_module(one_pair(text("visual"), built(made, text(python(canary))))))}


def _holds_itself(canary: Path) -> dict[str, bytes]:
    start = named("__torch__.clip", "CLIP") + NO_TUPLE + pickle.NEWOBJ + pickle.BINPUT + b"\1"
    return {"data.pkl": program(built(start, one_pair(text("visual"), pickle.BINGET + b"\1")))}


def _holds_others(canary: Path) -> dict[str, bytes]:
    """Each module holds the next under ten names: 10^30 dotted names in two kilobytes."""
    step = _module(one_pair(text("w"), next(iter(tensor_steps().values()))))
    for level in range(30):
        names = [(text("abcdefghij"[n]), pickle.BINGET + bytes([level])) for n in range(1, 10)]
        first = (text("a"), step + pickle.BINPUT + bytes([level]))
        step = _module(mapping(first, *names))
    return {"data.pkl": program(step)}


def _package(folder: Path, canary: Path) -> Path:
    """torch.package: Python sources that its importer runs."""
    members = {
        ".data/version": b"6", ".data/python_version": b"3.11.7", ".data/extern_modules": b"sys\n",
        "model/model.pkl": program(named("planted", "Model")), "planted.py": python(canary).encode(),
    }  # fmt: skip
    return write_zip(folder / "model.pt", members)


def _old(folder: Path, canary: Path) -> Path:
    """TorchScript of 2019: a model.json instead of a pickle."""
    return write_zip(
        folder / "model.pt", {"model.json": b"{}", "tensors/0": bytes(64), "code/clip.py": b"op_version = 1"}
    )


CASES: dict[str, tuple[Maker, str, Any]] = {
    "bomb in data.pkl": (
        _archive(lambda c: {"data.pkl": _bomb_then(scripted_module(tensor_steps()), c)}), EXEC, "member"),
    "bomb in constants.pkl": (
        _archive(lambda c: {"constants.pkl": _bomb_then(NO_TUPLE, c)}), EXEC, "member"),
    "bomb in a further pickle": (_archive(lambda c: {"extra/a.pkl": program(exec_step(c))}), EXEC, "member"),
    "Python as its program, no CLIP": (_archive(_no_clip), "does not hold a CLIP|code/__torch__", "module"),
    "object of a foreign class": (_archive(_foreign_class), "torch.classes|quantized|CLIP|module", None),
    "module that holds itself": (_archive(_holds_itself), "without end", None),
    "modules that hold each other": (_archive(_holds_others), "without end", None),
    "program of 40 MB": (_packed(PROGRAM, lambda: b"#" * (40 << 20)), "program text", None),
    "compressed pickle": (_packed("data.pkl", lambda: scripted_members()["data.pkl"]), "compressed", None),
    "torch.package": (_package, r"planted\.Model", "module"),
    "TorchScript of 2019": (_old, r"data\.pkl|model\.json", None),
}  # fmt: skip

ENTRIES = tuple(
    Entry(f"TorchScript: {name}", make, finds, "TorchScript", live)
    for name, (make, finds, live) in CASES.items()
)
ENTRIES += (
    Entry("TorchScript: Python as its program", _archive(_python), "", "TorchScript", "module", loads=True),
    Entry(
        "TorchScript: bomb as a constant's numbers",
        _archive(lambda canary: {"constants/0": program(exec_step(canary))}),
        "", "TorchScript", "member", loads=True,
    ),
)  # fmt: skip
