"""Pictures beside a report: embedded in the page, checked before, and missed aloud."""

from __future__ import annotations

import io
from base64 import b64encode

import pytest
from PIL import Image

import clipsan
from clipsan.report import picture_files, write_report

NAME = "trigger-1-image-1.png"


def _png(width=200, height=64) -> bytes:
    file = io.BytesIO()
    Image.new("RGBA", (width, height), "red").save(file, format="PNG")
    return file.getvalue()


def _page(folder) -> str:
    clipsan.rebuild_report(folder)
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture
def folder(report, tmp_path):
    (tmp_path / "run").mkdir()
    write_report(report, tmp_path / "run" / "report.json")
    return tmp_path / "run"


def test_a_rebuilt_page_finds_the_pictures_again(folder):
    (folder / NAME).write_bytes(_png())
    page = _page(folder)
    assert f'src="data:image/png;base64,{b64encode(_png()).decode()}" width="200" height="64"' in page
    assert "was not beside the report" not in page


def _too_large(place):
    place.write_bytes(_png() + b"\0" * picture_files.LARGEST_PICTURE)


def _a_link(place):
    (place.parent.parent / "secret.png").write_bytes(_png())
    place.symlink_to(place.parent.parent / "secret.png")


@pytest.mark.parametrize(
    "put",
    [
        lambda place: None,
        lambda place: place.mkdir(),
        lambda place: place.write_bytes(b"<svg onload=alert(1)>"),
        lambda place: place.write_bytes(b""),
        lambda place: place.write_bytes(_png(5000, 1)),
        _too_large,
        _a_link,
    ],
    ids=["missing", "folder", "svg", "empty", "wide", "large", "link"],
)
def test_what_is_no_picture_is_not_shown_and_the_page_says_so(folder, put):
    put(folder / NAME)
    page = _page(folder)
    assert "<img" not in page
    assert f"The picture {NAME} was not beside the report" in page


def test_a_page_holds_only_so_many_bytes_of_pictures(folder, monkeypatch):
    (folder / NAME).write_bytes(_png())
    monkeypatch.setattr(picture_files, "LARGEST_SUM", len(_png()) - 1)
    assert "<img" not in _page(folder)
