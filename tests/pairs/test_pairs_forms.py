"""The same pairs in every form are the same pairs."""

from __future__ import annotations

import csv
import hashlib
import json

import pytest
from drawn_pairs import thirty_pairs, write_tar

from clipsan.errors import DataError
from clipsan.pairs import BatchStream, ImageReader, open_pairs
from clipsan.pairs.pairset import text_digest


@pytest.fixture
def thirty():
    return thirty_pairs()


def _images(folder, thirty):
    folder.mkdir(parents=True, exist_ok=True)
    for key, data, _ in thirty:
        (folder / f"{key}.jpg").write_bytes(data)


def metadata_jsonl(root, thirty):
    _images(root / "images", thirty)
    lines = [json.dumps({"file_name": f"images/{key}.jpg", "text": text}) for key, _, text in thirty]
    (root / "metadata.jsonl").write_text("\n".join(lines), "utf-8")
    return root


def metadata_csv(root, thirty):
    return _table(root, thirty, "metadata.csv", ["file_name", "text"], ",").parent


def open_clip_tsv(root, thirty):
    return _table(root, thirty, "train.csv", ["filepath", "title"], "\t")


def par_csv(root, thirty):
    return _table(root, thirty, "train.csv", ["image", "caption"], ",")


def absolute_csv(root, thirty):
    return _table(root, thirty, "train.csv", ["image", "caption"], ",", prefix=f"{root}/")


def _table(root, thirty, name, header, delimiter, prefix=""):
    _images(root, thirty)
    with (root / name).open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(header)
        writer.writerows((f"{prefix}{key}.jpg", text) for key, _, text in thirty)
    return root / name


def _members(thirty):
    return [
        (f"./{key}.{ending}", data)
        for key, image, text in thirty
        for ending, data in (("jpg", image), ("json", b"{}"), ("txt", text.encode()))
    ]


def one_tar(root, thirty):
    write_tar(root / "all.tar", _members(thirty))
    return root / "all.tar"


def tar_folder(root, thirty):
    write_tar(root / "00000.tar", _members(thirty[:11]))
    write_tar(root / "00001.tar", _members(thirty[11:]))
    return root


def img2dataset(root, thirty):
    for shard, part in (("00000", thirty[:11]), ("00001", thirty[11:])):
        _images(root / shard, part)
        for key, _, text in part:
            (root / shard / f"{key}.txt").write_text(f"  {text}\n", "utf-8")
    return root


def plain_folder(root, thirty):
    _images(root, thirty)
    for key, _, text in thirty:
        (root / f"{key}.txt").write_text(text, "utf-8")
    return root


WRITERS = [
    metadata_jsonl,
    metadata_csv,
    open_clip_tsv,
    par_csv,
    absolute_csv,
    one_tar,
    tar_folder,
    img2dataset,
    plain_folder,
]


def _stream_hash(source):
    pairs = open_pairs(source)
    assert (len(pairs), pairs.skipped) == (30, [])
    digest = hashlib.sha256()
    with BatchStream(ImageReader(pairs, {}, (16, 16)), 30, 8, seed=5) as stream:
        for (pixels, indices), _ in zip(stream, range(9), strict=False):
            assert pixels.shape == (8, 3, 16, 16)
            digest.update(pixels.numpy().tobytes())
            digest.update("\n".join(pairs.captions[i] for i in indices).encode())
    return digest.hexdigest()


def test_every_form_gives_the_same_stream(tmp_path, thirty):
    hashes = {}
    for writer in WRITERS:
        root = tmp_path / writer.__name__
        root.mkdir()
        hashes[writer.__name__] = _stream_hash(writer(root, thirty))
    assert len(set(hashes.values())) == 1, hashes
    thirty[0] = (thirty[0][0], thirty[1][1], thirty[0][2])
    root = tmp_path / "changed"
    root.mkdir()
    assert _stream_hash(one_tar(root, thirty)) not in hashes.values()


def test_a_jsonl_file_may_be_named_itself(tmp_path, thirty):
    folder = metadata_jsonl(tmp_path, thirty)
    assert open_pairs(folder / "metadata.jsonl").digest() == open_pairs(folder).digest()


def test_digest_moves_with_any_part(tmp_path, thirty):
    before = open_pairs(plain_folder(tmp_path, thirty)).digest()
    assert open_pairs(str(tmp_path)).digest() == before
    (tmp_path / "0003.txt").write_text("another caption")
    changed = open_pairs(tmp_path).digest()
    assert changed != before
    (tmp_path / "0003.jpg").write_bytes(thirty[3][1] + b"\0")
    assert open_pairs(tmp_path).digest() not in (before, changed)


def test_digest_tells_where_one_text_ends():
    assert text_digest(["ab", "c"]) != text_digest(["a", "bc"])
    assert text_digest(["a"]) == hashlib.sha256(b"1:a").hexdigest()


def _only_images(root):
    (root / "a.jpg").write_bytes(b"x")


def _only_captions(root):
    (root / "metadata.csv").write_text("file_name,text\na.jpg,a cat\nb.jpg,a dog\n")


def _nothing_known(root):
    (root / "weights.bin").write_bytes(b"x")


def _other_columns(root):
    (root / "metadata.csv").write_text("url,alt\nhttps://example.org/a.jpg,a cat\n")


def _no_rows(root):
    (root / "metadata.csv").write_text("file_name,text\n")


def _zero_byte_tar(root):
    (root / "0.tar").write_bytes(b"")


def _text_named_tar(root):
    (root / "0.tar").write_bytes(b"not a tar " * 200)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda root: None, "is empty"),
        (_only_images, "let the suspect propose captions over a class list with --captions-from suspect"),
        (_only_captions, "2 skipped, the first metadata.csv:2 (a.jpg): the image is missing"),
        (_nothing_known, "holds no image-caption pairs"),
        (_other_columns, "its columns are url, alt: name them with --image-column and --caption-column"),
        (_no_rows, "it holds no entries"),
        (_zero_byte_tar, "the archive is damaged"),
        (_text_named_tar, "the archive is damaged"),
    ],
)
def test_a_source_without_pairs_is_one_sentence(tmp_path, make, says):
    make(tmp_path)
    with pytest.raises(DataError) as caught:
        open_pairs(tmp_path)
    text = str(caught.value)
    assert says in text
    assert str(tmp_path) in text
    assert "\n" not in text and text.endswith(".")
    assert "webdataset" in text or make in (_other_columns, _only_images)


@pytest.mark.parametrize("name", ["nowhere", "x" * 5000, "a\0b", "file.zip"])
def test_a_path_that_is_no_source(tmp_path, name):
    (tmp_path / "file.zip").write_bytes(b"PK")
    with pytest.raises(DataError):
        open_pairs(tmp_path / name)
