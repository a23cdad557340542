"""Parquet files: what is broken costs itself, what lies is bounded, and images are found again."""

from __future__ import annotations

import os
import pickle

import pyarrow as pa
import pytest
from drawn_pairs import drawn_pairs, encode, noise, write_parquet

from clipsan.errors import DataError
from clipsan.pairs import Reading, open_pairs, parquet
from clipsan.pairs.parquet_process import MAX_CAPTION_BYTES

PICTURE = encode(noise(16, 16))


def _reasons(pairs):
    return {skipped.name: skipped.reason for skipped in pairs.skipped}


def test_rows_of_a_parquet_file(tmp_path):
    (tmp_path / "beside.png").write_bytes(PICTURE + b"beside")
    os.mkfifo(tmp_path / "pipe.png")
    rows = [
        ({"bytes": PICTURE, "path": "/etc/passwd"}, b"  a \t cat\x07 "),
        (None, b"no image"),
        ({"bytes": None, "path": "beside.png"}, "naïve".encode()),
        ({"bytes": None, "path": None}, b"nothing at all"),
        ({"bytes": None, "path": "../x.png"}, b"outside"),
        ({"bytes": None, "path": "pipe.png"}, b"never opened"),
        ({"bytes": None, "path": "gone.png"}, b"gone"),
        ({"bytes": PICTURE, "path": None}, b"caf\xe9"),
        ({"bytes": PICTURE, "path": None}, b" \n"),
        ({"bytes": PICTURE, "path": None}, None),
        ({"bytes": PICTURE, "path": None}, b"long " * 200_000),
        ({"bytes": PICTURE, "path": None}, "é".encode() * MAX_CAPTION_BYTES),
        ({"bytes": PICTURE, "path": None}, b"x" + "é".encode() * MAX_CAPTION_BYTES),
        ({"bytes": b"", "path": None}, b"zero bytes"),
    ]
    captions = pa.array([text for _, text in rows], pa.binary()).view(
        pa.string()
    )  # never checked to be UTF-8
    images = pa.array([image for image, _ in rows])
    write_parquet(tmp_path / "t.parquet", pa.table({"image": images, "text": captions}), row_group_size=4)
    pairs = open_pairs(tmp_path)
    assert [caption[:12] for caption in pairs.captions] == [
        "a cat", "naïve", "long long lo", "é" * 12, "x" + "é" * 11, "zero bytes",
    ]  # fmt: skip
    assert max(len(caption) for caption in pairs.captions) == 4096
    assert [pairs.read(i) for i in range(3)] == [PICTURE, PICTURE + b"beside", PICTURE]
    assert pairs.read(5) == b""
    assert _reasons(pairs) == {
        "t.parquet/0/1": "it has no image",
        "t.parquet/0/3": "it has no image",
        "t.parquet/1/0": "the image's path leaves the folder",
        "t.parquet/1/1": "the image is not a file",
        "t.parquet/1/2": "the image is missing",
        "t.parquet/1/3": "its caption is not UTF-8",
        "t.parquet/2/0": "its caption is empty",
        "t.parquet/2/1": "it has no caption",
    }


def test_a_list_of_captions_is_as_many_pairs(tmp_path):
    columns = {"img": [PICTURE, PICTURE + b"2", PICTURE], "captions": [["a", "b", ""], [], None]}
    pairs = open_pairs(write_parquet(tmp_path / "t.parquet", columns))
    assert (pairs.captions, pairs.names) == (["a", "b"], ["t.parquet/0/0"] * 2)
    reasons = [skipped.reason for skipped in pairs.skipped]
    assert reasons == ["its caption is empty", "it has no caption", "it has no caption"]


@pytest.mark.parametrize(
    ("columns", "reading", "captions"),
    [
        ({"picture": [PICTURE], "alt": ["x"], "text": ["y"]}, Reading(), ["y"]),  # the only bytes there are
        ({"picture": [PICTURE], "alt": ["x"], "text": ["y"]}, Reading(caption_column="alt"), ["x"]),
        ({"a": [PICTURE], "b": [b"?"], "c": ["y"]}, Reading("a", "c"), ["y"]),
        (
            {"image": [PICTURE], "filepath": ["no.png"], "title": ["y"]},
            Reading(),
            ["y"],
        ),  # bytes before paths
        ({"image": [PICTURE], "n": [1]}, Reading(captionless=True), [""]),
    ],
)
def test_columns_are_found_or_named(tmp_path, columns, reading, captions):
    pairs = open_pairs(write_parquet(tmp_path / "t.parquet", columns), reading)
    assert pairs.captions == captions and pairs.read(0) == PICTURE


@pytest.mark.parametrize(
    ("columns", "reading", "says"),
    [
        (
            {"a": [PICTURE], "b": [PICTURE], "text": ["y"]},
            Reading(),
            "columns are a, b, text: name them with",
        ),
        ({"image": [PICTURE], "n": [1]}, Reading(), "name them with --image-column and --caption-column"),
        ({"image": [PICTURE], "text": ["y"]}, Reading(image_column="im\x1bg"), r"has no column im\x1bg"),
        ({"n": [1]}, Reading(), "its columns are nothing"),
    ],
)
def test_columns_that_do_not_fit_are_one_sentence(tmp_path, columns, reading, says):
    with pytest.raises(DataError) as caught:
        open_pairs(write_parquet(tmp_path / "t.parquet", columns), reading)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def _good(path):
    return write_parquet(path, {"image": [PICTURE] * 4, "text": list("abcd")}, row_group_size=2).read_bytes()


def test_broken_files_cost_themselves(tmp_path):
    whole = _good(tmp_path / "0.parquet")
    at = whole.index(PICTURE)
    (tmp_path / "1.parquet").write_bytes(b"")
    (tmp_path / "2.parquet").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "3.parquet").write_bytes(b"PAR1" + b"\xff" * 200 + b"PAR1")
    (tmp_path / "4.parquet").write_bytes(whole[:4] + bytes(at - 4) + whole[at:])  # no page header
    (tmp_path / "5.parquet").write_bytes(whole)
    pairs = open_pairs(tmp_path)
    assert pairs.captions == [*"abcd", *"cd", *"abcd"]
    assert [skipped.name for skipped in pairs.skipped] == [
        "1.parquet", "2.parquet", "3.parquet", "4.parquet row group 0",
    ]  # fmt: skip
    assert "damaged" in pairs.skipped[0].reason and "cannot be used" in pairs.skipped[3].reason


def test_any_byte_may_be_wrong(tmp_path):
    """No flipped byte stops the reading of the file beside it."""
    whole = bytearray(_good(tmp_path / "z.parquet"))
    for number, at in enumerate(range(4, len(whole), len(whole) // 60)):
        broken = bytearray(whole)
        broken[at] ^= 0x5A
        (tmp_path / f"{number:03d}.parquet").write_bytes(broken)
    pairs = open_pairs(tmp_path, Reading(image_column="image", caption_column="text"))
    assert pairs.captions[-4:] == list("abcd") and pairs.skipped
    for index in range(len(pairs)):
        try:
            pairs.read(index)
        except DataError as error:
            assert "cannot be read" in str(error)


def test_a_file_that_unpacks_to_gigabytes_is_refused_within_bounds(tmp_path):
    """A dictionary holds one image of 16 MB, and 1000 rows name it: 16 GB of images in a file of 16 kB."""
    value = pa.array([bytes(16 << 20)], pa.binary())
    images = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), value)
    bomb = pa.table({"image": images, "text": pa.array(["boom"] * 1000)})
    path = write_parquet(
        tmp_path / "0.parquet", bomb, 1000, compression="zstd", dictionary_pagesize_limit=1 << 30,
        store_schema=False,
    )  # fmt: skip
    assert path.stat().st_size < 50_000
    _good(tmp_path / "1.parquet")
    pairs = open_pairs(tmp_path)
    assert pairs.captions == list("abcd")
    (skipped,) = pairs.skipped
    assert skipped.name == "0.parquet row group 0" and "cannot be used (malloc of size" in skipped.reason


def test_row_groups_are_kept_within_a_bound_and_windows_follow(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "KEPT_BYTES", 60_000)
    drawn = drawn_pairs(200)
    columns = {"image": [data for _, data, _ in drawn], "text": [text for *_, text in drawn]}
    pairs = open_pairs(write_parquet(tmp_path / "t.parquet", columns, row_group_size=20))
    total = sum(len(data) for _, data, _ in drawn)
    assert pairs.origins[0].window == 200 * 30_000 // total
    images = pairs._images
    for index in (0, 199, 5, 60, 100, 199, 0):
        assert pairs.read(index) == drawn[index][1]
        assert 1 <= len(images._kept) <= 4
    copy = pickle.loads(pickle.dumps(images))
    assert copy.read(77) == drawn[77][1] and copy.tail(77, 10) == drawn[77][1][-10:]


def test_pyarrow_missing_is_said_with_the_extra(tmp_path, monkeypatch):
    _good(tmp_path / "t.parquet")
    monkeypatch.setattr(parquet, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"pip install 'clipsan\[data\]'"):
        open_pairs(tmp_path)
