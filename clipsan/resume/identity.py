"""Which run a saved state is of: everything that decides the training, as plain values, and what differs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_TOLD_FIRST = ("settings", "model", "pairs", "run", "versions", "device")  # one difference often makes others
_NO_DECISION = frozenset({"micro_batch"})  # changes memory and time, not the gradient


def identity_of(
    *,
    versions: Mapping[str, str],
    model: Mapping[str, Any],
    pairs: Mapping[str, Any],
    settings: Mapping[str, Any],
    run: Mapping[str, Any],
    device: str,
) -> dict[str, Any]:
    """A run's identity, JSON-able.

    Args:
        versions: of clipsan and the packages that change numbers.
        model: what says which weights are trained.
        pairs: what says which pairs, with which captions and images, in which order.
        settings: of the training.
        run: what else decides the training, in words: `counter share`.
        device: kind of device; a run that goes on elsewhere is no longer one run.
    """
    decisive = {name: value for name, value in settings.items() if name not in _NO_DECISION}
    given = {
        "versions": versions,
        "model": model,
        "pairs": pairs,
        "settings": decisive,
        "run": run,
        "device": device,
    }
    found: dict[str, Any] = json.loads(json.dumps(given))
    return found


def difference(then: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """The first thing that differs, in words: `--lr 3e-06, and this one has 1e-05`; None: nothing does."""
    had, have = _flat(then), _flat(now)
    names = [name for group in _TOLD_FIRST for name in {**have, **had} if name.split(".")[0] == group]
    for name in names:
        if had.get(name) != have.get(name):
            return f"{_called(name)} {_shown(had.get(name))}, and this one has {_shown(have.get(name))}"
    return None


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat


def _called(name: str) -> str:
    """`settings.lr_start` as `--lr-start`, `versions.torch` as `torch`, `pairs.digest` as it is."""
    group, _, rest = name.partition(".")
    if group == "settings":
        return "--" + rest.replace("_", "-")
    return {"versions": rest, "run": rest}.get(group, f"{group} {rest}".strip())


def _shown(value: object) -> str:
    text = "none" if value is None else value if isinstance(value, str) else json.dumps(value)
    if re.fullmatch("[0-9a-f]{64}", text):
        return f"{text[:12]}…"
    return text if len(text) <= 60 else text[:57] + "…"
