"""report.json on disk: written whole, and read as if a stranger had written it."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest

from clipsan.errors import OutputError
from clipsan.report import ReportError, read_report, report_text, write_report


def test_round_trip(report, tmp_path):
    path = write_report(report, tmp_path / "report.json")
    assert read_report(path) == report
    assert path.read_bytes().endswith(b"}\n")
    assert os.listdir(tmp_path) == ["report.json"]


def test_names_keep_their_characters(report, tmp_path):
    # A file name that is no UTF-8 reaches Python with lone surrogates.
    named = replace(report, warnings=("Ærø, 猫, \udcff, \x1b[2J",))
    path = write_report(named, tmp_path / "report.json")
    assert "Ærø, 猫, \\udcff" in path.read_text(encoding="utf-8")
    assert read_report(path) == named


def test_equal_reports_give_equal_bytes(report):
    assert report_text(report) == report_text(replace(report))


@pytest.mark.skipif(os.name == "nt", reason="umask is POSIX")
def test_the_mode_is_the_users(report, tmp_path):
    before = os.umask(0o022)
    try:
        path = write_report(report, tmp_path / "report.json")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_bad_report_leaves_the_old_file(report, tmp_path):
    path = write_report(report, tmp_path / "report.json")
    old = path.read_bytes()
    with pytest.raises(ReportError):
        write_report(replace(report, settings={"lr": float("nan")}), path)
    assert path.read_bytes() == old


def test_a_folder_that_is_missing(report, tmp_path):
    with pytest.raises(OutputError, match=r"cannot write .*No such file"):
        write_report(report, tmp_path / "missing" / "report.json")


def test_nothing_is_left_behind_when_the_name_is_taken_by_a_folder(report, tmp_path):
    (tmp_path / "report.json").mkdir()
    with pytest.raises(OutputError, match="cannot write"):
        write_report(report, tmp_path / "report.json")
    assert os.listdir(tmp_path) == ["report.json"]


def _bad_files(text: str) -> dict[str, bytes]:
    twice = text.replace('"seed": 0', '"seed": 0, "seed": 1')
    return {
        "empty": b"",
        "half": text.encode()[: len(text) // 2],
        "binary": b"\xff\xfe\x00",
        "list": b"[]",
        "number": b"1",
        "deep": b"[" * 100_000 + b"]" * 100_000,
        "deep settings": text.replace('"arch": null', '"arch": ' + "[" * 200 + "]" * 200).encode(),
        "nan": text.replace('"seed": 0', '"seed": NaN').encode(),
        "infinite": text.replace('"chance": 0.05', '"chance": 1e999').encode(),
        "many digits": text.replace('"seed": 0', '"seed": ' + "9" * 10_000).encode(),
        "twice": twice.encode(),
        "other version": text.replace('"schema_version": "1.0"', '"schema_version": "2.0"').encode(),
        "control characters": text.replace('"command": "clean"', '"command": "\\u001b[2J"').encode(),
        "lies": text.replace('"successes": 943', '"successes": 9').encode(),
    }


@pytest.mark.parametrize("case", _bad_files(""))
def test_bad_files_give_one_sentence(report, tmp_path, case):
    good = report_text(report)
    content = _bad_files(good)[case]
    assert content != good.encode()
    path = tmp_path / "report.json"
    path.write_bytes(content)
    with pytest.raises(ReportError) as error:
        read_report(path)
    sentence = str(error.value)
    assert "report.json" in sentence
    assert len(sentence) < 500
    assert sentence.isprintable()


def test_the_schema_version_is_named(report, tmp_path):
    path = tmp_path / "report.json"
    path.write_text(json.dumps(report.to_dict() | {"schema_version": "2.0"}))
    with pytest.raises(ReportError, match=r"schema_version is 2\.0, and this clipsan reads 1\.0"):
        read_report(path)


def test_a_file_that_is_missing(tmp_path):
    with pytest.raises(ReportError, match=r"cannot read the report .*No such file"):
        read_report(tmp_path / "report.json")
