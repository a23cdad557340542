"""Labelled sets: class folders and CLIP_benchmark's layout."""

from __future__ import annotations

import io
import tarfile
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from clipsan.errors import DataError
from clipsan.evaluation.labelled import DEFAULT_TEMPLATES, open_labelled
from clipsan.pairs import ImageReader


def picture(seed=0):
    buffer = io.BytesIO()
    Image.fromarray(np.random.RandomState(seed).randint(0, 256, (8, 8, 3)).astype(np.uint8)).save(
        buffer, "PNG"
    )
    return buffer.getvalue()


def class_folders(root, names=("tabby_cat", "dog", "empty_class"), each=(2, 3, 0)):
    for name, count in zip(names, each, strict=True):
        (root / name).mkdir()
        for i in range(count):
            (root / name / f"{i}.png").write_bytes(picture(i))
    return root


def benchmark(
    root, labels=(b"0", b"1\n", b"1"), classnames="cat\ndog\n", templates="a photo of a {c}.\na {}!\n"
):
    (root / "test").mkdir()
    with tarfile.open(root / "test" / "0.tar", "w") as tar:
        for i, label in enumerate(labels):
            for name, data in ((f"s{i}.png", picture(i)), (f"s{i}.cls", label)):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    if classnames is not None:
        (root / "classnames.txt").write_text(classnames)
    if templates is not None:
        (root / "zeroshot_classification_templates.txt").write_text(templates)
    return root


def test_class_folders(tmp_path):
    found = open_labelled(class_folders(tmp_path))
    assert found.classnames == ["dog", "empty class", "tabby cat"]
    assert found.labels == [0, 0, 0, 2, 2]
    assert found.images.names == ["dog/0.png", "dog/1.png", "dog/2.png", "tabby_cat/0.png", "tabby_cat/1.png"]
    assert found.images.read(4) == picture(1)
    assert found.templates == list(DEFAULT_TEMPLATES)
    assert "a bad photo of the {c}." in DEFAULT_TEMPLATES and len(DEFAULT_TEMPLATES) == 7
    assert ImageReader(found.images, {}, (8, 8)).batch(range(5))[1] == [0, 1, 2, 3, 4]


def test_a_class_file_names_the_sorted_folders(tmp_path):
    (tmp_path / "eval").mkdir()
    folder = class_folders(tmp_path / "eval", ("n01", "n02"), (1, 1))
    names = tmp_path / "names.txt"
    names.write_bytes("goldfish \r\nChihuahua (Mexico) – „{c}“\r\n".encode())
    found = open_labelled(folder, names)
    assert found.classnames == ["goldfish", "Chihuahua (Mexico) – „{c}“"]
    names.write_text("goldfish\n")
    with pytest.raises(DataError, match=r"has 1 names and .* has 2 class folders"):
        open_labelled(folder, names)
    names.write_bytes(b"caf\xe9\nb\n")
    with pytest.raises(DataError, match="is not text in UTF-8"):
        open_labelled(folder, names)
    with pytest.raises(DataError, match="There is no file"):
        open_labelled(folder, tmp_path / "absent.txt")


def test_benchmark_layout(tmp_path):
    found = open_labelled(str(benchmark(tmp_path)))
    assert (found.classnames, found.labels) == (["cat", "dog"], [0, 1, 1])
    assert found.templates == ["a photo of a {c}.", "a {c}!"]
    assert found.images.names == ["0.tar/s0", "0.tar/s1", "0.tar/s2"]
    assert found.images.read(2) == picture(2)
    assert found.skipped == []


def test_digest_covers_labels_names_and_templates(tmp_path):
    digests = set()
    variants = (
        {},
        {"labels": (b"1", b"1", b"1")},
        {"classnames": "cat\nfox\n"},
        {"templates": "{c}\n"},
        {"templates": None},
    )
    for i, settings in enumerate(variants):
        root = tmp_path / str(i)
        root.mkdir()
        found = open_labelled(benchmark(root, **settings))
        assert open_labelled(root).digest == found.digest
        digests.add(found.digest)
    assert len(digests) == len(variants)


def test_broken_labels_are_skipped_by_name(tmp_path):
    labels = (b"0", b"2", b"-1", b"1.0", b"", b"\xff", b"1" * 40, b"1_0", b"0x1", b"1")
    found = open_labelled(benchmark(tmp_path, labels))
    assert found.labels == [0, 1]
    assert [skipped.name for skipped in found.skipped] == [f"0.tar/s{i}" for i in range(1, 9)]
    assert found.skipped[0].reason == "its label 2 is not one of the 2 classes"
    assert found.skipped[1].reason == "its label b'-1' is no class number"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda root: root / "nowhere", "There is no folder"),
        (lambda root: root, "holds no labelled images"),
        (lambda root: class_folders(root, ("one",), (2,)), "has 1 class; it takes two or more"),
        (lambda root: class_folders(root, ("a", "b"), (0, 0)), "holds no labelled images"),
        (lambda root: benchmark(root, classnames="cat\n"), "has 1 class; it takes two or more"),
        (lambda root: benchmark(root, classnames=None), "There is no file"),
        (lambda root: benchmark(root, (b"x", b"9")), "No image of .* has a usable label, the first 0.tar/s0"),
        (lambda root: benchmark(root, templates="a photo\n"), r"The template 'a photo' in .* has no \{c\}"),
    ],
)
def test_a_set_that_cannot_be_used_is_one_sentence(tmp_path, make, says):
    with pytest.raises(DataError, match=says) as caught:
        open_labelled(make(tmp_path))
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


@pytest.mark.photos
def test_the_labelled_photographs(shared):
    found = open_labelled(shared / "photos" / "eval")
    assert (len(found.images), len(found.classnames), found.skipped) == (1000, 20, [])
    assert Counter(found.labels) == dict.fromkeys(range(20), 50)
    assert all("{c}" in template for template in found.templates)
