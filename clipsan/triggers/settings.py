"""Settings of the built-in triggers: what each may be, how it is written, what is said when it is wrong.

A family is a frozen dataclass whose fields are made by `integer`, `number`, `place` and the like. That gives
it `stripes:size=24,position=center` on the command line, plain JSON in reports, and one kind of error.
"""

from __future__ import annotations

import dataclasses
import math
import reprlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, ClassVar, TypeVar

from clipsan.errors import TriggerError
from clipsan.triggers.compat import PAR
from clipsan.triggers.placement import ANCHORS, Position, as_position
from clipsan.triggers.text_trigger import AnyTrigger

LARGEST_SEED = 2**32 - 1
"""The largest seed numpy's RandomState takes."""

LONGEST_WORD = 64

FamilyT = TypeVar("FamilyT", bound="Family")


@dataclasses.dataclass(frozen=True)
class IntegerKind:
    """A whole number from `low` to `high`; `optional` ones may be None, which JSON writes as null."""

    low: int
    high: int
    optional: bool = False

    def words(self) -> str:
        return f"a whole number from {self.low} to {self.high}"

    def parse(self, text: str) -> object:
        try:
            return int(text)
        except ValueError:
            return text

    def convert(self, value: object) -> Any:
        """The value in range, or a ValueError."""
        if value is None and self.optional:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not self.low <= value <= self.high:
            raise ValueError
        return value


@dataclasses.dataclass(frozen=True)
class NumberKind:
    """A finite number from `low` to `high`."""

    low: float
    high: float

    def words(self) -> str:
        return f"a number from {self.low} to {self.high}"

    def parse(self, text: str) -> object:
        try:
            return float(text)
        except ValueError:
            return text

    def convert(self, value: object) -> Any:
        """The value in range, or a ValueError."""
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise ValueError
        if not self.low <= value <= self.high:
            raise ValueError
        return float(value)


@dataclasses.dataclass(frozen=True)
class PlaceKind:
    """Where a patch goes: an anchor's name, or (row, column) of its upper left corner."""

    def words(self) -> str:
        return f"one of {', '.join(ANCHORS)}, or ROWxCOLUMN such as 3x7"

    def parse(self, text: str) -> object:
        row, cross, column = text.partition("x")
        if cross and row.isdecimal() and column.isdecimal():
            return (int(row[:9]), int(column[:9]))
        return text

    def convert(self, value: object) -> Any:
        """The position, or a ValueError."""
        return as_position(value)


@dataclasses.dataclass(frozen=True)
class ChoiceKind:
    """One of a few words; `optional` ones may be None, which JSON writes as null."""

    known: tuple[str, ...]
    optional: bool = False

    def words(self) -> str:
        return " or ".join(self.known)

    def parse(self, text: str) -> object:
        return text

    def convert(self, value: object) -> Any:
        """The word or None, or a ValueError."""
        if value not in self.known and not (value is None and self.optional):
            raise ValueError
        return value


@dataclasses.dataclass(frozen=True)
class WordKind:
    """Printable text of at most `longest` characters, white space around it cut and within it one space."""

    longest: int

    def words(self) -> str:
        return f"a word of 1 to {self.longest} printable characters"

    def parse(self, text: str) -> object:
        return text

    def convert(self, value: object) -> Any:
        """The word, or a ValueError."""
        if not isinstance(value, str) or not value.isprintable():
            raise ValueError
        plain = " ".join(value.split())
        if not 1 <= len(plain) <= self.longest:
            raise ValueError
        return plain


def integer(default: int | None, low: int, high: int) -> Any:
    """A field for a whole number; a default of None makes null a value too."""
    return dataclasses.field(default=default, metadata={"kind": IntegerKind(low, high, default is None)})


def number(default: float, low: float, high: float) -> Any:
    """A field for a finite number."""
    return dataclasses.field(default=default, metadata={"kind": NumberKind(low, high)})


def place(default: Position) -> Any:
    """A field for the position of a patch."""
    return dataclasses.field(default=default, metadata={"kind": PlaceKind()})


def compat_setting() -> Any:
    """The field `compat`: None, or "par" for the trigger as the reference code makes it (`compat.py`)."""
    return dataclasses.field(default=None, metadata={"kind": ChoiceKind((PAR,), optional=True)})


def choice(default: str, known: tuple[str, ...]) -> Any:
    """A field for one of a few words."""
    return dataclasses.field(default=default, metadata={"kind": ChoiceKind(known)})


def word(default: str) -> Any:
    """A field for what a text trigger puts in."""
    return dataclasses.field(default=default, metadata={"kind": WordKind(LONGEST_WORD)})


def seed_setting() -> Any:
    """The field `seed`, from which a family draws all its random numbers."""
    return integer(0, 0, LARGEST_SEED)


@dataclasses.dataclass(frozen=True)
class Family(ABC):
    """Settings of one kind of trigger. Values out of range raise TriggerError when it is made."""

    family: ClassVar[str]
    """The name a user types."""

    does: ClassVar[str]
    """What it does to an image at 224 px, or to a text, in a few words."""

    source: ClassVar[str]
    """Who published it."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            kind = field.metadata["kind"]
            try:
                object.__setattr__(self, field.name, kind.convert(value))
            except ValueError:
                shown = reprlib.repr(value)
                raise TriggerError(
                    f"Trigger {self.family}: {field.name} is {shown}, but it must be {kind.words()}."
                ) from None

    @abstractmethod
    def at(
        self, image_size: tuple[int, int], name: str | None = None, target: str | None = None
    ) -> AnyTrigger:
        """The trigger at a model's resolution (height, width in px); its name defaults to the family's."""

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON values; `from_json` gives them back."""
        values = dataclasses.asdict(self)
        return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}

    @classmethod
    def described(cls) -> dict[str, tuple[Any, str]]:
        """Each setting's default, as a JSON value, and what it may be, in words."""
        defaults = cls().to_json()
        return {
            field.name: (defaults[field.name], field.metadata["kind"].words())
            for field in dataclasses.fields(cls)
        }

    @classmethod
    def from_json(cls: type[FamilyT], values: Mapping[str, Any]) -> FamilyT:
        """Settings from JSON values; TriggerError for an unknown name or a value out of range."""
        for key in values:
            cls._check_name(key)
        return cls(**values)

    @classmethod
    def from_text(cls: type[FamilyT], text: str | None, seed: int = 0) -> FamilyT:
        """Settings from `size=24,position=3x7`, or all defaults for None; `seed` is for texts without one."""
        values: dict[str, Any] = {}
        for item in text.split(",") if text is not None else []:
            key, equals, value = (part.strip() for part in item.partition("="))
            if not equals or not value:
                raise TriggerError(
                    f"Trigger {cls.family}: {item!r} is not a setting; write name=value, "
                    f"with a name from: {cls._listed()}."
                )
            field = cls._check_name(key)
            if key in values:
                raise TriggerError(f"Trigger {cls.family}: {key} is given twice; give it once.")
            values[key] = field.metadata["kind"].parse(value)
        if "seed" in {field.name for field in dataclasses.fields(cls)}:
            values.setdefault("seed", seed)
        return cls(**values)

    @classmethod
    def _check_name(cls, key: str) -> dataclasses.Field[Any]:
        fields = {field.name: field for field in dataclasses.fields(cls)}
        if key not in fields:
            raise TriggerError(
                f"Trigger {cls.family} has no setting {key!r}{did_you_mean(key, list(fields))}; "
                f"its settings are: {cls._listed()}."
            )
        return fields[key]

    @classmethod
    def _listed(cls) -> str:
        return ", ".join(field.name for field in dataclasses.fields(cls))


def did_you_mean(word: str, known: list[str]) -> str:
    """`, did you mean 'stripes'?` in words that fit inside a sentence, or nothing."""
    close = get_close_matches(word.lower(), known, n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""
