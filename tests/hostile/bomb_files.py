"""The files that pickle programs are carried in: bare, in torch's zip, in its older form, beside weights."""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Callable
from pathlib import Path

from hostile.entry import Entry, Maker
from hostile.harmless import saved, tensor_steps, tiny, torch_members, write_zip
from hostile.opcodes import call, listed, mapping, named, number, program, several, state_dict, storage, text
from hostile.pickle_bombs import EXEC, Bomb, Touches, python
from hostile.pickle_calls import CALLS
from hostile.pickle_tricks import TRICKS


def _bare(bomb: Bomb) -> Maker:
    """The program alone, as a file."""

    def make(folder: Path, canary: Path) -> Path:
        path = folder / "model.bin"
        body = bomb.step(folder, canary)
        path.write_bytes(program(body, protocol=bomb.protocol) if bomb.protocol > 1 else body + pickle.STOP)
        return path

    return make


def _among_weights(bomb: Bomb) -> Maker:
    """A state dict of torch's zip, whole and true, with the program as one more value."""

    def make(folder: Path, canary: Path) -> Path:
        steps = tensor_steps() | {"logit_bias": bomb.step(folder, canary)}
        pickled = program(state_dict(steps), protocol=max(bomb.protocol, 2))
        return write_zip(folder / "model.pt", torch_members(pickled))

    return make


def exec_step(canary: Path) -> bytes:
    return call(named("builtins", "exec"), text(python(canary)))


def _file(name: str, content: Callable[[Path], bytes]) -> Maker:
    """`content` has the canary's path."""

    def make(folder: Path, canary: Path) -> Path:
        (folder / name).write_bytes(content(canary))
        return folder / name

    return make


def _training(canary: Path) -> bytes:
    settings = argparse.Namespace(lr=1e-5, seed=Touches(canary))
    return saved({"epoch": 3, "state_dict": dict(tiny().state), "args": settings})


def _legacy(canary: Path, place: int) -> bytes:
    """Before torch 1.6: magic number, protocol, system, object, storage keys; the bomb in one of them."""
    pickles: list[object] = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, {}, []]
    pickles[place] = Touches(canary)
    return b"".join(pickle.dumps(part, protocol=2) for part in pickles)


def _persistent_id(folder: Path, canary: Path) -> Path:
    steps = tensor_steps()
    stored = several(text("storage"), exec_step(canary), text("0"), text("cpu"), number(1)) + pickle.BINPERSID
    return write_zip(folder / "model.pt", torch_members(program(state_dict(steps | {"logit_bias": stored}))))


def _device(folder: Path, canary: Path) -> Path:
    stored = storage("0", 1, device=exec_step(canary))
    return write_zip(folder / "model.pt", torch_members(program(state_dict({"logit_scale": stored}))))


def _beside(name: str) -> Maker:
    """A whole and true torch zip with one more pickle in it."""

    def make(folder: Path, canary: Path) -> Path:
        return write_zip(folder / "model.pt", torch_members() | {name: program(exec_step(canary))})

    return make


def _as_key(canary: Path) -> bytes:
    return program(mapping((exec_step(canary), text("value"))))


def _damaged(canary: Path) -> bytes:
    return program(listed(exec_step(canary)))[:-1] + b"\xff\xff" + b"0" * 100


def _cut(canary: Path) -> bytes:
    return program(exec_step(canary))[:-1]


SOME_CALLS = dict(list(CALLS.items())[:3])  # the name called changes nothing about the file around it
ENTRIES = (
    *(Entry(f"bare pickle: {name}", _bare(bomb), bomb.finds, "legacy torch file", "pickle")
      for name, bomb in (CALLS | TRICKS).items()),
    *(Entry(f"torch zip: {name}", _among_weights(bomb), bomb.finds, "torch zip", "torch")
      for name, bomb in (SOME_CALLS | TRICKS).items()),
    Entry("in a Namespace of a training file", _file("model.pt", _training), EXEC, "torch zip", "torch"),
    Entry("in a persistent id", _persistent_id, EXEC, "torch zip", "torch"),
    Entry("in the device of a storage", _device, EXEC, "torch zip", "torch"),
    Entry("as a key", _file("model.pth", _as_key), EXEC, "legacy torch file", "pickle"),
    *(Entry(f"in pickle {place} of a legacy file", _file("model.pth", lambda c, p=place: _legacy(c, p)), EXEC,
            "legacy torch file", "torch") for place in (1, 2, 3, 4)),
    Entry("with damage behind it", _file("model.pkl", _damaged), EXEC, "legacy torch file", "pickle"),
    Entry("cut before its end", _file("model.ckpt", _cut), EXEC, "legacy torch file", "pickle"),
    Entry("extra pickle in the zip", _beside("extra.pkl"), EXEC, "torch zip", "member"),
    Entry("pickle posing as a tensor's bytes", _beside("data/999"), "", "torch zip", "member", loads=True),
    Entry("safetensors by its name only", _file("model.safetensors", lambda c: program(exec_step(c))), EXEC,
          "legacy torch file", "pickle"),
)  # fmt: skip
