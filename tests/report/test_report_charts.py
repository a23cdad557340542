"""Charts as numbers that can be checked by hand."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from clipsan.report import CurvePoint, Rate, Rates, conclude
from clipsan.report.charts import attack_chart, training_charts


def _points(path: str) -> list[tuple[int, int]]:
    return [(int(x), int(y)) for x, y in re.findall(r"(\d+) (-?\d+)", path)]


def test_lanes_of_the_attack_chart(report):
    chart = attack_chart(report)
    (row,) = chart.rows
    before, after = row.lanes
    assert row.label == "stripes → banana"
    assert (before.role, before.at, before.low, before.high) == ("suspect", 99.26, 98.49, 99.64)
    assert before.base is None and after.base == 0.63  # 6 of 950
    assert chart.limit == 10 and after.y > before.y > row.y
    assert "suspect 99.3 % [98.5, 99.6], cleaned 2.0 % [1.3, 3.1]" in chart.description


def test_no_chart_where_nothing_was_measured(report, trigger):
    unmeasured = replace(trigger, asr=Rates(None, Rate(0, 0)))
    changed = replace(report, evaluation=replace(report.evaluation, triggers=(unmeasured,)))
    assert attack_chart(changed) is None
    assert attack_chart(conclude(replace(report, evaluation=None))) is None


def test_curves_fill_their_frame(training):
    loss, distance, rate = training_charts(training)
    # 4.5 and 1.5 on an axis from 0 to 5
    assert [tick.words for tick in loss.y_ticks] == ["0", "1", "2", "3", "4", "5"]
    assert _points(loss.series[0].path) == [(0, 100), (1000, 700)]
    assert [line.name for line in distance.series][-1] == "tau = 2.15"
    assert _points(distance.series[1].path) == [(0, 1000), (0, 1000)]  # S_txt has one point
    # 1e-3 to 1e-9 in powers of ten
    assert [tick.words for tick in rate.y_ticks] == ["1e-9", "1e-7", "1e-5", "1e-3"]
    assert _points(rate.series[0].path) == [(0, 0), (1000, 1000)]
    assert [tick.words for tick in rate.x_ticks] == ["0", "159"]


@pytest.mark.parametrize("points", [(), (CurvePoint(0, 0.0, 0.0, 0.0, None, None),)])
def test_degenerate_curves(training, points):
    charts = training_charts(replace(training, curves=points, tau=None))
    assert len(charts) == (2 if points else 0)


def test_many_updates_keep_their_spikes(training):
    curves = tuple(CurvePoint(i, 1e-3, 1.0, 9.0 if i == 1234 else 1.0, None, None) for i in range(5000))
    loss = training_charts(replace(training, curves=curves))[0]
    drawn = _points(loss.series[0].path)
    assert loss.thinned and len(drawn) <= 600
    assert (247, 100) in drawn  # 1234 of 4999, and 9 of 10
