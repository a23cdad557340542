"""Every opcode of pickle protocols 0 to 5 with its step on the inert machine, and the loop over them."""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from clipsan.checkpoint.torch_files.machine import Machine
from clipsan.checkpoint.torch_files.records import StoredStorage, spoken
from clipsan.checkpoint.torch_files.window import Window

MOST_STEPS = 2_000_000
LARGEST_PIECE = 16 << 20  # bytes of one text or integer


_Step = Callable[[Machine, Any], None]
_NUMBERS = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT")
_TEXTS = (
    "STRING",
    "BINSTRING",
    "SHORT_BINSTRING",
    "UNICODE",
    "SHORT_BINUNICODE",
    "BINUNICODE",
    "BINUNICODE8",
)
_BYTES = ("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8")
_STEPS: dict[str, _Step] = {
    "PROTO": Machine.protocol,
    "FRAME": lambda m, _: None,
    "STOP": Machine.stop,
    "MARK": Machine.mark,
    "POP": Machine.pop,
    "POP_MARK": lambda m, _: m.since_mark().clear(),
    "DUP": lambda m, _: m.push(m.stack[-1]),
    "NONE": lambda m, _: m.push(None),
    "NEWTRUE": lambda m, _: m.push(True),
    "NEWFALSE": lambda m, _: m.push(False),
    **dict.fromkeys(_NUMBERS, Machine.number),
    **dict.fromkeys((*_TEXTS, *_BYTES), Machine.text),
    "EMPTY_TUPLE": lambda m, _: m.push(()),
    "TUPLE1": lambda m, _: m.top_as_tuple(1),
    "TUPLE2": lambda m, _: m.top_as_tuple(2),
    "TUPLE3": lambda m, _: m.top_as_tuple(3),
    "TUPLE": lambda m, _: m.push(tuple(m.since_mark())),
    "EMPTY_LIST": lambda m, _: m.push([]),
    "LIST": lambda m, _: m.push(m.since_mark()),
    "EMPTY_SET": lambda m, _: m.push([]),
    "FROZENSET": lambda m, _: m.push(m.since_mark()),
    "APPEND": Machine.append,
    "APPENDS": Machine.appends,
    "ADDITEMS": Machine.appends,
    "EMPTY_DICT": lambda m, _: m.push({}),
    "DICT": Machine.make_dict,
    "SETITEM": Machine.set_item,
    "SETITEMS": Machine.set_items,
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), Machine.remember),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), Machine.recall),
    "GLOBAL": Machine.push_named,
    "STACK_GLOBAL": Machine.push_named_on_stack,
    **dict.fromkeys(("EXT1", "EXT2", "EXT4"), Machine.push_extension),
    "REDUCE": Machine.call,
    "NEWOBJ": Machine.call,
    "NEWOBJ_EX": Machine.call_with_keywords,
    "OBJ": Machine.call_since_mark,
    "INST": Machine.call_named,
    "BUILD": Machine.build,
    "PERSID": Machine.refer_by_text,
    "BINPERSID": Machine.refer,
    "NEXT_BUFFER": Machine.refuse_buffer,
    "READONLY_BUFFER": Machine.refuse_buffer,
}


@dataclass(frozen=True)
class Pickled:
    """What one pickle describes.

    Args:
        value: plain data and records; None where there is a problem.
        names: exact "module.name" of every global, also of those in front of a damaged place.
        storages: the runs of numbers that it refers to, by their key; the first of each key.
        problem: why the pickle could not be read to its end.
        steps: opcodes taken.
    """

    value: object
    names: frozenset[str]
    storages: dict[str, StoredStorage]
    problem: str | None
    steps: int


def unpickle(window: Window, most_steps: int = MOST_STEPS) -> Pickled:
    """Read one pickle as data; the window is left behind its last byte."""
    machine = Machine()
    steps = 0
    problem = None
    try:
        for opcode, argument, _ in pickletools.genops(window):  # type: ignore[arg-type]
            steps += 1
            if steps > most_steps:
                problem = f"its pickle has over {most_steps} steps, too many for a model"
                break
            _STEPS[opcode.name](machine, argument)
    except LookupError:
        problem = "a step that needs more than the stack holds"
    except (ValueError, TypeError, OverflowError, MemoryError) as error:
        problem = spoken(str(error)) or type(error).__name__
    value = None if problem else machine.result
    return Pickled(value, frozenset(machine.globals), machine.storages, problem, steps)
