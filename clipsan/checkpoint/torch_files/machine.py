"""An inert pickle machine: it keeps the stack and the memo that Python's would, and makes plain data only.

A pickle is a program whose dangerous steps are calls. Here a call only writes down what would be called
(`records`), so that any pickle can be read to its end. Work and memory are bounded by the count of steps and
of characters: no step walks, copies, prints, compares or hashes what it finds on the stack. Whatever is wrong
with a pickle comes out as a ValueError or a LookupError.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from clipsan.checkpoint.torch_files.known import made, referred
from clipsan.checkpoint.torch_files.records import Call, Global, Key, Persistent, StoredStorage, StoredTensor

LARGEST_INTEGER = 2048  # bits
LARGEST_KEY = 64  # bits; Python's hashes of larger integers can be made to collide
LONGEST_GLOBAL = 1000  # characters of a module's name, and of a name in it
MOST_CHARACTERS = 32 << 20  # of all texts, bytes and names; Python may take four bytes for each
NEWEST_PROTOCOL = 5


@dataclass
class Machine:
    """The state of a machine, with a method per kind of opcode; each takes the opcode's argument.

    Args:
        stack: values above the latest mark.
        below: the stack under each open mark.
        memo: values by index.
        globals: every global named so far, by its exact "module.name".
        storages: the runs of numbers referred to, by their key; the first of each key.
        characters: of all texts so far.
        result: what STOP took.
    """

    stack: list[Any] = field(default_factory=list)
    below: list[list[Any]] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)
    globals: dict[str, Global] = field(default_factory=dict)
    storages: dict[str, StoredStorage] = field(default_factory=dict)
    characters: int = 0
    result: object = None

    def protocol(self, number: int) -> None:
        if number > NEWEST_PROTOCOL:
            raise ValueError(f"pickle protocol {number}")

    def refuse_buffer(self, _: object) -> None:
        raise ValueError("a buffer that lies outside the file")

    def push(self, value: object) -> None:
        self.stack.append(value)

    def mark(self, _: object) -> None:
        self.below.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        """Take everything above the last mark."""
        items, self.stack = self.stack, self.below.pop()
        return items

    def pop(self, _: object) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.since_mark()

    def number(self, value: Any) -> None:
        if type(value) is int and value.bit_length() > LARGEST_INTEGER:
            raise ValueError(f"an integer of over {LARGEST_INTEGER} bits")
        self.push(value)

    def text(self, value: Any) -> None:
        self.count(len(value))
        self.push(value)

    def count(self, characters: int) -> None:
        self.characters += characters
        if self.characters > MOST_CHARACTERS:
            raise ValueError(f"texts of over {MOST_CHARACTERS} characters")

    def top_as_tuple(self, count: int) -> None:
        if len(self.stack) < count:
            raise ValueError("a tuple of more than the stack holds")
        items = tuple(self.stack[-count:])
        del self.stack[-count:]
        self.push(items)

    def remember(self, place: Any) -> None:
        index = len(self.memo) if place is None else place
        if not 0 <= index < 2**32:
            raise ValueError("a memo index out of range")
        self.memo[index] = self.stack[-1]

    def append(self, _: object) -> None:
        value = self.stack.pop()
        _entries(self.stack[-1]).append(value)

    def appends(self, _: object) -> None:
        values = self.since_mark()
        _entries(self.stack[-1]).extend(values)

    def set_item(self, _: object) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        _set_items(self.stack[-1], [key, value])

    def set_items(self, _: object) -> None:
        items = self.since_mark()
        _set_items(self.stack[-1], items)

    def make_dict(self, _: object) -> None:
        new: dict[object, object] = {}
        _set_items(new, self.since_mark())
        self.push(new)

    def name(self, module: str, name: str) -> Global:
        full = f"{module[:LONGEST_GLOBAL]}.{name[:LONGEST_GLOBAL]}"
        if full not in self.globals:
            self.globals[full] = Global(full)
            self.count(len(full))
        if len(module) > LONGEST_GLOBAL or len(name) > LONGEST_GLOBAL:
            raise ValueError(f"a global with a name of over {LONGEST_GLOBAL} characters")
        return self.globals[full]

    def push_named(self, argument: str) -> None:
        self.push(self.name(*_split(argument)))

    def push_named_on_stack(self, _: object) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise ValueError("a global whose name is not text")  # noqa: TRY004  damage, as all here
        self.push(self.name(module, name))

    def push_extension(self, code: int) -> None:
        self.push(self.name("copyreg", f"extension {code}"))

    def recall(self, place: Any) -> None:
        if place not in self.memo:
            raise ValueError("a memo entry that was never set")
        self.push(self.memo[place])

    def call(self, _: object) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        self.push(_call(function, arguments))

    def call_with_keywords(self, _: object) -> None:
        keywords, arguments, function = self.stack.pop(), self.stack.pop(), self.stack.pop()
        self.push(_call(function, (arguments, keywords)))

    def call_since_mark(self, _: object) -> None:
        function, *arguments = self.since_mark()
        self.push(_call(function, tuple(arguments)))

    def call_named(self, argument: str) -> None:
        self.push(_call(self.name(*_split(argument)), tuple(self.since_mark())))

    def build(self, _: object) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, Call):
            target.state = state
        elif type(target) not in (dict, list, StoredTensor):  # of these it is attributes beside the data
            raise ValueError("a state for something that has none")

    def refer(self, _: object) -> None:
        found = referred(self.stack.pop())
        if isinstance(found, StoredStorage):
            self.storages.setdefault(found.key, found)
        self.push(found)

    def refer_by_text(self, text: str) -> None:
        self.push(Persistent(text))

    def stop(self, _: object) -> None:
        self.result = self.stack.pop()


def _split(argument: str) -> tuple[str, str]:
    """Module and name of GLOBAL and INST; genops joins the two lines with a space."""
    module, _, name = argument.partition(" ")
    return module, name


def _call(function: object, arguments: object) -> object:
    if not isinstance(arguments, tuple):
        raise ValueError("a call whose arguments are no tuple")  # noqa: TRY004  damage, as all here
    if isinstance(function, Global):
        return made(function.name, arguments)
    if isinstance(function, Call):
        return Call("the result of another call", arguments)
    raise ValueError("a call of something that is no function")


def _entries(target: object) -> list[object]:
    if isinstance(target, list):
        return target
    if isinstance(target, Call):
        return target.entries
    raise ValueError("something appended to what is no list")


def _set_items(target: object, items: list[Any]) -> None:
    """Set key, value, key, value, ...; a key that is no scalar is wrapped: none is hashed deeply."""
    if len(items) % 2:
        raise ValueError("a key without a value")
    pairs = zip(items[::2], items[1::2], strict=True)
    if isinstance(target, dict):
        for key, value in pairs:
            target[key if _is_plain_key(key) else Key(key)] = value
    elif isinstance(target, Call):
        target.entries.extend(pairs)
    else:
        raise ValueError("an item set in what is no dict")  # noqa: TRY004  damage, as all here


def _is_plain_key(key: object) -> bool:
    if isinstance(key, int):
        return key.bit_length() <= LARGEST_KEY
    return key is None or isinstance(key, (str, float, bytes))
