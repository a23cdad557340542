"""clipsan removes hidden backdoors from CLIP checkpoints and measures that they are gone.

Default use:

    import clipsan
    result = clipsan.clean("model.safetensors", data="pairs/", eval="eval/", trigger=["stripes"])
    print(result.report.verdict.result)

Every command of the command line is the function of the same name here, but for two whose names are packages:
that of `clipsan report` is `rebuild_report`, that of `clipsan triggers` is `show_triggers`, and with
`--optimise` it is `optimise_trigger`. They are loaded when first used, so that importing clipsan does not
import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from clipsan.errors import ClipsanError
    from clipsan.runs.audit import audit
    from clipsan.runs.badclip import optimise_trigger
    from clipsan.runs.bench import bench
    from clipsan.runs.clean import clean
    from clipsan.runs.compare import compare
    from clipsan.runs.demo import demo
    from clipsan.runs.inspect import inspect
    from clipsan.runs.poison import poison
    from clipsan.runs.push import push
    from clipsan.runs.reports import diff, rebuild_report
    from clipsan.runs.scan import scan
    from clipsan.runs.synth import synth
    from clipsan.runs.triggers import show_triggers

_PUBLIC = {
    "audit": "clipsan.runs.audit",
    "bench": "clipsan.runs.bench",
    "clean": "clipsan.runs.clean",
    "compare": "clipsan.runs.compare",
    "diff": "clipsan.runs.reports",
    "demo": "clipsan.runs.demo",
    "inspect": "clipsan.runs.inspect",
    "optimise_trigger": "clipsan.runs.badclip",
    "poison": "clipsan.runs.poison",
    "push": "clipsan.runs.push",
    "rebuild_report": "clipsan.runs.reports",
    "show_triggers": "clipsan.runs.triggers",
    "scan": "clipsan.runs.scan",
    "synth": "clipsan.runs.synth",
    "ClipsanError": "clipsan.errors",
}

__all__ = [
    "ClipsanError",
    "__version__",
    "audit",
    "bench",
    "clean",
    "compare",
    "demo",
    "diff",
    "inspect",
    "optimise_trigger",
    "poison",
    "push",
    "rebuild_report",
    "scan",
    "show_triggers",
    "synth",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'clipsan' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
