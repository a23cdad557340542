"""Triggers like a given one with its pattern elsewhere, larger, stronger or in other colours.

Each function gives back None where the change means nothing for that kind of trigger, or changes nothing.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from clipsan.triggers.altered import Scaled
from clipsan.triggers.badnet import BadNetTrigger
from clipsan.triggers.compat import WrappedStripes
from clipsan.triggers.overlay import GRAIN, Overlay
from clipsan.triggers.placement import Position, fits
from clipsan.triggers.sig import SigTrigger
from clipsan.triggers.steganographic import SteganographicTrigger
from clipsan.triggers.tones import ToneTrigger
from clipsan.triggers.trigger import FixedTrigger, Trigger
from clipsan.triggers.warp import WarpTrigger

COLOURS = ("channels G B R", "channels B R G", "inverted", "half as bright", "grey")

_BRIGHTEST = 255 * GRAIN
_T = TypeVar("_T", bound=Trigger)


def is_patch(trigger: Trigger) -> bool:
    """Whether a trigger covers a part of the image, which has a place."""
    if isinstance(trigger, FixedTrigger):
        return trigger.overlay.size != trigger.image_size
    if isinstance(trigger, WrappedStripes):
        return trigger.patch != trigger.image_size
    return isinstance(trigger, BadNetTrigger)


def placed(trigger: Trigger, position: Position) -> Trigger | None:
    """A patch at another position."""
    if not is_patch(trigger):
        return None
    if isinstance(trigger, BadNetTrigger):
        if trigger.chosen.position == position:
            return None
        return replace(trigger.chosen, position=position).at(trigger.image_size, trigger.name, trigger.target)
    if not isinstance(trigger, FixedTrigger | WrappedStripes) or trigger.position == position:
        return None
    return _with(trigger, position=position)


def shifted(trigger: Trigger, down: float, right: float) -> Trigger | None:
    """A pattern over the whole image moved by shares of its height and width, around the edges."""
    height, width = trigger.image_size
    rows, columns = round(down * height), round(right * width)
    if isinstance(trigger, FixedTrigger) and not is_patch(trigger):
        old = trigger.overlay
        weight = np.roll(old.weight, (rows, columns), (0, 1))
        return _overlaid(trigger, np.roll(old.pattern, (rows, columns), (1, 2)), weight)
    if isinstance(trigger, WarpTrigger):
        return _warped(trigger, np.roll(trigger.offsets, (rows, columns), (1, 2)))
    if isinstance(trigger, SigTrigger):
        wave = np.roll(trigger.wave, columns)
        return None if np.array_equal(wave, trigger.wave) else _with(trigger, wave=wave)
    return None


def sized(trigger: Trigger, factor: float) -> Trigger | None:
    """A pattern with sides `factor` times as long; one over the whole image grows from its centre."""
    if isinstance(trigger, BadNetTrigger):
        size = round(factor * trigger.chosen.size)
        chosen = trigger.chosen
        if not 1 <= size <= 224 or not isinstance(chosen.position, str):
            return None
        changed = replace(chosen, size=size).at(trigger.image_size, trigger.name, trigger.target)
        return None if changed.side == trigger.side else changed
    if not isinstance(trigger, FixedTrigger):
        return None
    old, image = trigger.overlay, trigger.image_size
    new = tuple(max(1, round(factor * side)) for side in old.size)
    if new == old.size or (is_patch(trigger) and not fits(trigger.position, (new[0], new[1]), image)):
        return None
    rows, columns = (
        _centre(np.arange(side) * before // side, edge)
        for side, before, edge in zip(new, old.size, image, strict=True)
    )
    overlay = Overlay(old.pattern[:, rows][:, :, columns], old.weight[rows][:, columns], old.scale)
    if np.array_equal(overlay.pattern, old.pattern) and np.array_equal(overlay.weight, old.weight):
        return None
    return _with(trigger, overlay=overlay, position=trigger.position if is_patch(trigger) else "center")


def strengthened(trigger: Trigger, factor: float) -> Trigger | None:
    """A trigger blended with `factor` times its weight, or moving pixels or levels so much further."""
    if isinstance(trigger, FixedTrigger):
        old = trigger.overlay
        weight = np.minimum(old.scale, np.rint(factor * old.weight).astype(np.int64))
        return _overlaid(trigger, old.pattern, weight)
    if isinstance(trigger, WarpTrigger):
        return _warped(trigger, np.rint(factor * trigger.offsets).astype(np.int64))
    if factor < 1 or isinstance(trigger, SigTrigger | SteganographicTrigger | ToneTrigger):
        return Scaled(trigger, factor)
    return None


def coloured(trigger: Trigger, colour: str) -> Trigger | None:
    """A pattern in one of COLOURS; of patterns drawn for each image only the channels change places."""
    if isinstance(trigger, FixedTrigger):
        old = trigger.overlay
        return _overlaid(trigger, _in_colour(old.pattern, colour), old.weight)
    if not colour.startswith("channels"):
        return None
    if isinstance(trigger, BadNetTrigger) and trigger.chosen.compat is None:
        return _with(trigger, noise=_in_colour(trigger.noise, colour))
    if isinstance(trigger, ToneTrigger):
        return _with(trigger, table=_in_colour(trigger.table, colour))
    if isinstance(trigger, SteganographicTrigger):
        dark, bright = (_in_colour(pattern, colour) for pattern in (trigger.dark, trigger.bright))
        return _with(trigger, dark=dark, bright=bright)
    return None


_N = TypeVar("_N", NDArray[np.int64], NDArray[np.uint8])


def _in_colour(pattern: _N, colour: str) -> _N:
    """`pattern` [3, …]; other colours than channels take grey levels times GRAIN."""
    if colour == "channels G B R":
        return pattern[[1, 2, 0]]
    if colour == "channels B R G":
        return pattern[[2, 0, 1]]
    if colour == "inverted":
        return _BRIGHTEST - pattern
    if colour == "half as bright":
        return pattern // 2
    return np.broadcast_to(pattern.sum(axis=0, keepdims=True) // 3, pattern.shape)


def _centre(indices: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most `most` of the indices, from the middle."""
    start = max(0, len(indices) - most) // 2
    return indices[start : start + most]


def _overlaid(
    trigger: FixedTrigger, pattern: NDArray[np.int64], weight: NDArray[np.int64]
) -> FixedTrigger | None:
    old = trigger.overlay
    if np.array_equal(pattern, old.pattern) and np.array_equal(weight, old.weight):
        return None
    return _with(trigger, overlay=Overlay(pattern, weight, old.scale))


def _warped(trigger: WarpTrigger, offsets: NDArray[np.int64]) -> WarpTrigger | None:
    if np.array_equal(offsets, trigger.offsets):
        return None
    return WarpTrigger(trigger.name, trigger.target, trigger.image_size, offsets, trigger.settings())


def _with(trigger: _T, **changes: object) -> _T:
    changed = copy.copy(trigger)
    for name, value in changes.items():
        setattr(changed, name, value)
    return changed
