"""Sources that stand for several, several sources, some of the pairs, and images without captions."""

from __future__ import annotations

import pytest
from drawn_pairs import encode, noise, write_parquet, write_tar

from clipsan.errors import DataError, UsageError
from clipsan.pairs import ImageReader, Reading, open_pairs
from clipsan.pairs.expand import expand

PICTURE = encode(noise(16, 16))


def tar(path, *names):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tar(path, [(f"{n}.{e}", d) for n in names for e, d in (("png", PICTURE), ("txt", n.encode()))])
    return path


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("{00..02}.tar", ["00.tar", "01.tar", "02.tar"]),
        ("{2..0}.tar", ["2.tar", "1.tar", "0.tar"]),
        ("{08..11}.tar", ["08.tar", "09.tar", "10.tar", "11.tar"]),
        ("{b,a}{1..2}.tar", ["b1.tar", "b2.tar", "a1.tar", "a2.tar"]),
        ("0[01].tar", ["00.tar", "01.tar"]),
        ("{a,b}*.tar", ["a1.tar", "a2.tar", "b1.tar", "b2.tar"]),
        ("**/deep.tar", ["x/y/deep.tar"]),
        ("{odd}.tar", ["{odd}.tar"]),
        ("[1].tar", ["[1].tar"]),  # a name that exists is no pattern
        ("plain.tar", ["plain.tar"]),  # and one without a pattern need not exist
    ],
)
def test_what_a_pattern_stands_for(tmp_path, pattern, found):
    names = ["00", "01", "02", "0", "1", "2", "08", "09", "10", "11", "a1", "a2", "b1", "b2", "{odd}", "[1]"]
    for name in (*names, "x/y/deep"):
        tar(tmp_path / f"{name}.tar", "k")
    assert [path.relative_to(tmp_path).as_posix() for path in expand(f"{tmp_path}/{pattern}")] == found


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("{00..03}.tar", "There is no file or folder for .*/02.tar, nor for 1 more of"),
        ("none-*.tar", "There is no file or folder for .*none-"),
        ("{0..99999999}.tar", "stands for more than 100000 paths"),
        ("{0..9999}{0..9999}.tar", "stands for more than 100000 paths"),
        ("*", r"is a \.tar file .* and .* is a \.csv .*; give each form a --data of its own"),
        ("a\0{0..1}", "no file or folder"),
    ],
)
def test_patterns_that_fail_are_one_sentence(tmp_path, pattern, says):
    tar(tmp_path / "00.tar", "a")
    tar(tmp_path / "01.tar", "b")
    (tmp_path / "t.csv").write_text("image,caption\n")
    with pytest.raises(DataError, match=says):
        open_pairs(f"{tmp_path}/{pattern}")


def test_several_sources_are_one_set_that_knows_them(tmp_path):
    first = tar(tmp_path / "a.tar", "a", "b", "c")
    second = write_parquet(tmp_path / "b.parquet", {"image": [PICTURE] * 3, "text": ["d", "", "e"]})
    pairs = open_pairs([first, second], weights=[2, 0.5])
    assert pairs.captions == list("abcde")
    assert list(pairs.origin_of) == [0, 0, 0, 1, 1]
    assert [(origin.source, origin.weight) for origin in pairs.origins] == [
        (str(first), 2),
        (str(second), 0.5),
    ]
    assert [skipped.reason for skipped in pairs.skipped] == ["its caption is empty"]
    assert pairs.source == f"{first}, {second}"
    assert all(pairs.read(index) == PICTURE for index in range(5))
    part = pairs.subset([4, 0])
    assert (part.captions, list(part.origin_of), part.origins) == (["e", "a"], [1, 0], pairs.origins)


@pytest.mark.parametrize("weights", [[1], [1, 2, 3], [1, 0], [1, -1], [1, float("nan")], [1, float("inf")]])
def test_weights_must_fit_the_sources(tmp_path, weights):
    sources = [tar(tmp_path / "a.tar", "a"), tar(tmp_path / "b.tar", "b")]
    with pytest.raises(UsageError, match="for 2 --data: give as many as sources, each a number above 0"):
        open_pairs(sources, weights=weights)


def test_some_pairs_are_drawn_by_the_seed_in_their_order(tmp_path):
    names = [f"{i:02d}" for i in range(50)]
    source = tar(tmp_path / "a.tar", *names)
    some = open_pairs(source, Reading(max_pairs=10, seed=1)).captions
    assert len(some) == 10 and some == sorted(some) and set(some) < set(names) and some != names[:10]
    assert open_pairs(source, Reading(max_pairs=10, seed=1)).captions == some
    assert open_pairs(source, Reading(max_pairs=10, seed=2)).captions != some
    assert len(open_pairs([source, source], Reading(max_pairs=10))) == 20  # of each
    with pytest.raises(UsageError, match="--max-pairs is 1"):
        Reading(max_pairs=1)


@pytest.mark.parametrize(
    ("header", "separator", "reading"),
    [
        ("filepath|title", "|", Reading()),
        ("caption\turl\tfile_name", "\t", Reading()),
        ("a,b", ",", Reading("a", "b")),
        ("a;caption", ";", Reading(image_column="a")),
        ("image:text", ":", Reading(separator=":")),
        ("image,x;caption", ";", Reading("image,x", separator="semicolon")),
    ],
)
def test_separator_and_columns_are_found_or_named(tmp_path, header, separator, reading):
    (tmp_path / "p.png").write_bytes(PICTURE)
    columns = header.split(separator)
    row = ["p.png" if name not in ("title", "caption", "text", "b", "url") else name for name in columns]
    (tmp_path / "t.csv").write_text(f"{header}\n{separator.join(row)}\n")
    pairs = open_pairs(tmp_path / "t.csv", reading)
    assert pairs.names == ["p.png"] and pairs.captions[0] in ("title", "caption", "text", "b")


@pytest.mark.parametrize("separator", ["", "ab", "a", '"', "\n"])
def test_separators_that_are_none(separator):
    with pytest.raises(UsageError, match="--separator is"):
        Reading(separator=separator)


def test_images_without_captions_are_taken_only_when_asked_for(tmp_path):
    (tmp_path / "pictures" / "more").mkdir(parents=True)
    for name in ("b.png", "a.jpg", "more/c.webp", ".hidden.png"):
        (tmp_path / "pictures" / name).write_bytes(PICTURE)
    with pytest.raises(
        DataError, match=r"holds images without captions: .*--captions-from suspect --classes"
    ):
        open_pairs(tmp_path / "pictures")
    with_captions = tar(tmp_path / "t.tar", "given")
    pairs = open_pairs([with_captions, tmp_path / "pictures"], Reading(captionless=True))
    assert pairs.names[1:] == ["a.jpg", "b.png", "more/c.webp"]
    assert pairs.uncaptioned() == [1, 2, 3]
    done = pairs.with_captions({1: "x", 3: "y"})
    assert done.captions == ["given", "x", "", "y"]
    assert [origin.captions for origin in done.origins] == ["given", "proposed"]
    assert done.read(3) == PICTURE and pairs.captions[1] == ""


def test_an_empty_caption_is_a_fault_where_captions_are_given(tmp_path):
    """Also when images without captions are taken: this source has captions, and this one is broken."""
    (tmp_path / "p.png").write_bytes(PICTURE)
    (tmp_path / "t.csv").write_text("image,caption\np.png,\np.png,x\n")
    pairs = open_pairs(tmp_path / "t.csv", Reading(captionless=True))
    assert pairs.captions == ["x"] and len(pairs.skipped) == 1
    (tmp_path / "t.csv").write_text("image,size\np.png,3\n")
    assert open_pairs(tmp_path / "t.csv", Reading(captionless=True)).captions == [""]


def test_hostile_images_in_a_parquet_file_never_stop_a_reader(tmp_path):
    from test_pairs_images import HOSTILE

    bad = [data for data, _ in HOSTILE.values()]
    images = [data for pair in zip(bad, [PICTURE] * len(bad), strict=True) for data in pair]
    path = write_parquet(tmp_path / "t.parquet", {"image": images, "text": ["x"] * len(images)}, 4)
    pairs = open_pairs(path)
    reader = ImageReader(pairs, {}, (16, 16))
    assert reader.batch(range(len(pairs)))[1] == list(range(1, len(pairs), 2))
    assert {i: s.reason for i, s in reader.skipped.items()}.keys() == set(range(0, len(pairs), 2))
    for number, (_, reason) in enumerate(HOSTILE.values()):
        assert reader.skipped[2 * number].reason.startswith(reason)
