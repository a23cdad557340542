"""Broken entries of a source cost themselves and nothing else, and are named."""

from __future__ import annotations

import json
import os
import tarfile

import pytest
from drawn_pairs import encode, noise, write_tar

from clipsan.errors import DataError
from clipsan.pairs import open_pairs
from clipsan.pairs.captions import MAX_BYTES, caption_from_bytes, caption_from_text
from clipsan.pairs.pairset import Skipped

PICTURE = encode(noise(16, 16))


def _reasons(pairs):
    return {skipped.name: skipped.reason for skipped in pairs.skipped}


def test_rows_of_a_table(tmp_path):
    for name in ("a.png", "b,c.png", "d.png"):
        (tmp_path / name).write_bytes(PICTURE)
    os.mkfifo(tmp_path / "pipe.png")
    rows = [
        b"image,caption",
        b"a.png,  a \t cat\x07 ",
        b'"b,c.png","two\nlines"',
        b"",
        b"d.png,caf\xe9",
        b"\xff.png,a name that is not UTF-8",
        b"d.png,   ",
        b"gone.png,a dog",
        b"../a.png,outside",
        b"x/../../a.png,outside",
        b"pipe.png,never opened",
        b"d.png,one,comma too many",
        b"nul\0.png,text",
        "d.png,naïve".encode(),
    ]
    (tmp_path / "t.csv").write_bytes(b"\r\n".join(rows))
    pairs = open_pairs(tmp_path / "t.csv")
    assert pairs.captions == ["a cat", "two lines", "naïve"]
    assert pairs.names == ["a.png", "b,c.png", "d.png"]
    assert pairs.read(1) == PICTURE
    reasons = _reasons(pairs)
    # the record of two lines and the blank line count: lines are those of the file
    assert reasons["t.csv:6 (d.png)"] == "its caption is not UTF-8"
    assert reasons["t.csv:7 (\\udcff.png)"] == "the image's path is not UTF-8"
    assert reasons["t.csv:8 (d.png)"] == "its caption is empty"
    assert reasons["t.csv:9 (gone.png)"] == "the image is missing"
    assert reasons["t.csv:10 (../a.png)"] == "the image's path leaves the folder"
    assert reasons["t.csv:11 (x/../../a.png)"] == "the image's path leaves the folder"
    assert reasons["t.csv:12 (pipe.png)"] == "the image is not a file"
    assert reasons["t.csv:13"] == "the row has 3 values for 2 columns"
    assert len(reasons) == len(pairs.skipped) == 9  # and the NUL, worded by the Python version


def test_an_unclosed_quote_does_not_swallow_rows_unseen(tmp_path):
    (tmp_path / "a.png").write_bytes(PICTURE)
    rows = ["filepath\ttitle", "a.png\tfine", 'a.png\t"never closed'] + ["a.png\tlost"] * 300
    (tmp_path / "t.tsv").write_text("\n".join(rows))
    pairs = open_pairs(tmp_path / "t.tsv")
    assert pairs.captions == ["fine"]
    assert _reasons(pairs) == {"t.tsv:3": "the row cannot be read as CSV, perhaps for an unclosed quote"}


def test_lines_of_metadata_jsonl(tmp_path):
    (tmp_path / "a.png").write_bytes(PICTURE)
    good = {"file_name": "a.png", "text": "x" * 1_000_000}
    lines = [
        json.dumps(good).encode(),
        b"{",
        b'{"file_name": "a.png", "text": "\xff"}',
        b'{"file_name": "a.png", "text": "\\ud800"}',
        b'{"file_name": "a.png"}',
        b'{"file_name": 3, "text": "x"}',
        b'["a.png", "x"]',
        b"[" * 100_000,
        json.dumps({"file_name": str(tmp_path / "a.png"), "text": "x"}).encode(),
    ]
    (tmp_path / "metadata.jsonl").write_bytes(b"\xef\xbb\xbf" + b"\n".join(lines))
    pairs = open_pairs(tmp_path)
    assert [len(caption) for caption in pairs.captions] == [4096]
    reasons = [skipped.reason for skipped in pairs.skipped]
    lacks = "the line lacks file_name or text, or they are not text"
    assert reasons == [
        "the line is not JSON",
        "the line is not UTF-8",
        "its caption is not UTF-8",
        lacks,
        lacks,
        lacks,
        "the line is not JSON",
        "the image's path is absolute",
    ]


def test_a_million_characters_in_a_csv_field(tmp_path):
    (tmp_path / "a.png").write_bytes(PICTURE)
    (tmp_path / "t.csv").write_text("image,caption\na.png," + "long " * 200_000)
    (caption,) = open_pairs(tmp_path / "t.csv").captions
    assert caption == ("long " * 820)[:4096].rstrip()


def test_img2dataset_files(tmp_path):
    for name in ("a.jpg", "b.JPG", "c.jpg", "c.png", "d.jpg", "._a.jpg"):
        (tmp_path / name).write_bytes(PICTURE)
    for name, data in {"a": b"a", "b": b"b", "c": b"c", "d": b" \n", "e": b"e"}.items():
        (tmp_path / f"{name}.txt").write_bytes(data)
    (tmp_path / "a.json").write_text("{}")
    pairs = open_pairs(tmp_path)
    assert (pairs.names, pairs.captions) == (["a", "b", "c"], ["a", "b", "c"])
    assert _reasons(pairs) == {
        "c": "c.png is a second image of this name",
        "d": "its caption is empty",
        "e": "no image beside the caption file",
    }


def test_members_of_a_tar(tmp_path):
    long = "f" * 150  # needs an extended header
    members = [
        ("../../etc/a.jpg", PICTURE),
        ("../../etc/a.txt", b"a name that is never a path"),
        ("b.seg.jpg", b"not b's picture"),
        ("b.txt", b"no picture"),
        ("c.png", PICTURE),
        ("d.webp", PICTURE),
        ("d.txt", b"\xff\xfe"),
        (f"{long}.PNG", PICTURE),
        (f"{long}.txt", b"first"),
        (f"{long}.txt", b"second"),
    ]
    write_tar(tmp_path / "t.tar", members)
    with tarfile.open(tmp_path / "t.tar", "a") as tar:
        link = tarfile.TarInfo("e.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    pairs = open_pairs(tmp_path / "t.tar")
    assert pairs.names == ["t.tar/../../etc/a", f"t.tar/{long}"]
    assert pairs.captions == ["a name that is never a path", "first"]
    assert [pairs.read(i) for i in range(2)] == [PICTURE, PICTURE]
    assert sorted(skipped.reason for skipped in pairs.skipped) == [
        "is a link or device, not a file",
        "is named twice in its archive",
        "its caption is not UTF-8",
        "no caption (.txt) of this name",
        "no image (jpg, png, webp) of this name",
        "no image (jpg, png, webp) of this name",
    ]


def _pairs_tar(path, count=3):
    write_tar(path, [(f"{i}.{e}", d) for i in range(count) for e, d in (("png", PICTURE), ("txt", b"text"))])
    return path.read_bytes()


def test_damaged_tars_keep_what_is_before_the_damage(tmp_path):
    whole = _pairs_tar(tmp_path / "0.tar")
    assert len(PICTURE) < 1024  # a member is then header + 2 blocks, a caption header + 1 block: 2560 a pair
    (tmp_path / "1.tar").write_bytes(whole[: 2560 + 700])
    (tmp_path / "2.tar").write_bytes(whole[:2560] + b"\x07" * 512 + whole[3072:])
    (tmp_path / "3.tar").write_bytes(whole[:2560])  # no end mark: allowed
    (tmp_path / "4.tar").write_bytes(b"")
    pairs = open_pairs(tmp_path)
    assert [name.split("/")[0] for name in pairs.names] == ["0.tar"] * 3 + ["1.tar", "2.tar", "3.tar"]
    assert [skipped.name for skipped in pairs.skipped] == ["1.tar", "2.tar", "4.tar"]
    assert "no member begins at byte 2560" in pairs.skipped[1].reason


def test_a_tar_with_a_negative_size_ends(tmp_path):
    """Older Pythons go in circles on such a header (CVE-2025-8194)."""
    info = tarfile.TarInfo("a.png")
    info.size = -1024
    header = info.tobuf(tarfile.GNU_FORMAT)
    (tmp_path / "t.tar").write_bytes(_pairs_tar(tmp_path / "0.tar")[:2560] + header + bytes(2048))
    pairs = open_pairs(tmp_path)
    assert len(pairs) == 4
    assert [skipped.name for skipped in pairs.skipped] == ["t.tar"]


@pytest.mark.parametrize(("mode", "name"), [("w:gz", "t.tar.gz"), ("w:gz", "t.tar"), ("w:xz", "t.tar")])
def test_compressed_tars_are_refused(tmp_path, mode, name):
    with tarfile.open(tmp_path / name, mode):
        pass
    with pytest.raises(DataError, match=r"is compressed; decompress it to a plain \.tar first"):
        open_pairs(tmp_path / name)


def test_sparse_tars_are_refused(tmp_path):
    info = tarfile.TarInfo("a.png")
    info.type = tarfile.GNUTYPE_SPARSE
    (tmp_path / "t.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(DataError, match=r"holds a sparse member, a\.png"):
        open_pairs(tmp_path / "t.tar")


def test_captions():
    assert caption_from_text("\ufeff a\n\n b\u00a0c\x1b[31m ") == "a b c [31m"
    cut = "é".encode() * MAX_BYTES  # cut after an odd byte: inside a character
    assert caption_from_bytes(b"x" + cut[: MAX_BYTES - 1]) == "x" + "é" * 4095
    for bad in (b"", b" \n\t", b"\xef\xbb\xbf", b"\x00", b"\xff", b"a\xc3"):
        with pytest.raises(DataError):
            caption_from_bytes(bad)


def test_what_was_skipped_can_be_printed():
    skipped = Skipped("\x1b[2J\udcff" + "n" * 500, "new\nline")
    assert skipped.name.startswith("\\x1b[2J\\udcff") and len(skipped.name) <= 120
    assert skipped.reason == "new\\nline"
