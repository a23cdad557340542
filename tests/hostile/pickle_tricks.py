"""Pickles that hide what they call: behind other calls, on the stack, in the memo, behind rare opcodes."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy
from hostile.entry import EXTENSION
from hostile.opcodes import NONE, built, call, listed, mapping, named, raw, several, text
from hostile.pickle_bombs import EXEC, Bomb, Touches, python, shell


def _partial(folder: Path, canary: Path) -> bytes:
    return call(call(named("functools", "partial"), named("builtins", "exec"), text(python(canary))))


def _operators(folder: Path, canary: Path) -> bytes:
    caller = call(named("operator", "methodcaller"), text("system"), text(shell(canary)))
    return call(caller, call(named("importlib", "import_module"), text("os")))


def _getattr(folder: Path, canary: Path) -> bytes:
    module = call(named("importlib", "import_module"), text("os"))
    return call(call(named("builtins", "getattr"), module, text("system")), text(shell(canary)))


def _stack_global(folder: Path, canary: Path) -> bytes:
    return call(text("os") + text("system") + pickle.STACK_GLOBAL, text(shell(canary)))


def _names_from_bytes(folder: Path, canary: Path) -> bytes:
    """Its names are made while it runs, so no text of them is in the file."""
    decoded = [call(named("_codecs", "decode"), raw(part)) for part in (b"os", b"system")]
    return call(b"".join(decoded) + pickle.STACK_GLOBAL, text(shell(canary)))


def _names_from_memo(folder: Path, canary: Path) -> bytes:
    """The texts before STACK_GLOBAL are harmless; those it takes come from the memo."""
    kept = [text(name) + pickle.BINPUT + bytes([place]) for place, name in enumerate(("os", "system"))]
    posing = text("collections") + text("OrderedDict") + pickle.POP * 4
    taken = pickle.BINGET + b"\0" + pickle.BINGET + b"\1"
    return call(b"".join(kept) + posing + taken + pickle.STACK_GLOBAL, text(shell(canary)))


def _popped(folder: Path, canary: Path) -> bytes:
    """The last texts pushed name something harmless, but are popped again."""
    posing = text("collections") + text("OrderedDict") + pickle.POP * 2
    return call(text("os") + text("system") + posing + pickle.STACK_GLOBAL, text(shell(canary)))


def _popped_to_mark(folder: Path, canary: Path) -> bytes:
    posing = pickle.MARK + text("collections") + text("OrderedDict") + pickle.POP_MARK
    return call(text("os") + text("system") + posing + pickle.STACK_GLOBAL, text(shell(canary)))


def _dotted(folder: Path, canary: Path) -> bytes:
    """From protocol 4 on a name may walk through attributes: the module is allowed, what it holds is not."""
    return call(named("argparse", "_os.system"), text(shell(canary)))


def _inst(folder: Path, canary: Path) -> bytes:
    return pickle.MARK + text(shell(canary)) + pickle.INST + b"os\nsystem\n"


def _obj(folder: Path, canary: Path) -> bytes:
    return pickle.MARK + named("os", "system") + text(shell(canary)) + pickle.OBJ


def _newobj(folder: Path, canary: Path) -> bytes:
    """`map.__new__` waits; `frozenset.__new__` makes it run."""
    mapped = named("builtins", "map") + several(named("os", "system"), listed(text(shell(canary))))
    return named("builtins", "frozenset") + several(mapped + pickle.NEWOBJ) + pickle.NEWOBJ


def _extension(folder: Path, canary: Path) -> bytes:
    return call(pickle.EXT1 + bytes([EXTENSION]), text(shell(canary)))


def _setstate(folder: Path, canary: Path) -> bytes:
    """An instance given a __setstate__ by its first state, which its second state then calls."""
    instance = call(named("argparse", "Namespace"))
    armed = built(instance, mapping((text("__setstate__"), named("os", "system"))))
    return built(armed, text(shell(canary)))


def _rebuilt_type(folder: Path, canary: Path) -> bytes:
    """torch's own builder that calls what it is given, which torch counts as harmless."""
    return call(
        named("torch._tensor", "_rebuild_from_type_v2"), named("builtins", "exec"),
        named("torch", "Tensor"), several(text(python(canary))), NONE,
    )  # fmt: skip


def _in_set(folder: Path, canary: Path) -> bytes:
    return (
        pickle.EMPTY_SET
        + pickle.MARK
        + call(named("subprocess", "Popen"), listed(text("touch"), text(str(canary))))
        + pickle.ADDITEMS
    )


def _numpy_objects(folder: Path, canary: Path) -> bytes:
    """An array of Python objects, as numpy pickles it."""
    whole = pickle.dumps(numpy.array([Touches(canary)], dtype=object), protocol=2)
    return whole[2:-1]  # without PROTO and STOP: a step


TRICKS: dict[str, Bomb] = {
    "numpy objects": Bomb(_numpy_objects, EXEC),
    "torch's type builder": Bomb(_rebuilt_type, r"builtins\.exec"),
    "functools.partial": Bomb(_partial, r"functools\.partial"),
    "operator chain": Bomb(_operators, r"operator\.methodcaller"),
    "getattr chain": Bomb(_getattr, r"builtins\.getattr"),
    "STACK_GLOBAL": Bomb(_stack_global, r"\bos\.system", 4),
    "names from bytes": Bomb(_names_from_bytes, r"_codecs\.decode", 4),
    "names from the memo": Bomb(_names_from_memo, r"\bos\.system", 4),
    "posing, popped": Bomb(_popped, r"\bos\.system", 4),
    "posing, popped to the mark": Bomb(_popped_to_mark, r"\bos\.system", 4),
    "dotted name through an allowed module": Bomb(_dotted, r"argparse\._os\.system", 4),
    "INST": Bomb(_inst, r"\bos\.system", 0),
    "OBJ": Bomb(_obj, r"\bos\.system", 1),
    "NEWOBJ": Bomb(_newobj, r"\bos\.system"),
    "EXT": Bomb(_extension, r"(?i)extension"),
    "BUILD with __setstate__": Bomb(_setstate, r"\bos\.system"),
    "in a set": Bomb(_in_set, r"subprocess\.Popen", 4),
}
