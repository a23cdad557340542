"""scan_schema.json, the dataclasses, the reader and the page of a scan say the same."""

from __future__ import annotations

import json
import typing
from dataclasses import fields, replace

import jsonschema
import pytest

from clipsan.report import Model, Rate, ReportError, SkippedItems, json_schema
from clipsan.report import scan_record as module
from clipsan.report.json_file import report_text, write_report
from clipsan.report.record import Between, Record
from clipsan.report.scan_markdown import other_lines, refined_rows, rung_rows, scan_to_markdown
from clipsan.report.scan_record import (
    Candidate,
    ClassFree,
    RefinedTrigger,
    RungResult,
    ScanReport,
    TextSide,
    read_scan,
    scan_schema,
)

HOSTILE = "<img src=x onerror=alert(1)> [a](http://x.y) | `b`\x1b[31m"


@pytest.fixture
def scanned() -> ScanReport:
    model = Model(
        role="suspect", source="m", format="open_clip folder", path="m", sha256="0" * 64, repository=None,
        revision=None, architecture="RN", activation="gelu", evidence=(), dtype="float32", metadata={},
        card={},
    )  # fmt: skip
    candidate = Candidate(1, HOSTILE, Rate(98, 100), 4.5, 10.5, 9.3, 1e-19, None, True, f"{HOSTILE} by patch")
    refined = RefinedTrigger("x, refined", "warp", HOSTILE, Rate(30, 100), Rate(96, 100), Rate(3, 100))
    return ScanReport(
        versions={"clipsan": "0"}, model=model, reference=None, settings={"seed": 0}, seed=0,
        images="20 drawn scenes", images_used=20, images_held_out=6, skipped=SkippedItems.of([]), classes=20,
        rungs=(RungResult("patch", "8x8 patch", 20, 20, 4.1, "1 clean model", (3.3,), (candidate,)),),
        class_free=ClassFree(0.02, 0.96, 0.4, HOSTILE, 0.05, "1 clean model", True, "class-free"),
        text_side=TextSide((320, 7), "zx", 4000, 0.9, 0.5, 0.7, "a", 0.8, "default", False),
        refined=(refined,),
        result="evidence", reasons=("a reason",), targets=(HOSTILE,), warnings=(), seconds=1.5,
    )  # fmt: skip


def records() -> list[type]:
    own = (Candidate, RungResult, RefinedTrigger, ClassFree, TextSide, ScanReport)
    assert {c for c in vars(module).values() if isinstance(c, type) and issubclass(c, Record)} >= set(own)
    return list(own)


def test_a_scan_fits_the_schema_and_round_trips(scanned, tmp_path):
    for each in (scanned, replace(scanned, text_side=None, rungs=(), reference=scanned.model)):
        jsonschema.Draft202012Validator(scan_schema()).validate(json.loads(report_text(each)))
        assert read_scan(write_report(each, tmp_path / "scan.json")) == each


@pytest.mark.parametrize("record", records(), ids=lambda c: c.__name__)
def test_schema_file_and_dataclass_have_the_same_fields(record):
    schema = scan_schema() if record is ScanReport else scan_schema()["$defs"][record.__name__]
    assert list(schema["properties"]) == schema["required"] == [field.name for field in fields(record)]
    assert schema["additionalProperties"] is False
    for name, hint in typing.get_type_hints(record, include_extras=True).items():
        for limit in getattr(hint, "__metadata__", ()):
            if isinstance(limit, Between):
                assert schema["properties"][name]["minimum"] == limit.low
                assert schema["properties"][name].get("maximum") == limit.high


def test_what_both_schemas_define_is_the_same():
    shared = scan_schema()["$defs"].keys() & json_schema()["$defs"].keys()
    assert shared == {"Model", "Rate", "SkippedItem", "SkippedItems"}
    assert all(scan_schema()["$defs"][name] == json_schema()["$defs"][name] for name in shared)


def test_a_scan_from_elsewhere_is_checked(scanned, tmp_path):
    data = json.loads(report_text(scanned))
    for changed, said in (
        ({"result": "clean"}, "result must be one of"),
        ({"schema_version": "9"}, "schema_version is 9"),
        ({"classes": -1}, "classes must be at least 0"),
    ):
        (tmp_path / "scan.json").write_text(json.dumps(data | changed))
        with pytest.raises(ReportError, match=said):
            read_scan(tmp_path / "scan.json")


def test_the_page_says_what_was_found_and_takes_nothing_as_markup(scanned):
    page = scan_to_markdown(scanned)

    assert "**Evidence of a backdoor**" in page
    assert r"98.0 % \[93.0, 99.4\]" in page
    assert "<img" not in page
    assert "\x1b" not in page
    assert "[a](" not in page


def test_rows_and_lines_name_rank_limit_and_evidence(scanned):
    (header, row) = rung_rows(scanned.rungs[0])
    assert row[2:] == ["+10.50", "9.3", "< 1e-9", "yes"]
    assert len(header) == len(row)
    class_free, text = other_lines(scanned)
    assert "replaces 2.0 %" in class_free
    assert "limit 5.0 %" in class_free
    assert "limit 80.0 %" in text
    assert text.endswith("Evidence: no.")


def test_refined_triggers_stand_beside_what_they_were_refined_from(scanned):
    _, row = refined_rows(scanned)
    assert row[0] == "x, refined" and row[2] == "30.0 %"
    assert row[3].startswith("96.0 % [") and row[4].startswith("3.0 % [")
    assert "Refined within a wider bound" in scan_to_markdown(scanned)
    (alone,) = replace(scanned, refined=(replace(scanned.refined[0], reference=None),)).refined
    assert refined_rows(replace(scanned, refined=(alone,)))[1][4] == ""
    assert "Refined" not in scan_to_markdown(replace(scanned, refined=()))
