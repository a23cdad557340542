"""The globals that torch.save and training scripts write, and the plain data that their calls stand for.

Nothing is called. The list of harmless names decides only which files are refused, because the programs that
would open them next do call what a pickle names.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import torch

from clipsan.checkpoint.torch_files.records import Call, Global, Persistent, StoredStorage, StoredTensor

DTYPES = {
    "Double": torch.float64,
    "Float": torch.float32,
    "Half": torch.float16,
    "BFloat16": torch.bfloat16,
    "Long": torch.int64,
    "Int": torch.int32,
    "Short": torch.int16,
    "Char": torch.int8,
    "Byte": torch.uint8,
    "Bool": torch.bool,
}
STORAGES: dict[str, torch.dtype | None] = {
    f"torch.{place}{kind}Storage": dtype for kind, dtype in DTYPES.items() for place in ("", "cuda.")
}
STORAGES["torch.storage.UntypedStorage"] = None
MOST_DIMENSIONS = 32
LONGEST_SCALAR = 32  # bytes of one number
_DTYPES_BY_NAME = {str(dtype): dtype for dtype in DTYPES.values()}
_OTHER_DTYPES = (
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    *("complex32", "complex64", "complex128", "qint8", "quint8", "qint32"),
    *("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"),
    *("per_tensor_affine", "per_channel_affine", "per_tensor_symmetric", "per_channel_symmetric"),
)
_TORCH = (
    "torch.Size",
    "torch.Tensor",
    "torch.device",
    "torch.nn.parameter.Parameter",
    "torch.nn.parameter.Buffer",
    "torch.storage.TypedStorage",
    "torch.serialization._get_layout",
    "torch._tensor._rebuild_from_type_v2",
    *(f"torch._utils._rebuild_{what}" for what in ("tensor", "tensor_v2", "tensor_v3", "parameter")),
    *(f"torch._utils._rebuild_{what}" for what in ("parameter_with_state", "sparse_tensor", "qtensor")),
    "torch._utils._rebuild_meta_tensor_no_storage",
    *(f"torch._utils._rebuild_device_tensor_from_{what}" for what in ("numpy", "cpu_tensor")),
    *(f"torch.{kind}Storage" for kind in ("ComplexFloat", "ComplexDouble", "QInt8", "QUInt8", "QInt32")),
)
_NUMPY = (
    "numpy.dtype",
    "numpy.ndarray",
    *(f"numpy.{core}.multiarray.{what}" for core in ("core", "_core") for what in ("scalar", "_reconstruct")),
    *(f"numpy.dtypes.{kind}{bits}DType" for kind in ("Int", "UInt") for bits in (8, 16, 32, 64)),
    *(f"numpy.dtypes.{kind}DType" for kind in ("Bool", "Float16", "Float32", "Float64", "Str", "Bytes")),
)
_PYTHON = (
    "argparse.Namespace",  # settings in training files; holds attributes only
    "collections.OrderedDict",
    "collections.Counter",
    "collections.defaultdict",
    "_codecs.encode",  # how protocol 2 writes bytes
    *(f"pathlib.{local}{kind}Path" for local in ("", "_local.") for kind in ("Posix", "Windows")),
    *(f"pathlib.{local}Pure{kind}Path" for local in ("", "_local.") for kind in ("Posix", "Windows")),
    *(
        f"{module}.{kind}"
        for module in ("builtins", "__builtin__")
        for kind in (
            "set",
            "frozenset",
            "list",
            "dict",
            "tuple",
            "int",
            "float",
            "bool",
            "complex",
            "bytearray",
        )
    ),
)
SAFE_GLOBALS = (
    frozenset((*_TORCH, *_NUMPY, *_PYTHON, *STORAGES, *_DTYPES_BY_NAME))
    | frozenset(f"torch.{name}" for name in _OTHER_DTYPES)
)  # fmt: skip
# numpy's letter and width -> struct's letter
_SCALARS = {"b1": "?", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q"}
_SCALARS |= {"f2": "e", "f4": "f", "f8": "d"}


def made(name: str, arguments: tuple[object, ...]) -> object:
    """The data that a call stands for, or the call itself as a record. Takes a time that does not grow."""
    builder = _BUILDERS.get(name)
    result = builder(arguments) if builder else None
    return Call(name, arguments) if result is None else result


def referred(persistent_id: object) -> StoredStorage | Persistent:
    """What a persistent id stands for.

    In torch files it is `("storage", torch.FloatStorage, key, device, elements)`. Before torch 0.4 a sixth
    entry could give `(key, start, elements)` of a view into the storage.
    """
    unknown = Persistent(persistent_id)
    if not isinstance(persistent_id, tuple) or len(persistent_id) not in (5, 6):
        return unknown
    word, kind, key, _, numel, *view = persistent_id
    if word != "storage" or not isinstance(kind, Global) or kind.name not in STORAGES:
        return unknown
    if not isinstance(key, str) or not _is_count(numel):
        return unknown
    start = 0
    if view and view[0] is not None:
        if not (isinstance(view[0], tuple) and len(view[0]) == 3):
            return unknown
        _, start, numel = view[0]
        if not (_is_count(start) and _is_count(numel)):
            return unknown
    return StoredStorage(STORAGES[kind.name], key, numel, start)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**62


def _counts(value: object) -> tuple[int, ...] | None:
    if not isinstance(value, (tuple, list)) or len(value) > MOST_DIMENSIONS:
        return None
    return tuple(value) if all(_is_count(entry) for entry in value) else None


def _tensor(arguments: tuple[object, ...]) -> StoredTensor | None:
    """`_rebuild_tensor(storage, offset, size, stride)`, and v2 with `requires_grad, hooks, metadata`.

    Metadata says that the numbers are to be read conjugated or negated; such a tensor stays a record.
    """
    if not 4 <= len(arguments) <= 7 or (len(arguments) == 7 and arguments[6]):
        return None
    return _placed(arguments[:4], None)


def _tensor_v3(arguments: tuple[object, ...]) -> StoredTensor | None:
    """As v2 with the dtype in front of the metadata, over bytes without a dtype of their own."""
    if len(arguments) not in (7, 8) or (len(arguments) == 8 and arguments[7]):
        return None
    dtype = arguments[6]
    known = _DTYPES_BY_NAME.get(dtype.name) if isinstance(dtype, Global) else None
    return _placed(arguments[:4], known) if known else None


def _placed(arguments: tuple[object, ...], dtype: torch.dtype | None) -> StoredTensor | None:
    storage, offset, size, stride = arguments
    sizes, strides = _counts(size), _counts(stride)
    if not isinstance(storage, StoredStorage) or type(offset) is not int or not _is_count(offset):
        return None
    dtype = dtype or storage.dtype
    if dtype is None or sizes is None or strides is None or len(sizes) != len(strides):
        return None
    return StoredTensor(storage, dtype, offset, sizes, strides)


def _parameter(arguments: tuple[object, ...]) -> object:
    """`_rebuild_parameter(data, requires_grad, hooks)` and `_rebuild_parameter_with_state(..., state)`."""
    return arguments[0] if arguments and isinstance(arguments[0], StoredTensor) else None


def _tensor_with_attributes(arguments: tuple[object, ...]) -> object:
    """`_rebuild_from_type_v2(function, type, arguments, state)`: a tensor with attributes of its own."""
    if len(arguments) != 4:
        return None
    function, kind, inner, _ = arguments
    if not isinstance(function, Global) or not isinstance(kind, Global) or not isinstance(inner, tuple):
        return None
    builder = _TENSORS.get(function.name)
    plain = kind.name in ("torch.Tensor", "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer")
    return builder(inner) if builder and plain else None


def _dict(arguments: tuple[object, ...]) -> object:
    """An empty dict; `Counter` gets its dict and `defaultdict` a class as argument."""
    if not arguments or isinstance(arguments[0], Global):
        return {}
    return arguments[0] if isinstance(arguments[0], dict) else None


def _same(kind: type) -> Callable[[tuple[object, ...]], object]:
    """The one argument itself: a set stays the list of its members."""
    return lambda arguments: arguments[0] if len(arguments) == 1 and isinstance(arguments[0], kind) else None


def _bytes(arguments: tuple[object, ...]) -> bytes | None:
    """`_codecs.encode(text, "latin1")` for a single number; longer ones (arrays) stay records."""
    if len(arguments) != 2 or not isinstance(arguments[0], str) or len(arguments[0]) > LONGEST_SCALAR:
        return None
    try:
        return arguments[0].encode("latin-1") if arguments[1] == "latin1" else None
    except UnicodeEncodeError:
        return None


def _numpy_scalar(arguments: tuple[object, ...]) -> object:
    """`scalar(dtype, bytes)` as the number it is; the dtype's state says the order of its bytes."""
    if len(arguments) != 2:
        return None
    dtype, raw = arguments
    if not isinstance(dtype, Call) or dtype.name != "numpy.dtype" or not isinstance(raw, bytes):
        return None
    kind = dtype.arguments[0] if dtype.arguments else None
    letter = _SCALARS.get(kind) if isinstance(kind, str) else None
    state = dtype.state
    order = state[1] if isinstance(state, tuple) and len(state) > 1 else "<"
    layout = f"{'>' if isinstance(order, str) and order == '>' else '<'}{letter}"
    if letter is None or len(raw) != struct.calcsize(layout):
        return None
    number: object = struct.unpack(layout, raw)[0]
    return number


_TENSORS: dict[str, Callable[[tuple[object, ...]], object]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
}
_BUILDERS: dict[str, Callable[[tuple[object, ...]], object]] = _TENSORS | {
    "torch._tensor._rebuild_from_type_v2": _tensor_with_attributes,
    "torch.Size": _same(tuple),
    "collections.OrderedDict": _dict,
    "collections.Counter": _dict,
    "collections.defaultdict": _dict,
    "_codecs.encode": _bytes,
    "numpy.core.multiarray.scalar": _numpy_scalar,
    "numpy._core.multiarray.scalar": _numpy_scalar,
    **{f"{m}.{kind}": _same(list) for m in ("builtins", "__builtin__") for kind in ("set", "frozenset")},
}
