"""Pickles that call by its name something that runs code, one library after the other."""

from __future__ import annotations

import marshal
import pickle
from pathlib import Path

from hostile.entry import PLANTED, plant_module
from hostile.opcodes import NONE, built, call, listed, mapping, named, program, raw, several, text
from hostile.pickle_bombs import Bomb, python, python_call, shell_call


def _popen(folder: Path, canary: Path) -> bytes:
    return call(named("subprocess", "Popen"), listed(text("touch"), text(str(canary))))


def _open(folder: Path, canary: Path) -> bytes:
    return call(named("io", "open"), text(str(canary)), text("w"))


def _timeit(folder: Path, canary: Path) -> bytes:
    return call(named("timeit", "timeit"), text("pass"), text(python(canary)))


def _browser(folder: Path, canary: Path) -> bytes:
    return call(named("webbrowser", "open"), text(str(canary)))


def _import_builtin(folder: Path, canary: Path) -> bytes:
    plant_module(folder, canary)
    return call(named("builtins", "__import__"), text(PLANTED))


def _import_module(folder: Path, canary: Path) -> bytes:
    plant_module(folder, canary)
    return call(named("importlib", "import_module"), text(PLANTED))


def _global_alone(folder: Path, canary: Path) -> bytes:
    plant_module(folder, canary)
    return named(PLANTED, "weights")  # never called: naming it imports the module


def _run_path(folder: Path, canary: Path) -> bytes:
    return call(named("runpy", "run_path"), text(str(plant_module(folder, canary))))


def _torch_hub(folder: Path, canary: Path) -> bytes:
    plant_module(folder, canary).rename(folder / "hubconf.py")
    local = built(
        call(named("functools", "partial"), named("torch.hub", "load")),
        several(named("torch.hub", "load"), several(), mapping((text("source"), text("local"))), NONE),
    )
    return call(local, text(str(folder)), text("model"))


def _torch_load(folder: Path, canary: Path) -> bytes:
    inner = folder / "inner.bin"
    inner.write_bytes(program(python_call("builtins", "exec")(folder, canary)))
    return (
        call(named("functools", "partial"), named("torch", "load"))
        + several(  # partial's state, to say weights_only=False
            named("torch", "load"), several(), mapping((text("weights_only"), pickle.NEWFALSE)), NONE
        )
        + pickle.BUILD
        + several(text(str(inner)))
        + pickle.REDUCE
    )


def _load_from_bytes(folder: Path, canary: Path) -> bytes:
    """What plain pickles of tensors call: it loads the bytes with everything allowed."""
    magic = [pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {})]
    inner = b"".join(magic) + program(python_call("builtins", "exec")(folder, canary))
    return call(named("torch.storage", "_load_from_bytes"), raw(inner))


def _loads(folder: Path, canary: Path) -> bytes:
    return call(named("pickle", "loads"), raw(program(python_call("builtins", "exec")(folder, canary))))


def _marshal(folder: Path, canary: Path) -> bytes:
    code = marshal.dumps(compile(python(canary), "weights", "exec"))
    builtins = mapping((text("__builtins__"), call(named("builtins", "__import__"), text("builtins"))))
    return call(call(named("types", "FunctionType"), call(named("marshal", "loads"), raw(code)), builtins))


CALLS: dict[str, Bomb] = {
    "os.system": Bomb(shell_call("os", "system"), r"\bos\.system"),
    "posix.system": Bomb(shell_call("posix", "system"), r"posix\.system"),
    "subprocess.Popen": Bomb(_popen, r"subprocess\.Popen"),
    "io.open": Bomb(_open, r"io\.open"),
    "exec": Bomb(python_call("builtins", "exec"), r"builtins\.exec"),
    "eval": Bomb(python_call("builtins", "eval"), r"builtins\.eval"),
    "eval by its old name": Bomb(python_call("__builtin__", "eval"), r"(__builtin__|builtins)\.eval"),
    "__import__": Bomb(_import_builtin, r"builtins\.__import__"),
    "importlib": Bomb(_import_module, r"importlib\.import_module"),
    "global that is only named": Bomb(_global_alone, rf"{PLANTED}\.weights"),
    "runpy": Bomb(_run_path, r"runpy\.run_path"),
    "webbrowser.open": Bomb(_browser, r"webbrowser\.open"),
    "timeit": Bomb(_timeit, r"timeit\.timeit"),
    "torch.load nested": Bomb(_torch_load, r"torch\.load"),
    "torch.hub.load": Bomb(_torch_hub, r"torch\.hub\.load"),
    "torch._load_from_bytes": Bomb(_load_from_bytes, r"torch\.storage\._load_from_bytes"),
    "torch's collect_env": Bomb(
        shell_call("torch.utils.collect_env", "run"), r"torch\.utils\.collect_env\.run"
    ),
    "numpy's runstring": Bomb(
        python_call("numpy.testing._private.utils", "runstring", mapping()), r"numpy\.testing\S*\.runstring"
    ),
    "pickle.loads nested": Bomb(_loads, r"pickle\.loads"),
    "marshal": Bomb(_marshal, r"marshal\.loads"),
}
