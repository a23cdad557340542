"""schema.json, the dataclasses and the reader say the same."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import typing
from dataclasses import fields, is_dataclass, replace
from types import SimpleNamespace

import jsonschema
import pytest

from clipsan.report import Rate, Report, ReportError, SkippedItems, json_schema, parse_report
from clipsan.report import durability as durability_module
from clipsan.report import examples as examples_module
from clipsan.report import measures as measures_module
from clipsan.report import rounds as rounds_module
from clipsan.report import schema as schema_module
from clipsan.report import tuning as tuning_module
from clipsan.report.record import Between, Record

_EXAMPLE = ["evaluation", "triggers", 0, "examples", "images", 0]
_PLACES = ["evaluation", "triggers", 0, "projections", "suspect"]


@pytest.fixture(scope="module")
def validator():
    jsonschema.Draft202012Validator.check_schema(json_schema())
    return jsonschema.Draft202012Validator(json_schema())


def _records():
    modules = (
        durability_module, examples_module, measures_module, rounds_module, schema_module, tuning_module,
    )  # fmt: skip
    named = {name: value for module in modules for name, value in vars(module).items()}
    found = [c for c in named.values() if isinstance(c, type) and is_dataclass(c)]
    return [c for c in found if issubclass(c, Record) or c is Rate]


def _smallest(report):
    return replace(report, models=(), data=None, training=None, evaluation=None, settings={}, versions={})


def test_reports_fit_the_schema_and_round_trip(report, validator):
    for each in (report, _smallest(report)):
        data = json.loads(json.dumps(each.to_dict()))
        validator.validate(data)
        assert Report.from_dict(data) == each


def test_the_order_of_the_keys_is_that_of_the_schema(report):
    assert list(report.to_dict()) == list(json_schema()["properties"])


@pytest.mark.parametrize("record", _records(), ids=lambda c: c.__name__)
def test_schema_file_and_dataclass_have_the_same_fields(record):
    schema = json_schema() if record is Report else json_schema()["$defs"][record.__name__]
    names = ["successes", "n", "rate", "low", "high"] if record is Rate else [f.name for f in fields(record)]
    assert list(schema["properties"]) == schema["required"] == names
    assert schema["additionalProperties"] is False
    for name, hint in typing.get_type_hints(record, include_extras=True).items():
        for arm in (hint, *typing.get_args(hint)):
            for limit in getattr(arm, "__metadata__", ()):
                if isinstance(limit, Between) and arm is hint:
                    assert schema["properties"][name]["minimum"] == limit.low
                    assert schema["properties"][name].get("maximum") == limit.high


def test_schema_defines_nothing_else():
    assert {*json_schema()["$defs"], "Report"} == {c.__name__ for c in _records()}


def _set(data, path, value):
    *way, last = path
    for key in way:
        data = data[key]
    data[last] = value


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        (["command"], "push", "command"),
        (["seed"], 0.5, "seed"),
        (["seed"], True, "seed"),
        (["surprise"], 1, "the report has keys"),
        (["models"], {}, "models"),
        (["models", 0, "sha256"], "a" * 63, "models[0].sha256"),
        (["models", 1, "role"], "reference", "models[1].role"),
        (["models", 0, "evidence"], [1], "models[0].evidence[0]"),
        (["models", 0, "metadata"], {"format": 1}, "models[0].metadata"),
        (["data", "skipped", "items"], [{"name": "x"}], "data.skipped.items[0] lacks reason"),
        (["data", "filter", "dropped"], -1, "data.filter.dropped"),
        (["data", "filter", "sheet"], "../x.png", "data.filter.sheet"),
        (["data", "filter", "items", 1, "reasons", 0, "score"], "4", "data.filter.items[1].reasons[0].score"),
        (["training", "curves", 0, "loss"], None, "training.curves[0].loss"),
        (["training", "curves", 0, "s_image"], 5.0, "training.curves[0].s_image"),
        (["training", "reached_tau", "image"], -1, "training.reached_tau.image"),
        (["evaluation", "chance"], 1.5, "evaluation.chance"),
        (["evaluation", "clean_accuracy", "suspect", "n"], -1, "evaluation.clean_accuracy.suspect"),
        (["evaluation", "triggers", 0, "target_given"], 1, "evaluation.triggers[0].target_given"),
        (["evaluation", "triggers", 0, "pull", "suspect", "triggered", "mean_rank"], 0.5, "mean_rank"),
        (["evaluation", "triggers", 0, "paired", "p"], 1.5, "evaluation.triggers[0].paired.p"),
        (["evaluation", "triggers", 0, "repeats", "draws"], 1, "evaluation.triggers[0].repeats.draws"),
        (["evaluation", "triggers", 0, "examples", "gain"], 0, "evaluation.triggers[0].examples.gain"),
        ([*_EXAMPLE, "picture"], "../x.png", "examples.images[0].picture"),
        ([*_EXAMPLE, "suspect", "clean", 0, "share"], 1.5, "suspect.clean[0].share"),
        ([*_PLACES, "others", "x", 0], 2.5, "projections.suspect.others.x[0]"),
        ([*_PLACES, "cosine_others"], None, "projections.suspect.cosine_others"),
        (["evaluation", "mean_recall", "cleaned"], -0.1, "evaluation.mean_recall.cleaned"),
        (["evaluation", "per_class", 0, "name"], None, "evaluation.per_class[0].name"),
        (["evaluation", "retrieval"], {}, "evaluation.retrieval lacks"),
        (["thresholds", "max_asr"], "0.1", "thresholds.max_asr"),
        (["verdict", "result"], "clean", "verdict.result"),
        (["warnings"], [None], "warnings[0]"),
    ],
)
def test_reader_and_schema_refuse_the_same(report, validator, path, value, place):
    data = json.loads(json.dumps(report.to_dict()))
    _set(data, path, value)
    assert not validator.is_valid(data)
    with pytest.raises(ReportError) as error:
        parse_report(data)
    assert place in str(error.value)


@pytest.mark.parametrize("value", [math.nan, math.inf, 10**30])
def test_numbers_that_json_cannot_hold_are_refused_on_writing(report, value):
    with pytest.raises(ReportError, match="settings"):
        replace(report, settings={"lr": [value]}).to_dict()


@pytest.mark.parametrize("value", [{1, 2}, b"x", {1: 2}])
def test_values_that_are_no_json_are_refused_on_writing(report, value):
    with pytest.raises(ReportError, match=r"settings\.x"):
        replace(report, settings={"x": value}).to_dict()


def test_skipped_items_are_counted_and_the_first_hundred_named():
    skipped = [SimpleNamespace(name=f"{i}.jpg", reason="empty" if i % 3 else "corrupt") for i in range(150)]
    counted = SkippedItems.of(skipped)
    assert counted.count == 150
    assert counted.reasons == {"empty": 100, "corrupt": 50}
    assert [item.name for item in counted.items] == [f"{i}.jpg" for i in range(100)]


def test_importing_the_report_does_not_import_torch():
    code = "import sys, clipsan.report; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
