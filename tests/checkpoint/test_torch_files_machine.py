"""The inert pickle machine: it reads what Python would, calls nothing, and cannot be worn out."""

from __future__ import annotations

import argparse
import collections
import pickle
import struct
import time

import numpy
import pytest

from clipsan.checkpoint.torch_files.opcodes import MOST_STEPS, unpickle
from clipsan.checkpoint.torch_files.records import Call, Global, Key, Persistent
from clipsan.checkpoint.torch_files.window import Window, map_file


@pytest.fixture
def read(tmp_path):
    """Reads bytes as one pickle."""

    def reading(content, most_steps=MOST_STEPS):
        path = tmp_path / "p.pkl"
        path.write_bytes(content)
        mapped = map_file(path)
        return unpickle(Window(mapped, 0, len(mapped), 16 << 20), most_steps)

    return reading


PLAIN = {
    "numbers": [0, 1, -1, 255, 256, 65536, -(2**31), 2**40, 2**200, -(2**700), 1.5, -0.0, float("inf")],
    "words": ["", "a", "ä€", "\U0001f600", "x" * 300, "line\nline", "quote'\\"],
    "constants": [None, True, False, (), [], {}],
    "tuples": [(1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), ((1,), [2])],
    "dict": {"a": 1, 2: "b", 2.5: None, None: True, b"k": [1]},
    "nested": {"a": [{"b": (1, [2, {"c": "d"}])}] * 3},
    "long list": list(range(3000)),
    "long dict": {str(n): n for n in range(3000)},
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("case", PLAIN)
def test_plain_data_reads_as_python_reads_it(case, protocol, read):
    value = PLAIN[case]
    if protocol < 3 and case == "dict":
        value = {key: entry for key, entry in value.items() if key != b"k"}  # bytes are a call there
    found = read(pickle.dumps(value, protocol))
    assert found.problem is None
    assert found.value == value
    assert found.names == frozenset()


@pytest.mark.parametrize("protocol", range(6))
def test_sets_bytes_and_containers_become_plain(protocol, read):
    value = {
        "set": {7},
        "frozen": frozenset(["x"]),
        "bytes": b"\x00\xff",
        "ordered": collections.OrderedDict([("a", 1)]),
        "counter": collections.Counter("aab"),
        "default": collections.defaultdict(list, {"a": [1]}),
    }
    found = read(pickle.dumps(value, protocol))
    assert found.problem is None
    assert found.value == {
        "set": [7],
        "frozen": ["x"],
        "bytes": b"\x00\xff",
        "ordered": {"a": 1},
        "counter": {"a": 2, "b": 1},
        "default": {"a": [1]},
    }


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("kind", ["bool", "int8", "int16", "int64", "uint8", "float16", "float32", "float64"])
def test_numpy_scalars_become_numbers(kind, protocol, read):
    scalar = numpy.dtype(kind).type(1)
    found = read(pickle.dumps([scalar, scalar], protocol))
    assert found.value == [1, 1]
    assert type(found.value[0]) is type(scalar.item())


def test_numpy_scalar_of_the_other_byte_order(read):
    minus_one = b"J\xff\xff\xff\xff"
    state = b"(K\x03X\x01\0\0\0>NNN" + minus_one * 2 + b"K\0tb"
    dtype = b"cnumpy\ndtype\n(X\x02\0\0\0i4I00\nI01\ntR" + state
    scalar = b"cnumpy.core.multiarray\nscalar\n(" + dtype + b"C\x04\0\0\x01\x02tR."
    assert read(b"\x80\x03" + scalar).value == 258


def test_arrays_and_namespaces_stay_records(read):
    found = read(pickle.dumps({"array": numpy.arange(3), "args": argparse.Namespace(lr=0.1, layers=[1, 2])}))
    settings = found.value["args"]
    assert isinstance(settings, Call)
    assert (settings.name, settings.arguments) == ("argparse.Namespace", ())
    assert settings.state == {"lr": 0.1, "layers": [1, 2]}
    assert found.value["array"].name.endswith("multiarray._reconstruct")


class Reduced:
    """Pickles to whatever call it is given."""

    def __init__(self, *parts):
        self.parts = parts

    def __reduce__(self):
        return self.parts


def test_a_call_is_written_down_and_not_made(tmp_path, read):
    canary = tmp_path / "canary"
    for protocol in range(6):
        found = read(pickle.dumps({"x": Reduced(exec, (f"open({str(canary)!r}, 'w')",))}, protocol))
        call = found.value["x"]
        assert isinstance(call, Call)
        assert call.name in ("builtins.exec", "__builtin__.exec")
        assert call.arguments == (f"open({str(canary)!r}, 'w')",)
        assert found.names == {call.name}
    assert not canary.exists()


CALLS = {
    "INST": (b"(S'a'\nios\nsystem\n.", "os.system"),
    "OBJ": (b"(cos\nsystem\nS'a'\no.", "os.system"),
    "NEWOBJ": (b"\x80\x02cos\nsystem\nX\x01\0\0\0a\x85\x81.", "os.system"),
    "NEWOBJ_EX": (b"\x80\x04\x8c\x02os\x8c\x06system\x93)}\x92.", "os.system"),
    "STACK_GLOBAL": (b"\x80\x04\x8c\x02os\x94\x8c\x06system\x93)R.", "os.system"),
    "names from the memo": (b"\x80\x04\x8c\x06system\x94\x8c\x02os0\x8c\x02osh\x00\x93)R.", "os.system"),
    "EXT1": (b"\x80\x02\x82\x07)R.", "copyreg.extension 7"),
    "EXT4": (b"\x80\x02\x84\x07\0\0\0)R.", "copyreg.extension 7"),
    "a module with a dot": (b"cos.path\njoin\n)R.", "os.path.join"),
    "a name with a space": (b"cos\nsystem x\n)R.", "os.system x"),
}


@pytest.mark.parametrize("case", CALLS)
def test_each_way_to_call_is_seen(case, read):
    content, name = CALLS[case]
    found = read(content)
    assert found.problem is None
    assert isinstance(found.value, Call)
    assert (found.value.name, found.names) == (name, {name})


def test_what_a_name_is_taken_from_is_exact(read):
    """The texts pushed last are not the ones that STACK_GLOBAL takes: two are popped again."""
    texts = b"".join(b"\x8c" + bytes([len(t)]) + t for t in (b"os", b"system", b"torch", b"Size"))
    assert read(b"\x80\x04" + texts + b"00\x93.").names == {"os.system"}


def test_a_call_of_a_result_and_states_and_items(read):
    getattr_call = b"cbuiltins\ngetattr\ncos\nX\nS'system'\n\x86R"
    found = read(b"\x80\x02" + getattr_call + b"S'ls'\n\x85R.")
    assert found.names == {"builtins.getattr", "os.X"}
    assert found.value.name == "the result of another call"
    found = read(b"\x80\x02ca\nb\n)\x81(S'k'\nK\x01uS'v'\na}S's'\nK\x02sb.")
    assert found.value.entries == [("k", 1), "v"]
    assert found.value.state == {"s": 2}


def test_other_opcodes(read):
    assert read(b"(lp0\nI1\nag0\n\x85.").value == ([1],)
    assert read(b"(dS'a'\nI1\ns.").value == {"a": 1}
    assert read(b"\x80\x04\x8f(K\x01K\x02\x90.").value == [1, 2]
    assert read(b"\x80\x04(K\x01\x91.").value == [1]
    assert read(b"K\x01(K\x02K\x031.").value == 1  # POP_MARK
    assert read(b"K\x01(0.").value == 1  # POP takes a bare mark too
    assert read(b"K\x012\x86.").value == (1, 1)
    assert read(b"\x80\x05\x96\x02\0\0\0\0\0\0\0ab.").value == b"ab"
    assert read(b"L12L\n.").value == 12
    assert read(b"I01\n.").value is True
    persistent = read(b"Pkey\n.").value
    assert isinstance(persistent, Persistent)
    assert persistent.id == "key"
    assert isinstance(read(b"cos\nsystem\n.").value, Global)


def test_keys_that_are_not_scalars_are_wrapped(read):
    found = read(b"\x80\x02}(K\x01K\x02\x86K\x03]K\x04cos\nX\nK\x05u.")
    assert all(isinstance(key, Key) for key in found.value)
    assert list(found.value.values()) == [3, 4, 5]


DAMAGE = {
    "nothing": b"",
    "no end": b"\x80\x02}",
    "unknown opcode": b"\x80\x02\xfe.",
    "protocol 6": b"\x80\x06N.",
    "empty stack": b".",
    "no mark": b"t.",
    "tuple of too much": b"K\x01\x87.",
    "unset memo": b"h\x07.",
    "negative memo": b"Np-1\n.",
    "huge memo": b"Np4294967296\n.",
    "odd items": b"}(K\x01u.",
    "items of a number": b"K\x01(K\x01K\x02u.",
    "append to a dict": b"}K\x01a.",
    "call of text": b"S'a'\n)R.",
    "arguments that are a list": b"cos\nX\n]R.",
    "a state for a number": b"K\x01}b.",
    "name that is no text": b"\x80\x04K\x01K\x02\x93.",
    "buffer outside": b"\x80\x05\x97.",
    "read-only buffer": b"\x80\x05N\x98.",
    "text cut off": b"X\xff\0\0\0ab.",
    "negative length": b"T\xff\xff\xff\xffab.",
    "not UTF-8": b"X\x01\0\0\0\xff.",
    "not a number": b"Iabc\n.",
    "not a float": b"Fabc\n.",
    "endless line": b"I" + b"1" * 5000 + b"\n.",
    "number of 3000 digits": b"L" + b"9" * 3000 + b"L\n.",
    "integer of 64 MB": b"\x8b" + struct.pack("<I", 64 << 20) + b"1" * 100,
    "integer of 17 MB": b"\x8b" + struct.pack("<I", 17 << 20) + b"1" * (17 << 20) + b".",
    "negative integer length": b"\x8b\xff\xff\xff\xff.",
    "text of 17 MB": b"X" + struct.pack("<I", 17 << 20) + b"1" * (17 << 20) + b".",
    "text of 2 EB": b"\x8d" + struct.pack("<Q", 2**61) + b"1.",
    "bytes of 2 EB": b"\x8e" + struct.pack("<Q", 2**61) + b"1.",
    "name of 2000 letters": b"\x80\x04X\xd0\x07\0\0" + b"a" * 2000 + b"X\x01\0\0\0b\x93.",
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_a_problem_in_one_line(case, read, tmp_path):
    content = DAMAGE[case]
    found = read(b"(" * (case == "nothing") + content)  # an empty file cannot be mapped
    assert found.problem
    assert found.problem.isprintable()
    assert len(found.problem) < 300
    assert found.value is None


def test_names_before_damage_are_kept(read):
    assert read(b"cos\nsystem\n(S'x'\ntR\xfe\xfe").names == {"os.system"}


def test_steps_are_bounded(read):
    assert read(b"N" * 100 + b".", 101).problem is None
    found = read(b"N" * 100 + b".", 100)
    assert found.problem == "its pickle has over 100 steps, too many for a model"
    assert found.steps == 101


def test_texts_together_are_bounded(read):
    piece = b"X" + struct.pack("<I", 15 << 20) + b"a" * (15 << 20) + b"0"
    assert "texts of over" in read(piece * 3 + b"N.").problem


def timed(read, content):
    began = time.process_time()
    found = read(content)
    return found, time.process_time() - began


def test_shared_references_are_not_walked(read):
    """Each of 100 lists holds the one before twice: 2^100 leaves in 700 bytes."""
    levels = b"".join(b"]\x94(h" + bytes([n]) + b"h" + bytes([n]) + b"e" for n in range(100))
    found, seconds = timed(read, b"\x80\x04]\x94" + levels + b".")
    assert found.problem is None
    assert len(found.value) == 2
    assert seconds < 0.5
    calls = b"".join(b"ca\nb\nh" + bytes([n]) + b"h" + bytes([n]) + b"\x86R\x94" for n in range(100))
    found, seconds = timed(read, b"\x80\x04]\x94" + calls + b".")
    assert repr(found.value).startswith("<")  # not its content
    assert hash(found.value) == hash(found.value)
    assert seconds < 0.5


def test_deep_nesting_is_read_and_freed(read):
    assert isinstance(read(b")" + b"\x85" * 50_000 + b".").value, tuple)
    calls = read(b"\x80\x04ca\nb\n\x94" + b"h\x00" * 30_000 + b")" + b"R\x85" * 30_000 + b"R.")
    assert isinstance(calls.value, Call)


def test_a_list_may_hold_itself(read):
    found = read(b"]\x94h\x00a.")
    assert found.value[0] is found.value


@pytest.mark.parametrize("bits", [64, 88])
def test_keys_with_equal_hashes_take_no_longer(bits, read):
    """Python hashes an integer modulo 2^61 - 1, so these would share one hash without a limit on keys."""
    step = 2**61 - 1 if bits == 88 else 2**40
    keys = b"".join(b"\x8a\x0b" + (n * step).to_bytes(11, "little") + b"N" for n in range(1, 20_000))
    found, seconds = timed(read, b"\x80\x02}(" + keys + b"u.")
    assert len(found.value) == 19_999
    assert seconds < 5  # 200 million comparisons of integers take longer


def test_repeated_conversions_are_not_paid_for_again(read):
    """The same large argument given to many known calls: none may look through it."""
    members = b"".join(b"J" + struct.pack("<i", n) + b"N" for n in range(20_000))
    counter = (
        b"\x80\x02ccollections\nCounter\n\x94}(" + members + b"u\x94" + b"h\x00h\x01\x85R0" * 20_000 + b"N."
    )
    text = b"X" + struct.pack("<I", 1 << 20) + b"a" * (1 << 20)
    encode = (
        b"\x80\x04c_codecs\nencode\n\x94"
        + text
        + b"\x94\x8c\x06latin1\x94"
        + b"h\x00h\x01h\x02\x86R0" * 20_000
        + b"N."
    )
    for content in (counter, encode):
        found, seconds = timed(read, content)
        assert found.problem is None
        assert seconds < 5


def test_an_index_of_the_memo_allocates_nothing(read):
    assert read(b"K\x05r\xff\xff\xff\xff0j\xff\xff\xff\xff.").value == 5
