"""Reports made readable again, and compared, from folders."""

from __future__ import annotations

import json
import os

import pytest

import clipsan
from clipsan.cli import app
from clipsan.errors import OutputError, UsageError
from clipsan.report import ReportError, to_html, to_markdown, write_report


@pytest.fixture
def folder(report, tmp_path):
    (tmp_path / "run").mkdir()
    write_report(report, tmp_path / "run" / "report.json")
    return tmp_path / "run"


@pytest.mark.parametrize("name", ["", "report.json"])
def test_rebuilds_both_pages(report, folder, name):
    (folder / "report.md").write_text("old")
    (folder / "README.md").write_text("mine")
    done = clipsan.rebuild_report(folder / name)
    assert done.report == report and done.folder == folder
    assert (folder / "report.md").read_text(encoding="utf-8") == to_markdown(report)
    assert (folder / "report.html").read_text(encoding="utf-8") == to_html(report)
    assert sorted(os.listdir(folder)) == ["README.md", "report.html", "report.json", "report.md"]
    assert (folder / "README.md").read_text() == "mine"


def test_a_link_is_replaced_and_not_followed(folder, tmp_path):
    (tmp_path / "precious").write_text("x")
    (folder / "report.html").symlink_to(tmp_path / "precious")
    clipsan.rebuild_report(folder)
    assert (tmp_path / "precious").read_text() == "x"
    assert not (folder / "report.html").is_symlink()


def test_what_is_not_there_is_said(folder, tmp_path, monkeypatch):
    with pytest.raises(UsageError, match=r"there is no folder or report\.json at"):
        clipsan.rebuild_report(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"holds no report\.json"):
        clipsan.diff(folder, tmp_path / "empty")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="name a DIR"):
        clipsan.rebuild_report()
    (folder / "report.json").write_text('{"schema_version": "1.0"}')
    with pytest.raises(ReportError, match="lacks"):
        clipsan.rebuild_report(folder)
    assert os.listdir(folder) == ["report.json"]


def test_a_place_that_cannot_be_written(folder):
    (folder / "report.html").mkdir()
    with pytest.raises(OutputError, match=r"cannot write .*report\.html"):
        clipsan.rebuild_report(folder)


def test_commands(folder, capsys):
    assert app(["report", str(folder)], standalone_mode=False) == 0
    assert "report.html" in capsys.readouterr().err
    assert app(["diff", str(folder), str(folder), "--json"], standalone_mode=False) is None
    shown = capsys.readouterr()
    assert json.loads(shown.out)["settings"] == [] and shown.err == ""
    app(["diff", str(folder), str(folder / "report.json")], standalone_mode=False)
    shown = capsys.readouterr()
    assert shown.out == "" and "51.0 % [47.9, 54.1]" in shown.err and "Verdict of B: pass" in shown.err
