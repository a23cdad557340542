"""JSON of transformers from an untrusted folder: limited in size, each value taken by type and range."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from clipsan.checkpoint.header import parse_json
from clipsan.errors import CheckpointError


def read_object(path: Path, largest: int) -> dict[str, Any]:
    """Read one JSON object.

    Args:
        path: a file; links are followed, as in the hub's cache.
        largest: bytes above which it is refused unread.

    Raises:
        CheckpointError: it cannot be read, is too large, or is not a JSON object.
    """
    try:
        if not path.is_file():
            raise CheckpointError(f"{str(path)!r} is not a file; get it again.")
        size = path.stat().st_size
        if size > largest:
            raise CheckpointError(
                f"{path.name} has {size} bytes, above the {largest} that such a file may have."
            )
        found = parse_json(path.read_bytes(), path.name)
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
        raise CheckpointError(
            f"{str(path)!r} cannot be read ({getattr(error, 'strerror', None) or error})."
        ) from None
    if not isinstance(found, dict):
        raise CheckpointError(f"{path.name} must be a JSON object.")
    return found


@dataclass(frozen=True)
class Fields:
    """One JSON object whose values are taken by name; an absent one has transformers' default.

    Args:
        found: the object.
        where: what to call it in error sentences, e.g. "config.json: vision_config".
    """

    found: Mapping[str, Any]
    where: str

    def count(self, key: str, default: int, largest: int) -> int:
        """A whole number of at least 1.

        Raises:
            CheckpointError: anything else; so do the other methods.
        """
        value = self.found.get(key, default)
        if type(value) is not int or not 1 <= value <= largest:
            self.refuse(key)
        return value

    def number(self, key: str, default: float, low: float, high: float) -> float:
        """A finite number between two limits, themselves allowed."""
        value = self.found.get(key, default)
        if type(value) not in (int, float) or not low <= value <= high or not math.isfinite(value):
            self.refuse(key)
        return float(value)

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        value = self.found.get(key, default)
        if not isinstance(value, bool):
            self.refuse(key)
        return value

    def three(self, key: str, default: tuple[float, ...], low: float, high: float) -> list[float]:
        """One number per colour channel, or one for all of them."""
        value = self.found.get(key, default)
        listed = [value] * 3 if type(value) in (int, float) else value
        if not isinstance(listed, (list, tuple)) or len(listed) != 3:
            self.refuse(key)
        return [Fields({key: one}, self.where).number(key, 0, low, high) for one in listed]

    def inner(self, key: str) -> Fields:
        """The object of that name; empty where it is absent or null."""
        value = self.found.get(key)
        if value is not None and not isinstance(value, dict):
            self.refuse(key)
        return Fields(value or {}, f"{self.where}: {key}")

    def refuse(self, key: str, why: str = "which cannot be right for a CLIP") -> NoReturn:
        """Raise for the value under `key`."""
        raise CheckpointError(f"{self.where} has {key} = {self.found.get(key)!r:.80}, {why}.")
