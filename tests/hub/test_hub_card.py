"""What is taken from a model card that nobody vouches for."""

from __future__ import annotations

import pytest
import yaml

from clipsan.hub import read_card
from clipsan.hub.card import LARGEST_CARD, LARGEST_FRONT_MATTER


@pytest.fixture
def read(tmp_path):
    def write_and_read(front, body="# A model\n"):
        text = front if isinstance(front, bytes) else f"---\n{front}\n---\n{body}".encode()
        (tmp_path / "README.md").write_bytes(text)
        assert read_card(tmp_path) == read_card(tmp_path / "README.md")
        return read_card(tmp_path)

    return write_and_read


@pytest.mark.parametrize(
    ("front", "expected"),
    [
        ("license: mit", {"license": "mit"}),
        ("license: [mit]", {"license": "mit"}),
        ("license:\n- mit\n- apache-2.0", {"license": "mit, apache-2.0"}),
        ("license: no", {"license": "no"}),  # text, not the truth value that YAML makes of it
        ("license: 3.0\ntags: [a]", {"license": "3.0"}),
        ("license: 'apache-2.0'\nbase_model: org/name", {"license": "apache-2.0", "base_model": "org/name"}),
        (
            "license: other\nlicense_name: terms of org\nlicense_link: https://example.org",
            {"license": "other", "license_name": "terms of org", "license_link": "https://example.org"},
        ),
        ("license:", {}),
        ("license: null", {}),
        ("license: {a: b}", {}),
        ("license: [[mit]]", {}),
        ("license: []", {}),
        ("license: [a, b, c, d, e, f]", {}),
        ("license: " + "x" * 201, {}),
        ('license: "mit\\nlicense: gpl"', {}),
        ('license: "\\e[2J"', {}),
        ("? [a, b]\n: gpl\nlicense: mit", {"license": "mit"}),
        ("language: en", {}),
        ("", {}),
        ("- license", {}),
        ("license: !!python/object/apply:os.system ['true']", {"license": "true"}),
    ],
)
def test_what_a_card_states(read, front, expected):
    assert read(front) == expected


@pytest.mark.parametrize(
    "text",
    [
        b"# A model without front matter\nlicense: mit\n",
        b"text\n---\nlicense: mit\n---\n",
        b"---\nlicense: mit\n",
        b"---\nlicense: mit\n--- and more\n",
        b"---\nlicense: \xff\n---\n",
        b"---\nlicense: [mit\n---\n",
        b"---\nlicense: mit\n\tx: y\n---\n",
        b"",
    ],
)
def test_cards_that_state_nothing(read, text):
    assert read(text) == {}


def test_line_ends_and_marks_of_other_systems(read):
    assert read(b"\xef\xbb\xbf---\r\nlicense: mit\r\n---\r\n# x\r\n") == {"license": "mit"}
    assert read(b"---\nlicense: mit\n---") == {"license": "mit"}


def test_no_card(tmp_path):
    assert (
        read_card(tmp_path) == read_card(tmp_path / "README.md") == read_card(tmp_path / "no" / "where") == {}
    )
    (tmp_path / "README.md").mkdir()
    assert read_card(tmp_path) == {}


@pytest.fixture(params=["with libyaml", "without"])
def reader(request, monkeypatch):
    """PyYAML reads through libyaml where it was built with it, else by itself."""
    if request.param == "without":
        monkeypatch.delattr(yaml, "CBaseLoader", raising=False)


@pytest.mark.usefixtures("reader")
def test_aliases_are_refused_before_they_grow(read):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 40)]
    assert read("\n".join([*lines, "license: mit"])) == {}
    assert read("base: &b {license: mit}\n<<: *b") == {}
    assert read("base: &b {x: y}\nlicense: mit") == {"license": "mit"}  # an anchor alone stands for nothing


@pytest.mark.usefixtures("reader")
def test_depth_and_size_are_bounded(read):
    assert read("a: " + "[" * 50_000) == {}
    assert read("a: " + "[" * 2000 + "]" * 2000 + "\nlicense: mit") == {}
    assert read("n: " + "9" * 5000 + "\nlicense: mit") == {"license": "mit"}  # numbers are not converted
    assert read("license: mit\na: |\n  " + "x" * LARGEST_FRONT_MATTER) == {}
    assert read("license: mit", "x" * LARGEST_CARD) == {}
    assert read("license: mit", "x" * (LARGEST_CARD - 100)) == {"license": "mit"}
