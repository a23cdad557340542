"""The zip around the pickles: what is not as torch writes it is refused; nothing is unpacked."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import zipfile

import pytest
import torch

from clipsan.checkpoint.formats import read
from clipsan.checkpoint.opened import open_path
from clipsan.errors import CheckpointError, UnsafeFileError

EMPTY = b"\x80\x02}."


def saved():
    """A file of torch.save, as bytes."""
    buffer = io.BytesIO()
    torch.save({"w": torch.arange(6.0)}, buffer)
    return buffer.getvalue()


def zipped(*members):
    """A zip of (name, content), or (name, content, compression)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content, *compression in members:
            archive.writestr(name, content, *compression)
    return buffer.getvalue()


def encrypted():
    content = bytearray(zipped(("m/data.pkl", EMPTY)))
    content[content.rindex(b"PK\1\2") + 8] |= 1
    return bytes(content)


def lying_sizes():
    """The table of contents says that a stored member is longer unpacked."""
    content = bytearray(zipped(("m/data.pkl", EMPTY), ("m/data/0", b"0" * 400)))
    at = content.index(b"PK\1\2") + 24
    content[at : at + 4] = struct.pack("<I", 100)
    return bytes(content)


def lying_place():
    """The table of contents points a member to a place where no member begins."""
    content = bytearray(zipped(("m/data.pkl", EMPTY)))
    at = content.index(b"PK\1\2") + 42
    content[at : at + 4] = struct.pack("<I", 10)
    return bytes(content)


def lying_name():
    """The member's own header has another name than the table of contents."""
    return zipped(("m/data.pkl", EMPTY)).replace(b"m/data.pkl", b"x/evil.pkl", 1)


def overlapping():
    """Two entries of the table of contents share the numbers of one member."""
    content = zipped(("m/data.pkl", EMPTY), ("m/data/0", b"0" * 4000), ("m/data/1", b"0"))
    at = content.rindex(b"PK\1\2")
    size = struct.pack("<2L", 4000, 4000)
    return content[: at + 20] + size + content[at + 28 :]


def long_table():
    """200 000 entries in the table of contents, each in 53 bytes."""
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0)
    table = b"".join(entry + b"%07d" % number for number in range(200_000))
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65535, 65535, len(table), 30, 0)
    return b"PK\3\4" + b"\0" * 26 + table + end


FAULTS = {
    "nested": (lambda: zipped(("model.pt", saved())), "is a zip with no data.pkl inside"),
    "nested deeper": (lambda: zipped(("a/b/data.pkl", EMPTY)), "is a zip with no data.pkl inside"),
    "two models": (lambda: zipped(("a/data.pkl", EMPTY), ("b/data.pkl", EMPTY)), "is a zip with 2 data.pkl"),
    "empty": (lambda: zipped(), "is a zip with no data.pkl inside"),
    "compressed": (
        lambda: zipped(("m/data.pkl", EMPTY * 9, zipfile.ZIP_DEFLATED), ("m/x", b"0" * 99)),
        "'m/data.pkl' in its archive is compressed",
    ),
    "compressed otherwise": (
        lambda: zipped(("m/code/a.py", b"a" * 9, zipfile.ZIP_BZIP2), ("m/x", b"0" * 99)),
        "'m/code/a.py' in its archive is compressed",
    ),
    "bomb": (
        lambda: zipped(("m/data.pkl", b"0" * 10_000_000, zipfile.ZIP_DEFLATED)),
        "'m/data.pkl' in its archive is compressed",
    ),
    "bomb of text": (
        lambda: zipped(("m/data.pkl", EMPTY), ("m/code/a.py", b"0" * 20_000_000, zipfile.ZIP_DEFLATED)),
        "its program text takes more than 16 MB",
    ),
    "outside": (
        lambda: zipped(("m/data.pkl", EMPTY), ("m/../../x", b"")),
        "named as torch.save names nothing",
    ),
    "absolute": (lambda: zipped(("m/data.pkl", EMPTY), ("/x", b"")), "named as torch.save names nothing"),
    "backslash": (lambda: zipped(("m/data.pkl", EMPTY), ("m\\x", b"")), "named as torch.save names nothing"),
    "escapes": (
        lambda: zipped(("m/data.pkl", EMPTY), ("m/\x1b[2J", b"")),
        "named as torch.save names nothing",
    ),
    "large pickle": (
        lambda: zipped(("m/data.pkl", b"0" * (65 << 20))),
        "'m/data.pkl' in its archive is a pickle above 64 MB",
    ),
    "overlapping": (overlapping, "claim more than the file holds"),
    "encrypted": (encrypted, "is encrypted"),
    "two sizes": (lying_sizes, "in its archive has two sizes"),
    "wrong place": (lying_place, r"nothing lies where m/data\.pkl should"),
    "wrong name": (lying_name, r"nothing lies where m/data\.pkl should"),
    "long table": (long_table, "table of contents of its archive takes more than 8 MB"),
    "no end": (lambda: saved()[:300], "is a truncated archive"),
    "end alone": (lambda: b"PK\5\6" + b"\0" * 18, "is a zip with no data.pkl inside"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_archives_that_torch_did_not_write(case, tmp_path):
    content, sentence = FAULTS[case]
    (tmp_path / "m.pt").write_bytes(content())
    with pytest.raises(CheckpointError, match=sentence) as caught:
        read(tmp_path / "m.pt")
    assert str(caught.value).isprintable()
    assert list(tmp_path.iterdir()) == [tmp_path / "m.pt"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_there_twice(tmp_path):
    """Readers differ in which one they take."""
    (tmp_path / "m.pt").write_bytes(zipped(("m/data.pkl", EMPTY), ("m/data.pkl", b"\x80\x02N.")))
    with pytest.raises(CheckpointError, match=r"'m/data\.pkl' in its archive is there twice"):
        read(tmp_path / "m.pt")


def test_every_pickle_of_an_archive_is_looked_at(tmp_path):
    (tmp_path / "m.pt").write_bytes(zipped(("m/data.pkl", EMPTY), ("m/more/x.pkl", b"cos\nsystem\n.")))
    with pytest.raises(UnsafeFileError, match=r"names os\.system"):
        read(tmp_path / "m.pt")


def test_unsafe_names_are_told_before_other_faults(tmp_path):
    (tmp_path / "m.pt").write_bytes(zipped(("x.pkl", b"cos\nsystem\n.")))  # no data.pkl
    assert open_path(tmp_path / "m.pt").look.scan().unsafe == ("os.system",)


def test_the_start_of_a_file_decides(tmp_path):
    """torch.load takes a file for a zip by its first bytes, so a zip behind a pickle changes nothing."""
    (tmp_path / "m.pt").write_bytes(b"\x80\x02cos\nsystem\n." + saved())
    with pytest.raises(UnsafeFileError, match=r"names os\.system"):
        read(tmp_path / "m.pt")


def test_members_where_another_tool_put_them(tmp_path):
    """Unaligned, with extra fields in the headers, and in another order."""
    with zipfile.ZipFile(io.BytesIO(saved())) as archive:
        members = [(name, archive.read(name)) for name in reversed(archive.namelist())]
    for shift in range(4):
        with zipfile.ZipFile(tmp_path / "m.pt", "w") as archive:
            for name, content in members:
                info = zipfile.ZipInfo(name)
                info.extra = struct.pack("<HH", 0xCAFE, shift) + b"0" * shift
                archive.writestr(info, content)
        found = read(tmp_path / "m.pt").tensors.read("w")
        assert torch.equal(found, torch.arange(6.0))


@pytest.mark.parametrize("packer", [gzip, bz2, lzma], ids=["gzip", "bzip2", "xz"])
def test_a_packed_file_names_its_packer(packer, tmp_path):
    (tmp_path / "m.pt").write_bytes(packer.compress(saved()))
    name = {gzip: "gzip", bz2: "bzip2", lzma: "xz"}[packer]
    with pytest.raises(CheckpointError, match=f"is compressed with {name}; unpack it"):
        read(tmp_path / "m.pt")
