"""Goes through parquet files that nobody vouches for, in a process with bounded memory.

A small file can claim, or really hold, more than any memory; Arrow allocates what a file says. Run as a
script, without the package: one JSON object a line comes in on stdin, several go out on stdout. Asked
{"path"}, it answers {"columns": {name: kind}, "groups": n}, a kind being "bytes", "struct", "text" or
"texts". Asked then {"image", "caption", "first"}, it answers {"group", "rows"} in pieces, from row group
`first` on, each row being [encoded size or -1, path or null, caption, captions or null]; {"group", "error"}
for a group that cannot be used; {"end"} at last. Text that is not UTF-8 comes with surrogates.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MEMORY = 5 << 29  # bytes of address space, at most
SLACK = 3 << 28  # of it, beyond what a row group claims to need
MAX_GROUP_BYTES = 1 << 29  # of a row group's image and caption columns, uncompressed
MAX_GROUP_ROWS = 1 << 20
MAX_CAPTION_BYTES = 64 << 10
AT_ONCE = 500  # rows

Answer = dict[str, Any]


def main() -> None:
    """Answer until stdin ends."""
    _bound_memory()
    os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"  # the others reserve address space ahead
    file: Any = None
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            if "path" in asked:
                file = _open(asked["path"])
                _say(_columns(file))
            else:
                for answer in _rows(file, asked["image"], asked["caption"], asked["first"]):
                    _say(answer)
                _say({"end": True})
        except Exception as error:  # noqa: BLE001 - whatever Arrow raises on a broken file
            _say({"error": _first_line(error)})


def _bound_memory() -> None:
    try:
        import resource
    except ImportError:  # not a system with limits
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _bound_to_claims(claimed: int) -> None:
    """Lowers the limit to what a row group of `claimed` bytes can need, where memory in use can be told."""
    pages = Path("/proc/self/statm")
    if not pages.is_file():
        return
    import resource

    used = int(pages.read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (min(MEMORY, used + SLACK + 4 * claimed), MEMORY))


def _say(answer: Answer) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _open(path: str) -> Any:
    import pyarrow as arrow
    from pyarrow import parquet

    arrow.set_cpu_count(1)
    file = parquet.ParquetFile(path, memory_map=False, thrift_string_size_limit=64 << 20)
    rows, size = file.metadata.num_rows, Path(path).stat().st_size
    if rows > size + 1000:
        raise ValueError(f"it claims {rows} rows in {size} bytes")
    return file


def _columns(file: Any) -> Answer:
    kinds = {field.name: kind for field in file.schema_arrow if (kind := _kind(field.type))}
    return {"columns": kinds, "groups": file.metadata.num_row_groups}


def _kind(of: Any) -> str | None:
    from pyarrow import types

    def is_text(one: Any) -> bool:
        return bool(types.is_string(one) or types.is_large_string(one))

    def is_bytes(one: Any) -> bool:
        return bool(types.is_binary(one) or types.is_large_binary(one))

    if is_text(of):
        return "text"
    if is_bytes(of):
        return "bytes"
    if types.is_list(of) and is_text(of.value_type):
        return "texts"
    if types.is_struct(of) and of.get_field_index("bytes") >= 0 and is_bytes(of.field("bytes").type):
        return "struct"
    return None


def _rows(file: Any, image: str, caption: str, first: int) -> Iterator[Answer]:
    leaves = [leaf for leaf in (f"{image}.bytes", f"{image}.path", image, caption) if leaf]
    for group in range(first, file.metadata.num_row_groups):
        yield {"group": group, "rows": []}  # so that it is known which one was tried, should it be the last
        try:
            _bound_to_claims(_claimed(file.metadata.row_group(group), {image, caption}))
            table = file.read_row_group(group, columns=leaves, use_threads=False)
            for start in range(0, table.num_rows, AT_ONCE):
                yield {"group": group, "rows": _piece(table.slice(start, AT_ONCE), image, caption)}
            del table
        except Exception as error:  # noqa: BLE001 - the same
            yield {"group": group, "error": _first_line(error)}


def _claimed(metadata: Any, columns: set[str]) -> int:
    """Bytes that the columns of a row group claim to have, uncompressed; ValueError where it is too much."""
    parts = [metadata.column(number) for number in range(metadata.num_columns)]
    claimed = sum(p.total_uncompressed_size for p in parts if p.path_in_schema.split(".")[0] in columns)
    if claimed > MAX_GROUP_BYTES:
        limit = MAX_GROUP_BYTES >> 20
        raise ValueError(f"it holds {claimed >> 20} MiB and may hold {limit}; write smaller row groups")
    if metadata.num_rows > MAX_GROUP_ROWS:
        raise ValueError(f"it has {metadata.num_rows} rows and may have {MAX_GROUP_ROWS}")
    return max(0, int(claimed))


def _piece(table: Any, image: str, caption: str) -> list[list[Any]]:
    from pyarrow import binary, compute, types

    images = table.column(image).combine_chunks()
    paths = None
    if types.is_struct(images.type):
        if images.type.get_field_index("path") >= 0:
            paths = compute.struct_field(images, "path")
        images = compute.struct_field(images, "bytes")
    elif types.is_string(images.type) or types.is_large_string(images.type):
        images, paths = None, images
    sizes = [-1] * table.num_rows if images is None else compute.binary_length(images).to_pylist()
    names = [None] * table.num_rows if paths is None else _texts(paths.cast(binary()))
    texts: list[Any] = [None] * table.num_rows
    if caption:
        captions = table.column(caption).combine_chunks()
        if types.is_list(captions.type):
            captions = [None if one.values is None else _texts(one.values.cast(binary())) for one in captions]
            texts = captions
        else:
            texts = _texts(captions.cast(binary()))
    return [
        [-1 if size is None else size, name, text]
        for size, name, text in zip(sizes, names, texts, strict=True)
    ]


def _texts(values: Any) -> list[str | None]:
    """Bytes as text, cut where they are long."""
    return [
        None if not one.is_valid else _text(memoryview(one.as_buffer())[:MAX_CAPTION_BYTES]) for one in values
    ]


def _text(data: memoryview) -> str:
    whole = bytes(data)
    if len(whole) == MAX_CAPTION_BYTES:  # perhaps cut inside a character, which is then left out
        start = len(whole) - 1
        while start > len(whole) - 4 and whole[start] & 0xC0 == 0x80:
            start -= 1
        whole = whole[:start]
    return whole.decode("utf-8", "surrogateescape")


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]


if __name__ == "__main__":
    main()
