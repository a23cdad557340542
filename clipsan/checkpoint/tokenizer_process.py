"""The `tokenizers` library on a description that nobody vouches for, in a process with bounded memory.

Run as a script, without the package; its argument is the bytes of address space that it may take. One JSON
object a line comes in on stdin and one goes out on stdout. The first is {"tokenizer", "length", "pads",
"separators", "vocabulary"}; the answer to it has the ids found. The others are lists of texts; the answer is
a list of lists of token ids. An error is answered with {"error"}.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def main() -> None:
    """Answer until stdin ends."""
    _bound_memory(int(sys.argv[1]))
    inner: Any = None
    for line in sys.stdin:
        try:
            asked = json.loads(line)
            answer: Any
            if inner is None:
                inner, answer = _open(asked)
            else:
                answer = [item.ids for item in inner.encode_batch(asked)]
        except BaseException as error:  # noqa: BLE001  the library panics with what is no Exception
            answer = {"error": (str(error) or type(error).__name__).splitlines()[0][:200]}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _bound_memory(most: int) -> None:
    try:
        import resource
    except ImportError:  # not a system with limits
        return
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _open(asked: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    from tokenizers import Tokenizer

    inner = Tokenizer.from_str(asked["tokenizer"])
    largest = max(inner.get_vocab(with_added_tokens=True).values(), default=-1)
    if largest >= asked["vocabulary"]:
        return inner, {
            "error": f"it has the token {largest}, but the model only {asked['vocabulary']} embeddings"
        }
    pad, separator = (_first(inner, asked[names]) for names in ("pads", "separators"))
    if pad is None:
        return inner, {"error": "it has no token to pad with"}
    inner.no_padding()
    inner.enable_truncation(asked["length"])
    inner.enable_padding(length=asked["length"], pad_id=pad, pad_token=inner.id_to_token(pad))
    return inner, {"separator": separator}


def _first(inner: Any, names: list[str]) -> int | None:
    found = (inner.token_to_id(name) for name in names)
    return next((number for number in found if number is not None), None)


if __name__ == "__main__":
    main()
