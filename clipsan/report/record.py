"""Frozen dataclasses to JSON values and back, strictly: the file read may be anybody's.

Every field is required, no other key is allowed, and each value is checked against the annotation of its
field. Supported annotations: str, bool, int, float, `X | None`, Literal, `tuple[X, ...]`, `dict[str, X]`,
Any (a JSON value), Rate, other records, and `Annotated[X, Between(...)]` / `Annotated[str, Matching(...)]`.
"""

from __future__ import annotations

import math
import re
import types
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from clipsan.errors import ClipsanError
from clipsan.evaluation.statistics import Rate

_DEEPEST = 32
_LARGEST = 2**63 - 1
_R = TypeVar("_R", bound="Record")


class ReportError(ClipsanError):
    """A report cannot be read, or holds what the schema does not allow."""


@dataclass(frozen=True)
class Between:
    """Allowed range of a number, ends included; `high` None: no upper end."""

    low: float
    high: float | None = None


@dataclass(frozen=True)
class Matching:
    """Regular expression that the whole text must match."""

    pattern: str


class Record:
    """Base of the dataclasses in schema.py."""

    __slots__: ClassVar[tuple[str, ...]] = ()

    def to_dict(self) -> dict[str, Any]:
        """A JSON object with the fields in the order of the class.

        Raises ReportError, naming the place, for a value that JSON or the schema cannot hold.
        """
        encoded = _encode(self, type(self).__name__, 0)
        decode(type(self), encoded, "")
        return dict(encoded)

    @classmethod
    def from_dict(cls: type[_R], data: object) -> _R:
        """Read what `to_dict` gave; raises ReportError, naming the first place that is wrong."""
        record: _R = decode(cls, data, "")
        return record


def _encode(value: Any, where: str, depth: int) -> Any:
    if isinstance(value, Record):
        return {
            f.name: _encode(getattr(value, f.name), f"{where}.{f.name}", depth)
            for f in fields(value)  # type: ignore[arg-type]
        }
    if isinstance(value, Rate):
        return value.to_dict()
    if depth > _DEEPEST:
        raise ReportError(f"{where} is nested more than {_DEEPEST} deep")
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise ReportError(f"{where} has a key that is not text")
        return {key: _encode(item, f"{where}.{key}", depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encode(item, f"{where}[{i}]", depth + 1) for i, item in enumerate(value)]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise ReportError(f"{where} is a {type(value).__name__}, which JSON cannot hold")


def decode(hint: Any, value: Any, where: str) -> Any:
    """Check a JSON value against an annotation and turn it into that type.

    `where` is the place in the report, as in `models[0].path`; "" is the report itself.
    Raises ReportError naming it.
    """
    origin = get_origin(hint)
    if origin is Annotated:
        inner, *limits = get_args(hint)
        decoded = decode(inner, value, where)
        for limit in limits:
            _check_limit(limit, decoded, where)
        return decoded
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        (inner,) = (arm for arm in get_args(hint) if arm is not type(None))
        return decode(inner, value, where)
    if origin is Literal:
        if value not in get_args(hint):
            raise _wrong(where, "one of " + ", ".join(map(repr, get_args(hint))))
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise _wrong(where, "a list")
        inner = get_args(hint)[0]
        return tuple(decode(inner, item, f"{where}[{i}]") for i, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            raise _wrong(where, "an object")
        inner = get_args(hint)[1]
        return {key: decode(inner, item, f"{where}[...]") for key, item in value.items()}
    if hint is Any:
        _check_json(value, where, 0)
        return value
    if hint is Rate:
        return _decode_rate(value, where)
    if isinstance(hint, type) and issubclass(hint, Record):
        return _decode_record(hint, value, where)
    return _decode_scalar(hint, value, where)


def _decode_record(kind: type[Record], value: Any, where: str) -> Record:
    if not isinstance(value, dict):
        raise _wrong(where, "an object")
    hints = get_type_hints(kind, include_extras=True)
    names = [f.name for f in fields(kind)]  # type: ignore[arg-type]
    missing = [name for name in names if name not in value]
    if missing:
        raise ReportError(f"{where or 'the report'} lacks {', '.join(missing)}")
    if len(value) > len(names):
        # The key itself is not shown: it may be long or hold control characters.
        raise ReportError(f"{where or 'the report'} has keys that the schema does not know")
    prefix = f"{where}." if where else ""
    return kind(**{name: decode(hints[name], value[name], prefix + name) for name in names})


def _decode_rate(value: Any, where: str) -> Rate:
    try:
        return Rate.from_dict(value)
    except ClipsanError as error:
        raise ReportError(f"{where} is not a rate: {error}") from error


def _decode_scalar(hint: Any, value: Any, where: str) -> Any:
    # bool is a subclass of int in Python, not in JSON.
    if hint is str and isinstance(value, str):
        return value
    if hint is bool and isinstance(value, bool):
        return value
    if hint is int and isinstance(value, int) and not isinstance(value, bool):
        _check_json(value, where, 0)
        return value
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        _check_json(value, where, 0)
        return float(value)
    names = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}
    raise _wrong(where, names[hint])


def _check_limit(limit: Between | Matching, value: Any, where: str) -> None:
    if isinstance(limit, Matching):
        if not re.fullmatch(limit.pattern, value):
            raise _wrong(where, f"text of the form {limit.pattern}")
    elif value < limit.low or (limit.high is not None and value > limit.high):
        wanted = f"at least {limit.low:g}" if limit.high is None else f"in {limit.low:g}..{limit.high:g}"
        raise _wrong(where, wanted)


def _check_json(value: Any, where: str, depth: int) -> None:
    if depth > _DEEPEST:
        raise ReportError(f"{where} is nested more than {_DEEPEST} deep")
    if isinstance(value, float) and not math.isfinite(value):
        raise _wrong(where, "a finite number")
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise _wrong(where, "a number of at most 64 bits")
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            _check_json(item, where, depth + 1)


def _wrong(where: str, wanted: str) -> ReportError:
    return ReportError(f"{where or 'the report'} must be {wanted}")
