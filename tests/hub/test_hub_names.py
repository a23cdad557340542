"""How repositories, revisions and files are named, and what may be uploaded where."""

from __future__ import annotations

import pytest

from clipsan import hub
from clipsan.errors import CheckpointError, UsageError
from clipsan.hub import Destination, Repository


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("org/name", Repository("org/name", None)),
        ("org/name@main", Repository("org/name", "main")),
        ("hf-hub:org/name@refs/pr/1", Repository("org/name", "refs/pr/1")),
        ("hf-hub:org/name.pt", Repository("org/name.pt", None)),
        ("hf-hub:org/name/epoch_5.pt", Repository("org/name", None, "epoch_5.pt")),
        ("hf-hub:org/name/a/b c/model.bin@v1", Repository("org/name", "v1", "a/b c/model.bin")),
        ("./org/name", None),
        ("/org/name", None),
        ("name", None),
        ("org/name.pt", None),
        ("org/name/epoch_5.pt", None),  # a path, however it is spelt
        ("a/b/c", None),
    ],
)
def test_sources(source, expected):
    assert hub.parse_source(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        "clip",
        "org/clip@",
        "",
        "org/name/",
        "org/name/../x.pt",
        "a/b//c",
        "org/name/\x1b[2J.pt",
        "org/name/a\\b.pt",
    ],
)
def test_what_names_no_repository(source):
    with pytest.raises(CheckpointError, match="names no repository; write hf-hub:org/name"):
        hub.parse_source("hf-hub:" + source)


def test_a_repository_is_written_as_it_was_named():
    for source in ("org/name", "org/name@v1", "org/name/file.pt", "org/name/a/file.pt@v1"):
        assert str(hub.parse_source("hf-hub:" + source)) == source


def test_a_path_comes_before_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "org" / "name").mkdir(parents=True)
    assert hub.parse_source("org/name") is None
    assert hub.parse_source("hf-hub:org/name") == Repository("org/name", None)


NO_NAMES = "model|a/b/c||me/|/model|me/.model|me/a--b|me/a..b|me/a.git|me/a b|me/ü|me/a\n|https://hf.co/me/a"


@pytest.mark.parametrize("name", [*NO_NAMES.split("|"), "me/" + "x" * 96])
def test_names_that_no_repository_has(name):
    with pytest.raises(UsageError, match=r"--hub-repo is [^;]*, but a repository is named ORG/NAME"):
        Destination(name)


def test_settings_of_a_destination(monkeypatch):
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    assert Destination("me/model").url == "https://huggingface.co/me/model"
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.example/")
    assert Destination("me/model", "try/2").url == "http://hub.example/me/model/tree/try%2F2"
    with pytest.raises(UsageError, match="no name of a branch"):
        Destination("me/model", "a branch")
    with pytest.raises(UsageError, match="leave --revision"):
        Destination("me/model", "branch", create_pr=True)
