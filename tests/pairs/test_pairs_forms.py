"""The same pairs in every form are the same pairs."""

from __future__ import annotations

import csv
import hashlib
import json

import pytest
from drawn_pairs import drawn_pairs, write_parquet, write_tar

from clipsan.errors import DataError
from clipsan.pairs import BatchStream, ImageReader, open_pairs, order_of, split
from clipsan.pairs.pairset import text_digest

COUNT = 500


@pytest.fixture(scope="module")
def drawn():
    return drawn_pairs(COUNT)


def _images(folder, drawn):
    folder.mkdir(parents=True, exist_ok=True)
    for key, data, _ in drawn:
        (folder / f"{key}.jpg").write_bytes(data)


def metadata_jsonl(root, drawn):
    _images(root / "images", drawn)
    lines = [json.dumps({"file_name": f"images/{key}.jpg", "text": text}) for key, _, text in drawn]
    (root / "metadata.jsonl").write_text("\n".join(lines), "utf-8")
    return root


def metadata_csv(root, drawn):
    return _table(root, drawn, "metadata.csv", ["file_name", "text"], ",").parent


def open_clip_tsv(root, drawn):
    return _table(root, drawn, "train.csv", ["filepath", "title"], "\t")


def par_csv(root, drawn):
    return _table(root, drawn, "train.csv", ["image", "caption"], ",")


def absolute_csv(root, drawn):
    return _table(root, drawn, "train.csv", ["image", "caption"], ",", prefix=f"{root}/")


def _table(root, drawn, name, header, delimiter, prefix=""):
    _images(root, drawn)
    with (root / name).open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(header)
        writer.writerows((f"{prefix}{key}.jpg", text) for key, _, text in drawn)
    return root / name


def _members(drawn):
    return [
        (f"./{key}.{ending}", data)
        for key, image, text in drawn
        for ending, data in (("jpg", image), ("json", b"{}"), ("txt", text.encode()))
    ]


def one_tar(root, drawn):
    write_tar(root / "all.tar", _members(drawn))
    return root / "all.tar"


def tar_folder(root, drawn):
    write_tar(root / "00000.tar", _members(drawn[:11]))
    write_tar(root / "00001.tar", _members(drawn[11:]))
    return root


def img2dataset(root, drawn):
    for shard, part in (("00000", drawn[:11]), ("00001", drawn[11:])):
        _images(root / shard, part)
        for key, _, text in part:
            (root / shard / f"{key}.txt").write_text(f"  {text}\n", "utf-8")
    return root


def plain_folder(root, drawn):
    _images(root, drawn)
    for key, _, text in drawn:
        (root / f"{key}.txt").write_text(text, "utf-8")
    return root


def semicolon_table(root, drawn):
    """Names that no library uses are found by the separator and by their kind of name."""
    return _table(root, drawn, "train.csv", ["filename", "sentence"], ";")


def tar_range(root, drawn):
    tar_folder(root, drawn)
    return f"{root}/{{00000..00001}}.tar"


def tar_glob(root, drawn):
    tar_folder(root, drawn)
    return f"{root}/0000?.tar"


def folder_range(root, drawn):
    img2dataset(root, drawn)
    return f"{root}/{{00000,00001}}"


def hugging_face_parquet(root, drawn):
    rows = [{"bytes": data, "path": f"{key}.jpg"} for key, data, _ in drawn]
    return write_parquet(root / "train.parquet", {"image": rows, "text": [text for *_, text in drawn]})


def parquet_of_bytes(root, drawn):
    """As img2dataset writes it, in two files."""
    for name, part in (("00000", drawn[:11]), ("00001", drawn[11:])):
        columns = {"key": [key for key, *_ in part], "jpg": [data for _, data, _ in part]}
        write_parquet(root / f"{name}.parquet", columns | {"caption": [text for *_, text in part]})
    return root


def parquet_of_paths(root, drawn):
    _images(root, drawn)
    columns = {"image_path": [f"{key}.jpg" for key, *_ in drawn], "title": [text for *_, text in drawn]}
    write_parquet(root / "train.parquet", columns)
    return f"{root}/*.parquet"


def two_sources(root, drawn):
    """Without weights, several sources are one set."""
    (root / "first").mkdir()
    (root / "second").mkdir()
    return [one_tar(root / "first", drawn[:200]), hugging_face_parquet(root / "second", drawn[200:])]


WRITERS = [
    metadata_jsonl,
    metadata_csv,
    open_clip_tsv,
    par_csv,
    absolute_csv,
    semicolon_table,
    one_tar,
    tar_folder,
    tar_range,
    tar_glob,
    img2dataset,
    plain_folder,
    folder_range,
    hugging_face_parquet,
    parquet_of_bytes,
    parquet_of_paths,
    two_sources,
]


def _stream_hash(source):
    """Of the pixels and captions of an epoch and a little more, and of the captions held out."""
    pairs = open_pairs(source)
    assert (len(pairs), pairs.skipped) == (COUNT, [])
    digest = hashlib.sha256()
    order = order_of(pairs, 5)
    with BatchStream(ImageReader(pairs, {}, (16, 16)), COUNT, 50, seed=5, order=order) as stream:
        for (pixels, indices), _ in zip(stream, range(COUNT // 50 + 1), strict=False):
            assert pixels.shape == (50, 3, 16, 16)
            digest.update(pixels.numpy().tobytes())
            digest.update("\n".join(pairs.captions[i] for i in indices).encode())
    return digest.hexdigest(), tuple(split(pairs, 0.1, seed=5)[1].captions)


def test_every_form_gives_the_same_stream(tmp_path, drawn):
    found = {}
    for writer in WRITERS:
        root = tmp_path / writer.__name__
        root.mkdir()
        found[writer.__name__] = _stream_hash(writer(root, drawn))
    assert len(set(found.values())) == 1, found
    assert 25 <= len(found["one_tar"][1]) <= 80  # 50 expected, sigma 7
    changed = [(drawn[0][0], drawn[1][1], drawn[0][2]), *drawn[1:]]
    root = tmp_path / "changed"
    root.mkdir()
    assert _stream_hash(one_tar(root, changed)) not in found.values()


def test_a_jsonl_file_may_be_named_itself(tmp_path, drawn):
    folder = metadata_jsonl(tmp_path, drawn)
    assert open_pairs(folder / "metadata.jsonl").digest() == open_pairs(folder).digest()


def test_digest_moves_with_any_part(tmp_path, drawn):
    before = open_pairs(plain_folder(tmp_path, drawn)).digest()
    assert open_pairs(str(tmp_path)).digest() == before
    (tmp_path / "0003.txt").write_text("another caption")
    changed = open_pairs(tmp_path).digest()
    assert changed != before
    (tmp_path / "0003.jpg").write_bytes(drawn[3][1] + b"\0")
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
