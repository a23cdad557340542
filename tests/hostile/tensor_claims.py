"""Torch zips whose tensors claim what their storages do not hold.

All but one tensor, `visual.proj` of 128 x 24 numbers, are whole and true.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

from hostile.entry import SECRET, Entry, Maker
from hostile.harmless import tensor_steps, tiny, torch_members, write_zip
from hostile.opcodes import call, named, number, one_pair, program, several, state_dict, storage, tensor, text

KEY = "visual.proj"
SIZE = (128, 24)
NUMEL = 128 * 24
NAMED = r"visual\.proj"

Step = Callable[[str], bytes]  # from the key of the tensor's own storage


def own_storage() -> str:
    return str(list(tiny().state).index(KEY))


def _one(step: Step, members: Callable[[dict[str, bytes]], None] | None = None) -> Maker:
    """A torch zip with `step` for the one tensor, and its members changed in place by `members`."""

    def make(folder: Path, canary: Path) -> Path:
        steps = tensor_steps() | {KEY: step(own_storage())}
        written = torch_members(program(state_dict(steps)))
        if members is not None:
            members(written)
        return write_zip(folder / "model.pt", written)

    return make


def _claim(size: tuple[int, ...], stride: tuple[int, ...] | None = None, offset: int = 0) -> Maker:
    return _one(lambda key: tensor(storage(key, NUMEL), size, stride, offset))


def _true(key: str) -> bytes:
    return tensor(storage(key, NUMEL), SIZE)


def _from_storage(stored: Callable[[str], bytes]) -> Maker:
    return _one(lambda key: tensor(stored(key), SIZE))


def _shortened(members: dict[str, bytes]) -> None:
    members[f"data/{own_storage()}"] = members[f"data/{own_storage()}"][: NUMEL * 2]


def _removed(members: dict[str, bytes]) -> None:
    del members[f"data/{own_storage()}"]


def _elsewhere(key: str) -> Maker:
    """The storage lies in a file outside the archive, which is really there."""

    def make(folder: Path, canary: Path) -> Path:
        (folder / "private").write_bytes(SECRET.encode() * 500)
        wanted = str(folder / "private") if key == "absolute" else key
        return _from_storage(lambda own: storage(wanted, NUMEL))(folder, canary)

    return make


def _persistent_id(*parts: bytes) -> Maker:
    return _from_storage(lambda key: several(*parts) + pickle.BINPERSID)


def _size_of_list(key: str) -> bytes:
    """A size that is no tuple of counts."""
    return call(
        named("torch._utils", "_rebuild_tensor_v2"), storage(key, NUMEL), number(0), text("128"), text("24"),
        pickle.NEWFALSE, pickle.EMPTY_DICT,
    )  # fmt: skip


def _many_of_one_storage(folder: Path, canary: Path) -> Path:
    """Five thousand tensors over one storage: small on disk, 15 GB when each is copied."""
    size = (49408, 16)
    steps = tensor_steps()
    place = list(tiny().state).index("token_embedding.weight")
    again = storage(str(place), size[0] * size[1])
    steps |= {f"copy.{n}": tensor(again, size) for n in range(5000)}
    return write_zip(folder / "model.pt", torch_members(program(state_dict(steps))))


def _hooks(key: str) -> bytes:
    """A tensor whose hooks are not empty."""
    hooks = one_pair(number(0), named("torch._utils", "_rebuild_tensor_v2"))
    return call(
        named("torch._utils", "_rebuild_tensor_v2"), storage(key, NUMEL), number(0),
        several(number(128), number(24)), several(number(24), number(1)), pickle.NEWFALSE, hooks,
    )  # fmt: skip


CASES: dict[str, tuple[Maker, str]] = {
    "stride 0, 4 TB": (_claim((10**6, 10**6), (0, 0)), NAMED + "|claim"),
    "stride beyond its storage": (_claim(SIZE, (10**9, 1)), NAMED),
    "stride negative": (_claim(SIZE, (-24, 1), NUMEL - 24), NAMED),
    "stride missing": (_claim(SIZE, (1,)), NAMED),
    "offset negative": (_claim(SIZE, None, -8), NAMED),
    "offset beyond its storage": (_claim(SIZE, None, NUMEL), NAMED),
    "offset of 2^63": (_claim(SIZE, None, 1 << 63), NAMED),
    "size negative": (_claim((-128, -24), (24, 1)), NAMED),
    "size of 2^64": (_claim((1 << 64, 24), (0, 1)), NAMED),
    "sizes whose product passes 2^63": (_claim((1 << 32, 1 << 32), (0, 0)), NAMED),
    "sizes whose product is 0 modulo 2^64": (_claim((1 << 32, 1 << 32, 1), (0, 0, 0)), NAMED),
    "size of text": (_one(_size_of_list), NAMED),
    "size of 100 000 sides": (_claim((1,) * 100_000), NAMED + "|steps"),
    "storage larger than its member": (_from_storage(lambda key: storage(key, 1 << 40)), NAMED),
    "storage of -1 numbers": (_from_storage(lambda key: storage(key, -1)), NAMED),
    "storage of no known kind": (
        _from_storage(lambda key: storage(key, NUMEL, named("torch", "QInt8Storage"))), NAMED),
    "storage that is a dict": (
        _from_storage(lambda key: storage(key, NUMEL, named("collections", "OrderedDict"))),
        NAMED),
    "storage of another folder": (_elsewhere("../../private"), NAMED),
    "storage at an absolute path": (_elsewhere("absolute"), NAMED),
    "member missing": (_one(_true, _removed), NAMED),
    "member short": (_one(_true, _shortened), NAMED),
    "persistent id of another kind": (_persistent_id(text("module"), text("x")), NAMED),
    "persistent id that is short": (_persistent_id(text("storage")), NAMED),
    "five thousand tensors of one storage": (_many_of_one_storage, "claim|steps"),
}  # fmt: skip

ENTRIES = tuple(Entry(f"tensor: {name}", make, finds, "torch zip") for name, (make, finds) in CASES.items())
ENTRIES += (Entry("tensor: hooks", _one(_hooks), "", "torch zip", loads=True),)
